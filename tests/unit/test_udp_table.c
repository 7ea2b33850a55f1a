// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of UDP flows: who is found by what, and in which order they go. */
#include "portfwd/udp_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#define MANY (3 * UDP_TABLE_BUCKETS)

struct fx {
	struct udp_table table;
	int ports[2]; /* only their addresses matter */
	struct udp_node nodes[MANY];
};

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	*state = fx;
	return udp_table_init(&fx->table);
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct udp_key key(const struct fx *fx, int port, const char *client,
			  uint16_t client_port, const char *local)
{
	return (struct udp_key){
		.port = &fx->ports[port],
		.client = address(client),
		.local = address(local),
		.client_port = client_port,
		.pod_port = 53,
	};
}

static void add(struct fx *fx, size_t i, struct udp_key k, int at_s)
{
	fx->nodes[i].key = k;
	udp_table_add(&fx->table, &fx->nodes[i], mono_s(at_s));
}

static void flow_is_found_by_all_of_its_key(void **state)
{
	static const char host[] = "192.0.2.1", other[] = "192.0.2.2";
	struct fx *fx = *state;
	struct udp_key k = key(fx, 0, "198.51.100.7", 4000, host), wrong;

	assert_null(udp_table_find(&fx->table, &k));
	add(fx, 0, k, 0);
	assert_ptr_equal(udp_table_find(&fx->table, &k), &fx->nodes[0]);
	wrong = key(fx, 1, "198.51.100.7", 4000, host);
	assert_null(udp_table_find(&fx->table, &wrong));
	wrong = key(fx, 0, "198.51.100.8", 4000, host);
	assert_null(udp_table_find(&fx->table, &wrong));
	wrong = key(fx, 0, "198.51.100.7", 4001, host);
	assert_null(udp_table_find(&fx->table, &wrong));
	wrong = key(fx, 0, "198.51.100.7", 4000, other);
	assert_null(udp_table_find(&fx->table, &wrong));
	wrong = k;
	wrong.pod_port++;
	assert_null(udp_table_find(&fx->table, &wrong));
	udp_table_del(&fx->table, &fx->nodes[0]);
	udp_table_del(&fx->table, &fx->nodes[0]);
	assert_null(udp_table_find(&fx->table, &k));
	assert_int_equal(fx->table.n, 0);
}

static void all_flows_of_a_client_are_walked(void **state)
{
	struct fx *fx = *state;
	struct udp_key k = key(fx, 0, "2001:db8::7", 4000, "2001:db8::1");
	struct udp_node *n = NULL;
	unsigned int seen = 0;

	add(fx, 0, k, 0);
	add(fx, 1, key(fx, 0, "2001:db8::7", 4000, "2001:db8::2"), 0);
	add(fx, 2, key(fx, 1, "2001:db8::7", 4000, "2001:db8::1"), 0);
	add(fx, 3, key(fx, 0, "2001:db8::7", 4001, "2001:db8::1"), 0);
	while ((n = udp_table_next(&fx->table, &k, n)))
		seen |= 1U << (n - fx->nodes);
	assert_int_equal(seen, 3);
}

static void client_is_taken_on_any_port_of_the_host(void **state)
{
	struct fx *fx = *state;
	struct udp_key k = key(fx, 0, "198.51.100.7", 4000, "192.0.2.1");
	struct udp_key second = key(fx, 1, "198.51.100.7", 4000, "192.0.2.2");

	add(fx, 0, k, 0);
	assert_false(udp_table_taken(&fx->table, &second));
	fx->nodes[0].exact = true;
	assert_true(udp_table_taken(&fx->table, &second));
	second.pod_port++;
	assert_false(udp_table_taken(&fx->table, &second));
}

static void longest_idle_comes_first(void **state)
{
	struct fx *fx = *state;

	assert_null(udp_table_oldest(&fx->table));
	for (uint16_t i = 0; i < 3; i++)
		add(fx, i, key(fx, 0, "198.51.100.7", i, "192.0.2.1"), i);
	assert_ptr_equal(udp_table_oldest(&fx->table), &fx->nodes[0]);
	udp_table_touch(&fx->table, &fx->nodes[0], mono_s(9));
	assert_int_equal(fx->nodes[0].used.ns, mono_s(9).ns);
	assert_ptr_equal(udp_table_oldest(&fx->table), &fx->nodes[1]);
	udp_table_del(&fx->table, &fx->nodes[1]);
	assert_ptr_equal(udp_table_oldest(&fx->table), &fx->nodes[2]);
}

static void more_flows_than_buckets_are_kept_apart(void **state)
{
	struct fx *fx = *state;

	for (size_t i = 0; i < MANY; i++)
		add(fx, i, key(fx, 0, "198.51.100.7", (uint16_t)i, "192.0.2.1"),
		    0);
	assert_int_equal(fx->table.n, MANY);
	for (size_t i = 0; i < MANY; i += 2)
		udp_table_del(&fx->table, &fx->nodes[i]);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(udp_table_find(&fx->table, &fx->nodes[i].key),
				 i % 2 ? &fx->nodes[i] : NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(flow_is_found_by_all_of_its_key),
		TEST(all_flows_of_a_client_are_walked),
		TEST(client_is_taken_on_any_port_of_the_host),
		TEST(longest_idle_comes_first),
		TEST(more_flows_than_buckets_are_kept_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
