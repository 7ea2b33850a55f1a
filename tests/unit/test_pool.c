// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets kept in reserve, with a maker played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/msg.h"
#include "portfwd/pool.h"
#include "portfwd/portfwd.h"
#include "tests/unit/harness.h"

struct fx {
	struct loop loop;
	struct pool *pool;
	struct pool_user user;
	int maker;
	size_t n_fds;
};

static int setup(void **state)
{
	static struct fx fx;
	int ends[2];

	fx = (struct fx){ .user.type = SOCK_DGRAM };
	*state = &fx;
	if (loop_init(&fx.loop) || msg_pair(ends))
		return -1;
	fx.maker = ends[1];
	fx.n_fds = count_fds();
	return fd_nonblock(ends[0]) || fd_nonblock(ends[1]) ||
	       pool_new(&fx.pool, &fx.loop, ends[0], true);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	fx->pool = pool_free(fx->pool);
	fd_drop(&fx->maker);
	loop_deinit(&fx->loop);
	return 0;
}

/* Take a request; Return: what was wanted */
static struct maker_want wanted(struct fx *fx)
{
	struct maker_want want = { 0 };
	struct msg m;

	assert_int_equal(msg_recv(fx->maker, &m), 1);
	assert_int_equal(m.type, MAKER_WANT);
	assert_int_equal(m.len, sizeof(want));
	memcpy(&want, m.body, sizeof(want));
	return want;
}

static void answer(struct fx *fx, const struct maker_want *want)
{
	int fds[POOL_SIZE];

	assert_true(want->count > 0 && want->count <= POOL_SIZE);
	for (uint32_t i = 0; i < want->count; i++) {
		fds[i] = socket(want->family, want->type | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(msg_send(fx->maker, MAKER_SOCKETS, want, sizeof(*want),
				  fds, want->count),
			 0);
	for (uint32_t i = 0; i < want->count; i++)
		fd_drop(&fds[i]);
}

static void user_that_leaves_leaves_no_socket(void **state)
{
	struct fx *fx = *state;
	struct maker_want want[2];

	pool_join(fx->pool, &fx->user);
	pool_fill(fx->pool, &fx->user);
	for (int i = 0; i < 2; i++) {
		want[i] = wanted(fx);
		answer(fx, &want[i]);
	}
	WAIT(&fx->loop, pool_has(fx->pool, &fx->user) == POOL_SIZE);
	pool_leave(fx->pool, &fx->user);
	assert_int_equal(count_fds(), fx->n_fds);
	pool_leave(fx->pool, &fx->user);
}

static void sockets_that_come_too_late_are_closed(void **state)
{
	struct fx *fx = *state;
	struct maker_want want[2];
	int fd = -1;

	pool_join(fx->pool, &fx->user);
	pool_fill(fx->pool, &fx->user);
	for (int i = 0; i < 2; i++)
		want[i] = wanted(fx);
	pool_leave(fx->pool, &fx->user);
	for (int i = 0; i < 2; i++)
		answer(fx, &want[i]);
	settle(&fx->loop);
	assert_int_equal(count_fds(), fx->n_fds);
	/* and who comes back is served */
	pool_join(fx->pool, &fx->user);
	pool_fill(fx->pool, &fx->user);
	for (int i = 0; i < 2; i++) {
		want[i] = wanted(fx);
		answer(fx, &want[i]);
	}
	WAIT(&fx->loop, (fd = pool_get(fx->pool, &fx->user, AF_INET)) >= 0);
	fd_drop(&fd);
	pool_leave(fx->pool, &fx->user);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(user_that_leaves_leaves_no_socket),
		TEST(sockets_that_come_too_late_are_closed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
