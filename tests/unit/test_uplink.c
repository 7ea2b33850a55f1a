// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of the host's way out, in a namespace with routes of ours. */
#include "setup/net/uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "setup/net/link.h"
#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

static struct netns netns;

struct fx {
	struct nl_sock *sk;
	int index;
};

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static int setup(void **state)
{
	static struct fx fx;
	struct link_opts none = { 0 };
	scoped_fd ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	*state = &fx;
	if (netns.why_not[0])
		return 0;
	return link_open(&fx.sk) ||
	       link_add_veth(fx.sk, "up0", &none, "up1", ns, &none) ||
	       link_index(fx.sk, "up0", &fx.index);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	if (fx->sk)
		(void)link_del(fx->sk, "up0");
	fx->sk = link_close(fx->sk);
	return 0;
}

static void up(struct fx *fx, uint32_t mtu)
{
	struct link_opts o = { .up = true, .mtu_bytes = mtu };

	assert_int_equal(link_set(fx->sk, "up0", &o), 0);
	o.mtu_bytes = 0;
	assert_int_equal(link_set(fx->sk, "up1", &o), 0);
}

static void route(struct fx *fx, const char *addr, unsigned int prefix,
		  bool add)
{
	struct ip ip = address(addr);
	struct link_route r = { .family = ip.family, .ifindex = fx->index };

	if (add) {
		assert_int_equal(link_addr(fx->sk, fx->index, &ip, prefix), 0);
		assert_int_equal(link_route_add(fx->sk, &r), 0);
	} else {
		assert_int_equal(link_route_del(fx->sk, &r), 0);
	}
}

static void host_without_a_way_out_has_the_default_mtu(void **state)
{
	(void)state;
	NETNS_OR_SKIP(&netns);
	assert_int_equal(uplink_mtu(), 1500);
	assert_false(uplink_has_ipv6());
}

static void mtu_is_that_of_the_route_within_bounds(void **state)
{
	static const struct {
		uint32_t set, got;
	} t[] = {
		{ 1400, 1400 }, { 9000, 9000 }, { 600, 1280 }, { 65535, 65520 }
	};
	struct fx *fx = *state;

	NETNS_OR_SKIP(&netns);
	up(fx, 1500);
	route(fx, "192.0.2.1", 24, true);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		up(fx, t[i].set);
		assert_int_equal(uplink_mtu(), t[i].got);
	}
	assert_false(uplink_has_ipv6());
}

static void mtu_is_of_ipv6_where_that_is_all(void **state)
{
	struct fx *fx = *state;

	NETNS_OR_SKIP(&netns);
	up(fx, 1444);
	route(fx, "2001:db8::1", 64, true);
	assert_true(uplink_has_ipv6());
	assert_int_equal(uplink_mtu(), 1444);
}

static void route_into_the_pods_network_is_a_clash(void **state)
{
	static const struct {
		const char *own, *clash;
		unsigned int prefix;
	} t[] = {
		{ "192.0.2.1", NULL, 24 },
		{ "10.0.3.1", NULL, 24 },
		{ "10.0.2.15", "10.0.2.0/24", 24 },
		{ "10.9.9.9", "10.0.2.0/24", 8 },
		{ "2001:db8::1", NULL, 64 },
		{ "fd00::7", "fd00::/64", 64 },
		{ "fd00::1", "fd00::/64", 48 },
	};
	struct podnet plan = {
		.net4 = address("10.0.2.0"),
		.prefix4 = 24,
		.has_ipv6 = true,
		.net6 = address("fd00::"),
		.prefix6 = 64,
	};
	struct fx *fx = *state;

	NETNS_OR_SKIP(&netns);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char text[UPLINK_NET_TEXT] = "";
		void *again = NULL;

		up(fx, 1500);
		route(fx, t[i].own, t[i].prefix, true); /* and a default */
		assert_int_equal(uplink_clashes(&plan, text),
				 t[i].clash != NULL);
		assert_string_equal(text, t[i].clash ? t[i].clash : "");
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(&again), 0);
	}
}

struct seen {
	int n;
	bool has_ipv6;
};

static void on_change(void *arg, bool has_ipv6)
{
	struct seen *s = arg;

	s->n++;
	s->has_ipv6 = has_ipv6;
}

static void coming_and_going_of_ipv6_is_told_once_each(void **state)
{
	struct uplink_watch *w;
	struct fx *fx = *state;
	struct seen seen = { 0 };
	struct loop loop;

	NETNS_OR_SKIP(&netns);
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(uplink_watch_new(&w, &loop, false, on_change, &seen),
			 0);
	up(fx, 1500);
	route(fx, "2001:db8::1", 64, true);
	WAIT(&loop, seen.n == 1);
	assert_true(seen.has_ipv6);
	route(fx, "2001:db8::1", 64, false);
	WAIT(&loop, seen.n == 2);
	assert_false(seen.has_ipv6);
	assert_null(uplink_watch_free(w));
	assert_null(uplink_watch_free(NULL));
	loop_deinit(&loop);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(host_without_a_way_out_has_the_default_mtu),
		TEST(mtu_is_that_of_the_route_within_bounds),
		TEST(mtu_is_of_ipv6_where_that_is_all),
		TEST(route_into_the_pods_network_is_a_clash),
		TEST(coming_and_going_of_ipv6_is_told_once_each),
	};

	(void)netns_enter(&netns);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
