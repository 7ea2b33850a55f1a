// SPDX-License-Identifier: GPL-2.0-or-later
/* What a pod's supervisor tells the containers in it; the test is those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/helper/members.h"
#include "tests/unit/harness.h"

struct fx {
	struct loop loop;
	struct members m;
	int namespaces[INFRA_NS_N];
	char hosts[64];
	uint32_t last_id, withdrawn[4];
	size_t n_withdrawn, n_changed;
	struct msg got;
};

static int on_publish(void *arg, const struct spec *spec, uint32_t *id)
{
	struct fx *fx = arg;

	if (spec->host_port == 8080) {
		log_error("*:8080/tcp: address already in use");
		return -EADDRINUSE;
	}
	*id = ++fx->last_id;
	return 0;
}

static void on_unpublish(void *arg, uint32_t id)
{
	struct fx *fx = arg;

	assert_true(fx->n_withdrawn < 4);
	fx->withdrawn[fx->n_withdrawn++] = id;
}

static void on_changed(void *arg)
{
	struct fx *fx = arg;

	fx->n_changed++;
	members_names(&fx->m, fx->hosts, sizeof(fx->hosts));
	members_tell(&fx->m, MEMBER_HOSTS);
}

static int setup(void **state)
{
	static struct fx fx;

	fx = (struct fx){ .loop = LOOP_NULL };
	for (int i = 0; i < INFRA_NS_N; i++)
		fx.namespaces[i] = -1;
	members_init(&fx.m);
	fx.m.loop = &fx.loop;
	fx.m.namespaces = fx.namespaces;
	fx.m.resolv = "nameserver 10.0.2.3\n";
	fx.m.hosts = fx.hosts;
	fx.m.ops = (struct members_ops){ on_publish, on_unpublish, on_changed,
					 &fx };
	*state = &fx;
	return loop_init(&fx.loop);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	members_deinit(&fx->m);
	fd_drop(&fx->namespaces[INFRA_NS_NET]);
	loop_deinit(&fx->loop);
	return 0;
}

static void say(int conn, uint32_t type, const char *text)
{
	assert_int_equal(msg_send(conn, type, text, strlen(text), NULL, 0), 0);
}

/* The next message is of that type; its text */
static const char *hear(struct fx *fx, int conn, uint32_t type)
{
	int rc = -EAGAIN;

	WAIT(&fx->loop, !msg_again(rc = msg_recv(conn, &fx->got)));
	assert_int_equal(rc, 1);
	assert_int_equal(fx->got.type, type);
	fx->got.body[fx->got.len] = '\0';
	return (const char *)fx->got.body;
}

static int come(struct fx *fx)
{
	int pair[2];

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(fd_nonblock(pair[0]), 0);
	members_add(&fx->m, pair[1]);
	return pair[0];
}

/* One that has joined, and has heard all. */
static int join(struct fx *fx, const char *names)
{
	int conn = come(fx);

	say(conn, MEMBER_JOIN, names);
	(void)hear(fx, conn, MEMBER_POD);
	msg_drop(&fx->got);
	(void)hear(fx, conn, MEMBER_RESOLV);
	(void)hear(fx, conn, MEMBER_HOSTS);
	return conn;
}

static void who_joins_gets_the_namespaces_that_there_are(void **state)
{
	struct fx *fx = *state;
	scoped_fd conn = -1;
	struct member_pod body;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	fx->namespaces[INFRA_NS_NET] = fds[0];
	fx->m.share = 7;
	conn = come(fx);
	say(conn, MEMBER_JOIN, "web");
	(void)hear(fx, conn, MEMBER_POD);
	assert_int_equal(fx->got.len, sizeof(body));
	memcpy(&body, fx->got.body, sizeof(body));
	assert_int_equal(body.share, 7);
	for (int i = 0; i < INFRA_NS_N; i++)
		assert_int_equal(body.has[i], i == INFRA_NS_NET);
	assert_int_equal(fx->got.n_fds, 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close(fds[1]);
	msg_drop(&fx->got);
}

static void each_hears_of_all_others(void **state)
{
	struct fx *fx = *state;
	scoped_fd front = join(fx, "front"), back = -1;

	assert_string_equal(fx->hosts, " front");
	back = join(fx, "back box");
	assert_string_equal(hear(fx, front, MEMBER_HOSTS), " front back box");
	fd_drop(&back);
	back = -1;
	assert_string_equal(hear(fx, front, MEMBER_HOSTS), " front");
	assert_int_equal(fx->n_changed, 3);
}

static void each_hears_of_other_resolvers(void **state)
{
	struct fx *fx = *state;
	scoped_fd front = join(fx, "front"), back = join(fx, "back");

	(void)hear(fx, front, MEMBER_HOSTS);
	fx->m.resolv = "nameserver 10.0.2.4\n";
	members_tell(&fx->m, MEMBER_RESOLV);
	assert_string_equal(hear(fx, front, MEMBER_RESOLV), fx->m.resolv);
	assert_string_equal(hear(fx, back, MEMBER_RESOLV), fx->m.resolv);
	settle(&fx->loop);
	assert_int_equal(msg_recv(front, &fx->got), -EAGAIN);
}

static void what_it_publishes_is_withdrawn_with_it(void **state)
{
	struct fx *fx = *state;
	scoped_fd conn = join(fx, "front");

	say(conn, MEMBER_PUBLISH, "9090:90");
	assert_string_equal(hear(fx, conn, MEMBER_PUBLISHED), "");
	say(conn, MEMBER_PUBLISH, "8080:80");
	assert_string_equal(hear(fx, conn, MEMBER_PUBLISHED),
			    "*:8080/tcp: address already in use");
	say(conn, MEMBER_PUBLISH, "nonsense");
	assert_non_null(strstr(hear(fx, conn, MEMBER_PUBLISHED), "nonsense: "));
	say(conn, MEMBER_PUBLISH, "9191:91");
	assert_string_equal(hear(fx, conn, MEMBER_PUBLISHED), "");
	assert_int_equal(fx->n_withdrawn, 0);
	fd_drop(&conn);
	conn = -1;
	WAIT(&fx->loop, fx->n_changed == 2);
	assert_int_equal(fx->n_withdrawn, 2);
	assert_int_equal(fx->withdrawn[0], 1);
	assert_int_equal(fx->withdrawn[1], 2);
}

static void who_has_not_joined_publishes_nothing(void **state)
{
	struct fx *fx = *state;
	scoped_fd conn = come(fx);

	say(conn, MEMBER_PUBLISH, "9090:90");
	say(conn, MEMBER_JOIN, "");
	say(conn, 77, "what?");
	settle(&fx->loop);
	assert_int_equal(fx->last_id, 0);
	assert_int_equal(fx->n_changed, 0);
}

/* Its socket is full; what it hears when it reads is how things are then. */
static void who_is_busy_hears_of_it_later(void **state)
{
	struct fx *fx = *state;
	scoped_fd conn = join(fx, "busy");
	bool last = false;

	for (int i = 0; i < 5000; i++)
		members_tell(&fx->m, MEMBER_HOSTS);
	fx->m.hosts = "the last one";
	members_tell(&fx->m, MEMBER_HOSTS);
	while (!last) {
		int rc = -EAGAIN;

		WAIT(&fx->loop, !msg_again(rc = msg_recv(conn, &fx->got)));
		assert_int_equal(rc, 1);
		last = fx->got.type == MEMBER_HOSTS &&
		       fx->got.len == strlen(fx->m.hosts) &&
		       !memcmp(fx->got.body, fx->m.hosts, fx->got.len);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_joins_gets_the_namespaces_that_there_are),
		T(each_hears_of_all_others),
		T(each_hears_of_other_resolvers),
		T(what_it_publishes_is_withdrawn_with_it),
		T(who_has_not_joined_publishes_nothing),
		T(who_is_busy_hears_of_it_later),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
