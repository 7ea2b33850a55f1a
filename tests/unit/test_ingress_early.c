// SPDX-License-Identifier: GPL-2.0-or-later
/* Clients that come before the pod's server listens. */
#include "tests/unit/ingress_fixture.h"

#define MANY 300

/* A port of the pod that nobody listens on yet; start_server() does. */
static void publish(struct ix *ix, uint32_t early_s)
{
	ix_pod_listen(ix, AF_INET);
	fd_drop(&ix->server[0]);
	ix->early_s = early_s;
	ix_publish(ix, "", 1);
}

static void still_waits(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void client_waits_for_the_server(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	publish(ix, 3600);
	c.client = ix_client(ix, NULL, 0, true);
	settle(&ix->loop);
	still_waits(c.client);
	assert_int_equal(ingress_stats(ix->in)->accepted, 1);
	ix_pod_listen(ix, AF_INET);
	c.pod = ix_accept(ix, AF_INET, &c.seen);
	ix_check(ix, &c);
	assert_int_equal(ingress_stats(ix->in)->refused, 0);
	conn_close(&c);
}

static void all_that_wait_are_served_a_few_at_a_time(void **state)
{
	struct ix *ix = *state;
	struct conn *c = calloc(MANY, sizeof(*c));

	assert_non_null(c);
	publish(ix, 3600);
	for (int i = 0; i < MANY; i++)
		c[i].client = ix_client(ix, NULL, 0, true);
	settle(&ix->loop);
	/* the others are in the backlog, and cost nothing */
	assert_in_range(ingress_stats(ix->in)->accepted, 1, 32);
	ix_pod_listen(ix, AF_INET);
	for (int i = 0; i < MANY; i++)
		c[i].pod = ix_accept(ix, AF_INET, &c[i].seen);
	WAIT(&ix->loop, ix->relay.n_flows == MANY);
	assert_int_equal(ingress_stats(ix->in)->accepted, MANY);
	for (int i = 0; i < MANY; i++)
		conn_close(&c[i]);
	free(c);
}

static void clients_wait_for_a_limited_time(void **state)
{
	struct ix *ix = *state;
	int clients[40];

	publish(ix, 1);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = ix_client(ix, NULL, 0, true);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		assert_int_equal(ix_end_of(ix, clients[i]), -ECONNRESET);
		fd_drop(&clients[i]);
	}
	assert_int_equal(ingress_stats(ix->in)->refused, ARRAY_SIZE(clients));
}

static void server_that_was_there_is_not_waited_for(void **state)
{
	struct ix *ix = *state;
	struct conn c;
	int client;

	publish(ix, 3600);
	ix_pod_listen(ix, AF_INET);
	ix_connect(ix, &c, NULL);
	ix_check(ix, &c);
	fd_drop(&ix->server[0]);
	client = ix_client(ix, NULL, 0, true);
	assert_int_equal(ix_end_of(ix, client), -ECONNRESET);
	fd_drop(&client);
	conn_close(&c);
}

static void target_of_forward_is_not_waited_for(void **state)
{
	struct ix *ix = *state;
	int client;

	ix->source.direct = true;
	publish(ix, 3600);
	client = ix_client(ix, NULL, 0, true);
	assert_int_equal(ix_end_of(ix, client), -ECONNRESET);
	fd_drop(&client);
}

static void those_who_wait_end_with_their_port(void **state)
{
	struct ix *ix = *state;
	int client;

	publish(ix, 3600);
	client = ix_client(ix, NULL, 0, true);
	settle(&ix->loop);
	still_waits(client);
	ingress_unpublish(ix->in, 1, true);
	assert_int_equal(ix_end_of(ix, client), -ECONNRESET);
	fd_drop(&client);
}

/* ix_teardown() sees that nothing is left. */
static void those_who_wait_end_with_the_process(void **state)
{
	struct ix *ix = *state;
	int client;

	publish(ix, 3600);
	client = ix_client(ix, NULL, 0, true);
	settle(&ix->loop);
	still_waits(client);
	fd_drop(&client);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, ix_setup, ix_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(client_waits_for_the_server),
		TEST(all_that_wait_are_served_a_few_at_a_time),
		TEST(clients_wait_for_a_limited_time),
		TEST(server_that_was_there_is_not_waited_for),
		TEST(target_of_forward_is_not_waited_for),
		TEST(those_who_wait_end_with_their_port),
		TEST(those_who_wait_end_with_the_process),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
