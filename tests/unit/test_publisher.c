// SPDX-License-Identifier: GPL-2.0-or-later
/* What is published, towards a portfwd that is the test: over a socketpair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "setup/helper/publisher.h"
#include "tests/unit/harness.h"

struct fx {
	struct publisher pb;
	struct loop loop;
	int ctl[2]; /* the supervisor's, portfwd's */
	unsigned int n_sent;
	uint32_t lost; /* the last one's id */
};

static void on_sent(void *arg)
{
	struct fx *fx = arg;

	fx->n_sent++;
}

static void on_lost(void *arg, const struct published *p)
{
	struct fx *fx = arg;

	fx->lost = p->id;
}

static int setup(void **state)
{
	static struct fx fx;

	fx = (struct fx){ .ctl = { -1, -1 } };
	publisher_init(&fx.pb);
	fx.pb.sent = on_sent;
	fx.pb.lost = on_lost;
	fx.pb.arg = &fx;
	*state = &fx;
	return loop_init(&fx.loop) || msg_pair(fx.ctl) ||
	       fd_nonblock(fx.ctl[0]) || fd_nonblock(fx.ctl[1]);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	publisher_deinit(&fx->pb);
	loop_deinit(&fx->loop);
	fd_drop(&fx->ctl[0]);
	fd_drop(&fx->ctl[1]);
	return 0;
}

/* A SPEC of free ports on the loopback. */
static struct published *add(struct fx *fx, uint16_t pod_port, uint16_t count)
{
	struct spec spec = { .pod_port = pod_port, .count = count };
	struct published *p = NULL;

	assert_int_equal(ip_parse("127.0.0.1", &spec.host_addr), 0);
	assert_int_equal(publisher_add(&fx->pb, &spec, &p), 0);
	return p;
}

/* All that portfwd was sent: listeners, removals of @id. */
static void read_all(struct fx *fx, uint32_t id, size_t *n_ports,
		     size_t *n_removed)
{
	struct portfwd_unpublish u;
	struct msg m;

	*n_ports = *n_removed = 0;
	while (msg_recv(fx->ctl[1], &m) == 1) {
		if (m.type == PORTFWD_PUBLISH)
			*n_ports += m.n_fds;
		memcpy(&u, m.body, sizeof(u));
		if (m.type == PORTFWD_UNPUBLISH && u.id == id)
			++*n_removed;
		msg_drop(&m);
	}
}

static void publisher_uses_no_id_twice(void **state)
{
	struct fx *fx = *state;
	struct published *a = add(fx, 1, 1), *b = add(fx, 2, 1);

	assert_int_equal(a->id, 1);
	assert_int_equal(b->id, 2);
	publisher_remove(&fx->pb, b, false);
	assert_null(publisher_find(&fx->pb, 2));
	assert_int_equal(add(fx, 2, 1)->id, 3);
	assert_ptr_equal(publisher_find(&fx->pb, 1), a);
}

static void publisher_matches_by_what_was_asked_for_and_chosen(void **state)
{
	struct fx *fx = *state;
	struct published *a = add(fx, 80, 1), *b = add(fx, 80, 1);
	struct spec spec = a->spec;
	size_t n;

	add(fx, 80, 2);
	assert_ptr_equal(publisher_match(&fx->pb, &spec, &n), a);
	assert_int_equal(n, 2);
	spec.max_flows = 7; /* doesn't matter */
	spec.host_port = b->ports[0];
	assert_ptr_equal(publisher_match(&fx->pb, &spec, &n), b);
	assert_int_equal(n, 1);
	spec.proto = SPEC_UDP;
	assert_null(publisher_match(&fx->pb, &spec, &n));
	assert_int_equal(n, 0);
}

static void publisher_sends_the_rest_when_there_is_room(void **state)
{
	static const int small = 1;
	struct fx *fx = *state;
	size_t n = 0, removed;
	size_t more;
	struct published *p;

	assert_int_equal(setsockopt(fx->ctl[0], SOL_SOCKET, SO_SNDBUF, &small,
				    sizeof(small)),
			 0);
	publisher_attach(&fx->pb, &fx->loop, fx->ctl[0]);
	p = add(fx, 1, 10 * PORTFWD_BATCH);
	assert_true(publisher_busy(&fx->pb));
	assert_in_range(p->sent, PORTFWD_BATCH, 9 * PORTFWD_BATCH);
	while (publisher_busy(&fx->pb)) {
		read_all(fx, 0, &more, &removed);
		n += more;
		fx->pb.room.fn(&fx->pb.room, EPOLLOUT);
	}
	read_all(fx, 0, &more, &removed);
	assert_int_equal(n + more, 10 * PORTFWD_BATCH);
	assert_int_equal(fx->n_sent, 1);
}

static void publisher_tries_again_later_where_room_is_not_all(void **state)
{
	struct fx *fx = *state;
	size_t n, removed;
	struct published *p;
	int fd;

	p = add(fx, 1, 2);
	fd = p->fds[1];
	p->fds[1] = -1; /* what sendmsg() doesn't take */
	publisher_attach(&fx->pb, &fx->loop, fx->ctl[0]);
	assert_true(publisher_busy(&fx->pb));
	assert_false(loop_has_event(&fx->loop, 0));
	turn(&fx->loop);
	p->fds[1] = fd;
	WAIT(&fx->loop, !publisher_busy(&fx->pb));
	read_all(fx, 0, &n, &removed);
	assert_int_equal(n, 2);
	assert_int_equal(fx->n_sent, 1);
}

static void publisher_tells_of_removals_only_who_knows_the_port(void **state)
{
	struct fx *fx = *state;
	size_t n, removed;

	publisher_remove(&fx->pb, add(fx, 1, 1), false);
	publisher_attach(&fx->pb, &fx->loop, fx->ctl[0]);
	read_all(fx, 1, &n, &removed);
	assert_int_equal(n + removed, 0);
	publisher_remove(&fx->pb, add(fx, 1, 1), false);
	read_all(fx, 2, &n, &removed);
	assert_int_equal(n, 1);
	assert_int_equal(removed, 1);
	/* a new one is told all, and nothing of the past */
	add(fx, 1, 3);
	read_all(fx, 3, &n, &removed);
	publisher_attach(&fx->pb, &fx->loop, -1);
	assert_int_equal(publisher_send(&fx->pb, fx->ctl[0]), 0);
	read_all(fx, 3, &n, &removed);
	assert_int_equal(n, 3);
	assert_int_equal(removed, 0);
}

static void publisher_removes_what_portfwd_could_not_take(void **state)
{
	struct fx *fx = *state;
	struct published *a, *b, *c;
	struct port_record r[2] = { { .n_ports = 1 }, { .n_ports = 2 } };

	publisher_attach(&fx->pb, &fx->loop, fx->ctl[0]);
	a = add(fx, 1, 1);
	b = add(fx, 2, 3);
	publisher_ask(&fx->pb);
	c = add(fx, 3, 1); /* behind the question */
	r[0].id = a->id;
	r[1].id = b->id;
	publisher_tell(&fx->pb, r, 2);
	assert_true(publisher_judge(&fx->pb));
	assert_int_equal(fx->lost, 2);
	assert_ptr_equal(publisher_find(&fx->pb, 1), a);
	assert_null(publisher_find(&fx->pb, 2));
	assert_ptr_equal(publisher_find(&fx->pb, 3), c);
	assert_false(publisher_judge(&fx->pb));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(publisher_uses_no_id_twice),
		TEST(publisher_matches_by_what_was_asked_for_and_chosen),
		TEST(publisher_sends_the_rest_when_there_is_room),
		TEST(publisher_tries_again_later_where_room_is_not_all),
		TEST(publisher_tells_of_removals_only_who_knows_the_port),
		TEST(publisher_removes_what_portfwd_could_not_take),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
