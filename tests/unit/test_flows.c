// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks over the book of flows, while flows come and go, and over a relayed
 * flow's record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "portfwd/flows.h"
#include "portfwd/relay.h"
#include "tests/unit/harness.h"

#define N    1000
#define PAGE 64

struct flow {
	struct flow_node node;
	uint64_t number;
};

struct fixture {
	struct flow_book book;
	struct flow flows[2 * N];
	unsigned int shown[2 * N];
};

static void fill(const struct flow_node *node, struct flow_record *out)
{
	out->bytes_in = container_of(node, struct flow, node)->number;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	flow_book_init(&f->book, fill);
	for (size_t i = 0; i < 2 * N; i++) {
		f->flows[i].number = i;
		list_init(&f->flows[i].node.link);
	}
	for (size_t i = 0; i < N; i++)
		flow_book_add(&f->book, &f->flows[i].node, mono_ms((int)i));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* One page; Return: was it the last? */
static bool page(struct fixture *f)
{
	struct flow_record r[PAGE];
	size_t n = flow_book_page(&f->book, mono_ms(N), r, PAGE);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(r[i].age_ms, N - r[i].bytes_in);
		f->shown[r[i].bytes_in]++;
	}
	return n < PAGE;
}

static void walk_shows_each_flow_once(void **state)
{
	struct fixture *f = *state;

	for (unsigned int round = 1; round <= 2; round++) {
		flow_book_rewind(&f->book);
		while (!page(f))
			;
		for (size_t i = 0; i < 2 * N; i++)
			assert_int_equal(f->shown[i], i < N ? round : 0);
	}
}

static void walk_of_an_empty_book_ends_at_once(void **state)
{
	struct flow_record r[1];
	struct flow_book b;

	(void)state;
	flow_book_init(&b, fill);
	assert_int_equal(flow_book_page(&b, MONO_ZERO, r, 1), 0);
	flow_book_rewind(&b);
	assert_int_equal(flow_book_page(&b, MONO_ZERO, r, 1), 0);
	assert_true(list_empty(&b.flows)); /* no mark is left */
}

static void walk_of_a_full_last_page_ends_with_an_empty_one(void **state)
{
	struct fixture *f = *state;

	for (size_t i = PAGE; i < N; i++)
		list_del(&f->flows[i].node.link);
	flow_book_rewind(&f->book);
	assert_false(page(f));
	assert_true(page(f));
	assert_int_equal(f->shown[0], 1);
}

static void walk_goes_on_when_flows_end_under_it(void **state)
{
	struct fixture *f = *state;

	flow_book_rewind(&f->book);
	assert_false(page(f));
	/* the newest first: these were shown, some beside the mark */
	for (size_t i = N - 2 * PAGE; i < N - PAGE / 2; i++)
		list_del(&f->flows[i].node.link);
	while (!page(f))
		;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(f->shown[i],
				 i < N - 2 * PAGE || i >= N - PAGE);
}

static void walk_shows_no_flow_that_is_newer(void **state)
{
	struct fixture *f = *state;
	size_t next = N;

	flow_book_rewind(&f->book);
	do {
		for (size_t i = 0; i < PAGE && next < 2 * N; i++)
			flow_book_add(&f->book, &f->flows[next++].node,
				      mono_ms(N));
	} while (!page(f));
	for (size_t i = 0; i < 2 * N; i++)
		assert_int_equal(f->shown[i], i < N);
}

static void walk_can_begin_anew_at_any_time(void **state)
{
	struct fixture *f = *state;

	flow_book_rewind(&f->book);
	assert_false(page(f));
	flow_book_rewind(&f->book);
	while (!page(f))
		;
	for (size_t i = 0; i < N; i++)
		assert_int_equal(f->shown[i], i < N - PAGE ? 1 : 2);
}

static void record_has_what_the_relay_knows(void **state)
{
	struct relay_flow rf = { 0 };
	struct relay relay = { .pipe = { 3, 4 } };
	struct flow_record r = { .rtt_us = FLOW_RTT_UNKNOWN };
	union endpoint at;
	socklen_t len = sizeof(at);
	int fds[2];

	(void)state;
	tcp_pair(AF_INET, fds);
	assert_int_equal(getsockname(fds[0], &at.sa, &len), 0);
	rf.relay = &relay;
	rf.a.src.fd = fds[0];
	rf.b.src.fd = fds[1];
	rf.a.bytes = 11;
	rf.b.bytes = 22;
	flow_record_relay(&rf, &r);
	assert_int_equal(r.path, FLOW_SPLICE);
	assert_int_equal(r.state, FLOW_OPEN);
	assert_int_equal(r.bytes_in, 11);
	assert_int_equal(r.bytes_out, 22);
	assert_int_equal(endpoint_port(&r.host), endpoint_port(&at));
	assert_int_not_equal(r.rtt_us, FLOW_RTT_UNKNOWN);
	relay.pipe[0] = -1;
	rf.b.eof = true;
	flow_record_relay(&rf, &r);
	assert_int_equal(r.path, FLOW_COPY);
	assert_int_equal(r.state, FLOW_HALF_CLOSED);
	fd_drop(&fds[0]);
	fd_drop(&fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(walk_shows_each_flow_once),
		cmocka_unit_test(walk_of_an_empty_book_ends_at_once),
		TEST(walk_of_a_full_last_page_ends_with_an_empty_one),
		TEST(walk_goes_on_when_flows_end_under_it),
		TEST(walk_shows_no_flow_that_is_newer),
		TEST(walk_can_begin_anew_at_any_time),
		cmocka_unit_test(record_has_what_the_relay_knows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
