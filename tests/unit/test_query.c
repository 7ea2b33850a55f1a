// SPDX-License-Identifier: GPL-2.0-or-later
/* The supervisor's questions; the test plays the processes that are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"
#include "setup/helper/query.h"
#include "tests/unit/harness.h"

struct fixture {
	struct loop loop;
	struct query *query;
	int ours[QUERY_N_WHO], theirs[QUERY_N_WHO];
	unsigned int n_stats, n_flows, n_ends;
	struct query_stats stats;
	bool whole;
};

static void on_stats(void *arg, const struct query_stats *st)
{
	struct fixture *f = arg;

	f->n_stats++;
	f->stats = *st;
}

static void on_flows(void *arg, const struct flow_record *r, size_t n)
{
	struct fixture *f = arg;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(r[i].bytes_in, f->n_flows++);
}

static void on_flows_end(void *arg, bool whole)
{
	struct fixture *f = arg;

	f->n_ends++;
	f->whole = whole;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct query_ops ops = { .stats = on_stats,
				 .flows = on_flows,
				 .flows_end = on_flows_end,
				 .arg = f };

	assert_non_null(f);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(query_new(&f->query, &f->loop, &ops), 0);
	for (int i = 0; i < QUERY_N_WHO; i++) {
		int pair[2];

		assert_int_equal(msg_pair(pair), 0);
		assert_int_equal(fd_nonblock(pair[0]), 0);
		assert_int_equal(fd_nonblock(pair[1]), 0);
		f->ours[i] = pair[0];
		f->theirs[i] = pair[1];
		assert_int_equal(
			query_attach(f->query, (enum query_who)i, pair[0]), 0);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->query = query_free(f->query);
	for (int i = 0; i < QUERY_N_WHO; i++) {
		fd_drop(&f->ours[i]);
		fd_drop(&f->theirs[i]);
	}
	loop_deinit(&f->loop);
	free(f);
	return 0;
}

/* The question that @who finds; 0: none. @type: checked. */
static uint32_t asked(struct fixture *f, enum query_who who, uint32_t type)
{
	uint32_t cookie = 0;
	struct msg m;

	if (msg_recv(f->theirs[who], &m) != 1)
		return 0;
	assert_int_equal(m.type, type);
	assert_int_equal(m.len, sizeof(cookie));
	memcpy(&cookie, m.body, sizeof(cookie));
	return cookie;
}

static void say(struct fixture *f, enum query_who who, uint32_t type,
		const void *body, size_t len)
{
	assert_int_equal(msg_send(f->theirs[who], type, body, len, NULL, 0), 0);
}

static void answer_netstack(struct fixture *f, uint32_t cookie)
{
	struct netstack_totals t = { .cookie = cookie, .parse = 7 };

	say(f, QUERY_NETSTACK, NETSTACK_STATS_ARE, &t, sizeof(t));
}

static void answer_portfwd(struct fixture *f, uint32_t cookie)
{
	struct portfwd_totals t = { .cookie = cookie, .policy = 8 };

	say(f, QUERY_PORTFWD, PORTFWD_STATS_ARE, &t, sizeof(t));
}

static void answer_maker(struct fixture *f, uint32_t cookie)
{
	struct maker_totals t = { .cookie = cookie };

	say(f, QUERY_MAKER, MAKER_STATS_ARE, &t, sizeof(t));
}

/* @n flows, numbered from @first */
static void page(struct fixture *f, uint32_t cookie, size_t first, uint16_t n,
		 bool last)
{
	static struct portfwd_flows p;

	p.head.cookie = cookie;
	p.head.n = n;
	p.head.last = last;
	for (size_t i = 0; i < n; i++)
		p.flows[i].bytes_in = first + i;
	say(f, QUERY_PORTFWD, PORTFWD_FLOWS_ARE, &p,
	    offsetof(struct portfwd_flows, flows) + n * sizeof(p.flows[0]));
}

static void query_ends_when_all_have_answered(void **state)
{
	struct fixture *f = *state;

	query_begin(f->query, QUERY_STATS);
	assert_int_equal(f->n_stats, 0);
	answer_maker(f, asked(f, QUERY_MAKER, MAKER_STATS));
	answer_portfwd(f, asked(f, QUERY_PORTFWD, PORTFWD_STATS));
	settle(&f->loop);
	assert_int_equal(f->n_stats, 0);
	answer_netstack(f, asked(f, QUERY_NETSTACK, NETSTACK_STATS));
	WAIT(&f->loop, f->n_stats == 1);
	for (int i = 0; i < QUERY_N_WHO; i++)
		assert_true(f->stats.has[i]);
	assert_int_equal(f->stats.netstack.parse, 7);
	assert_int_equal(f->stats.portfwd.policy, 8);
}

static void query_does_without_one_that_is_silent(void **state)
{
	struct fixture *f = *state;
	uint32_t late;

	query_begin(f->query, QUERY_STATS);
	answer_netstack(f, asked(f, QUERY_NETSTACK, NETSTACK_STATS));
	answer_maker(f, asked(f, QUERY_MAKER, MAKER_STATS));
	late = asked(f, QUERY_PORTFWD, PORTFWD_STATS);
	WAIT(&f->loop, f->n_stats == 1);
	assert_true(f->stats.has[QUERY_NETSTACK]);
	assert_false(f->stats.has[QUERY_PORTFWD]);
	/* its late answer is nobody's, not the next round's either */
	answer_portfwd(f, late);
	settle(&f->loop);
	query_begin(f->query, QUERY_STATS);
	answer_portfwd(f, late);
	settle(&f->loop);
	assert_int_equal(f->n_stats, 1);
	WAIT(&f->loop, f->n_stats == 2);
	assert_false(f->stats.has[QUERY_PORTFWD]);
	assert_int_equal(f->stats.portfwd.policy, 0);
}

static void query_does_not_wait_for_one_that_died(void **state)
{
	struct fixture *f = *state;

	query_begin(f->query, QUERY_STATS);
	answer_maker(f, asked(f, QUERY_MAKER, MAKER_STATS));
	answer_portfwd(f, asked(f, QUERY_PORTFWD, PORTFWD_STATS));
	fd_drop(&f->theirs[QUERY_NETSTACK]);
	/* long before its time is over */
	settle(&f->loop);
	assert_int_equal(f->n_stats, 1);
	assert_false(f->stats.has[QUERY_NETSTACK]);
	assert_true(f->stats.has[QUERY_PORTFWD]);
	/* nor is it asked again, until there is a new one */
	assert_int_equal(query_attach(f->query, QUERY_PORTFWD, -1), 0);
	query_begin(f->query, QUERY_FLOWS);
	settle(&f->loop);
	assert_int_equal(f->n_ends, 1);
	assert_false(f->whole);
}

static void query_collects_pages_of_flows(void **state)
{
	struct fixture *f = *state;
	uint32_t cookie;

	query_begin(f->query, QUERY_FLOWS);
	cookie = asked(f, QUERY_PORTFWD, PORTFWD_FLOWS);
	assert_int_equal(asked(f, QUERY_NETSTACK, 0), 0);
	page(f, cookie, 0, FLOWS_A_PAGE, false);
	page(f, cookie + 1, 5, 3, true); /* somebody else's */
	page(f, cookie, FLOWS_A_PAGE, 10, true);
	WAIT(&f->loop, f->n_ends == 1);
	assert_int_equal(f->n_flows, FLOWS_A_PAGE + 10);
	assert_true(f->whole);
}

static void query_refuses_malformed_answers(void **state)
{
	struct fixture *f = *state;
	struct portfwd_flows p = { .head = { .n = FLOWS_A_PAGE + 1,
					     .last = true } };
	struct netstack_totals t = { 0 };

	query_begin(f->query, QUERY_FLOWS);
	p.head.cookie = asked(f, QUERY_PORTFWD, PORTFWD_FLOWS);
	say(f, QUERY_PORTFWD, PORTFWD_FLOWS_ARE, &p, sizeof(p));
	p.head.n = 3;
	say(f, QUERY_PORTFWD, PORTFWD_FLOWS_ARE, &p, sizeof(p));
	say(f, QUERY_PORTFWD, PORTFWD_FLOWS_ARE, &p, 2);
	say(f, QUERY_PORTFWD, PORTFWD_FLOWS_ARE, NULL, 0);
	say(f, QUERY_PORTFWD, 12345, &p, sizeof(p));
	query_begin(f->query, QUERY_STATS);
	t.cookie = asked(f, QUERY_NETSTACK, NETSTACK_STATS);
	say(f, QUERY_NETSTACK, NETSTACK_STATS_ARE, &t, sizeof(t) - 1);
	/* one may not speak for another */
	say(f, QUERY_MAKER, NETSTACK_STATS_ARE, &t, sizeof(t));
	settle(&f->loop);
	assert_int_equal(f->n_ends + f->n_flows + f->n_stats, 0);
	page(f, p.head.cookie, 0, 1, true);
	WAIT(&f->loop, f->n_ends == 1);
	assert_true(f->whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(query_ends_when_all_have_answered),
		TEST(query_does_without_one_that_is_silent),
		TEST(query_does_not_wait_for_one_that_died),
		TEST(query_collects_pages_of_flows),
		TEST(query_refuses_malformed_answers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
