// SPDX-License-Identifier: GPL-2.0-or-later
/* What the helper's processes are told; the test is such a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "netstack/netstack.h"
#include "portfwd/portfwd.h"
#include "setup/helper/helpers.h"
#include "tests/unit/harness.h"

struct fx {
	struct helpers h;
	struct net_config net;
	struct podnet plan;
	struct resolv resolv;
	struct loop loop;
	struct loop_source theirs; /* the other end of a process's socket */
	struct msg got;		   /* there */
};

static void on_message(struct loop_source *src, uint32_t revents)
{
	struct fx *fx = container_of(src, struct fx, theirs);

	(void)revents;
	assert_int_equal(msg_recv(src->fd, &fx->got), 1);
	loop_stop(&fx->loop, 0);
}

static int setup(void **state)
{
	static struct fx fx;

	fx = (struct fx){ .theirs = LOOP_SOURCE_NULL };
	helpers_init(&fx.h);
	fx.h.net = &fx.net;
	fx.h.plan = &fx.plan;
	fx.h.resolv = &fx.resolv;
	fx.h.loop = &fx.loop;
	*state = &fx;
	return loop_init(&fx.loop);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	loop_close(&fx->loop, &fx->theirs);
	helpers_stop(&fx->h, 0);
	loop_deinit(&fx->loop);
	return 0;
}

/* @who runs, and has more to read than its socket takes. */
static void busy(struct fx *fx, enum helper who)
{
	static const uint8_t big[MSG_BODY_MAX];
	int pair[2], rc;

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(fd_nonblock(pair[0]), 0);
	assert_int_equal(fd_nonblock(pair[1]), 0);
	fx->h.children[who].ctl = pair[0];
	fx->theirs = (struct loop_source){ pair[1], EPOLLIN, on_message };
	do {
		rc = msg_send(pair[0], 0, big, sizeof(big), NULL, 0);
	} while (!rc);
	assert_int_equal(rc, -EAGAIN);
}

/* It reads what there is, and then what comes: one message, no more. */
static void gets(struct fx *fx, uint32_t type, size_t len)
{
	while (msg_recv(fx->theirs.fd, &fx->got) == 1)
		assert_int_equal(fx->got.type, 0);
	assert_int_equal(loop_add(&fx->loop, &fx->theirs), 0);
	assert_int_equal(loop_run(&fx->loop), 0);
	assert_int_equal(fx->got.type, type);
	assert_int_equal(fx->got.len, len);
}

static void told(struct fx *fx, uint32_t type, const void *body, size_t len)
{
	gets(fx, type, len);
	assert_memory_equal(fx->got.body, body, len);
	assert_int_equal(msg_recv(fx->theirs.fd, &fx->got), -EAGAIN);
}

static void a_busy_portfwd_is_told_of_the_route_later(void **state)
{
	static const uint8_t none = 0;
	struct fx *fx = *state;

	busy(fx, HELPER_PORTFWD);
	fx->h.route6 = true;
	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_ROUTE6), 0);
	fx->h.route6 = false;
	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_ROUTE6), 0);
	told(fx, PORTFWD_ROUTE6, &none, sizeof(none));
}

static void a_busy_portfwd_is_told_of_its_target_later(void **state)
{
	struct portfwd_target got;
	struct fx *fx = *state;

	busy(fx, HELPER_PORTFWD);
	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_TARGET), 0);
	fx->plan.mtu_bytes = 1234;
	fx->h.lost[SPEC_UDP] = true;
	gets(fx, PORTFWD_TARGET, sizeof(got));
	memcpy(&got, fx->got.body, sizeof(got));
	assert_memory_equal(&got.plan, &fx->plan, sizeof(got.plan));
	assert_false(got.lost[SPEC_TCP]);
	assert_true(got.lost[SPEC_UDP]);
	assert_int_equal(msg_recv(fx->theirs.fd, &fx->got), -EAGAIN);
}

static void a_busy_netstack_is_told_of_the_resolvers_later(void **state)
{
	struct netstack_servers want = { .n = 1 };
	struct fx *fx = *state;
	struct ip ip;

	assert_int_equal(ip_parse("192.0.2.1", &ip), 0);
	want.servers[0] = endpoint_make(&ip, 53);
	busy(fx, HELPER_NETSTACK);
	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_SERVERS), 0);
	fx->resolv.servers[0] = want.servers[0];
	fx->resolv.n_servers = 1;
	told(fx, NETSTACK_SERVERS, &want, sizeof(want));
}

static void a_process_that_is_not_there_is_told_by_its_start(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_ROUTE6), 0);
	assert_int_equal(helpers_tell(&fx->h, HELPER_NEWS_SERVERS), 0);
	assert_int_equal(fx->loop.n_timers, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_busy_portfwd_is_told_of_the_route_later),
		TEST(a_busy_portfwd_is_told_of_its_target_later),
		TEST(a_busy_netstack_is_told_of_the_resolvers_later),
		TEST(a_process_that_is_not_there_is_told_by_its_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
