// SPDX-License-Identifier: GPL-2.0-or-later
/* The pod's first SYNs between the TAP, portfwd and libslirp. */
#include "netstack/syn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "netstack/base/msg.h"
#include "tests/unit/harness.h"
#include "tests/unit/packet.h"

#define POD   "10.0.2.100"
#define WORLD "198.51.100.7"

struct sx {
	struct loop loop;
	struct podnet plan;
	struct syn_table *syn;
	int portfwd; /* its end of the pair */
	size_t n_tap, n_stack;
	uint8_t last[PKT_MAX]; /* the last frame given away */
	size_t last_len;
};

static void record(struct sx *sx, const void *frame, size_t len)
{
	assert_true(len <= sizeof(sx->last));
	memcpy(sx->last, frame, len);
	sx->last_len = len;
}

static void to_tap(void *arg, const void *frame, size_t len)
{
	struct sx *sx = arg;

	sx->n_tap++;
	record(sx, frame, len);
}

static void to_stack(void *arg, const void *frame, size_t len)
{
	struct sx *sx = arg;

	sx->n_stack++;
	record(sx, frame, len);
}

static int setup(void **state)
{
	struct sx *sx = calloc(1, sizeof(*sx));
	struct syn_ops ops = { to_tap, to_stack, sx };
	static const uint8_t pod_mac[] = { 2, 0, 0, 0, 1, 0 };
	static const uint8_t gw_mac[] = { 0x52, 0x55, 10, 0, 2, 2 };
	int ends[2];

	*state = sx;
	if (!sx || loop_init(&sx->loop) || msg_pair(ends))
		return -1;
	sx->plan = pkt_plan();
	memcpy(sx->plan.pod_mac, pod_mac, 6);
	memcpy(sx->plan.gw_mac, gw_mac, 6);
	sx->portfwd = ends[1];
	return fd_nonblock(ends[1])
		       ? -1
		       : syn_new(&sx->syn, &sx->loop, &sx->plan, ends[0], &ops);
}

static int teardown(void **state)
{
	struct sx *sx = *state;

	assert_null(syn_free(sx->syn));
	assert_null(syn_free(NULL));
	fd_drop(&sx->portfwd);
	loop_deinit(&sx->loop);
	free(sx);
	return 0;
}

static struct frame syn_from(uint8_t *buf, uint16_t sport)
{
	struct pkt s = { POD, WORLD, IPPROTO_TCP, sport, 80, FRAME_TCP_SYN };

	return pkt_frame(buf, &s);
}

static bool take(struct sx *sx, uint16_t sport)
{
	uint8_t buf[PKT_MAX];
	struct frame f = syn_from(buf, sport);

	return syn_take(sx->syn, &f);
}

/* The questions in the next message; Return: how many, 0: no message */
static size_t asked(struct sx *sx, struct syn_ask *out)
{
	struct msg m;

	if (msg_recv(sx->portfwd, &m) != 1)
		return 0;
	assert_int_equal(m.type, SYN_ASK);
	assert_int_equal(m.len % sizeof(*out), 0);
	assert_true(m.len <= SYN_BATCH * sizeof(*out));
	memcpy(out, m.body, m.len);
	return m.len / sizeof(*out);
}

static struct syn_ask ask_one(struct sx *sx, uint16_t sport)
{
	struct syn_ask asks[SYN_BATCH] = { 0 };

	assert_true(take(sx, sport));
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, asks), 1);
	assert_int_equal(asks[0].flow.sport, sport);
	return asks[0];
}

static void tell(struct sx *sx, uint32_t id, uint32_t what)
{
	struct syn_verdict v = { id, what };

	assert_int_equal(
		msg_send(sx->portfwd, SYN_VERDICT, &v, sizeof(v), NULL, 0), 0);
	settle(&sx->loop);
}

static void question_names_the_flow(void **state)
{
	struct sx *sx = *state;
	struct syn_ask ask = ask_one(sx, 40000);
	struct ip pod = pkt_ip(POD), world = pkt_ip(WORLD);

	assert_true(ip_equal(&ask.flow.src, &pod));
	assert_true(ip_equal(&ask.flow.dst, &world));
	assert_int_equal(ask.flow.dport, 80);
	assert_int_equal(syn_stats(sx->syn)->asked, 1);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
}

static void questions_of_a_turn_go_in_one_message(void **state)
{
	struct syn_ask asks[SYN_BATCH];
	struct sx *sx = *state;

	for (uint16_t i = 0; i < SYN_BATCH; i++)
		assert_true(take(sx, (uint16_t)(1000 + i)));
	assert_int_equal(asked(sx, asks), 0);
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, asks), SYN_BATCH);
	for (uint16_t i = 0; i < SYN_BATCH; i++)
		assert_int_equal(asks[i].flow.sport, 1000 + i);
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, asks), 0);
}

static void connected_is_written_back_as_the_pods(void **state)
{
	struct sx *sx = *state;
	uint8_t buf[PKT_MAX];
	struct frame f = syn_from(buf, 40000);
	struct syn_ask ask = ask_one(sx, 40000);

	tell(sx, ask.id, SYN_WRITE_BACK);
	assert_int_equal(sx->n_tap, 1);
	assert_int_equal(sx->last_len, f.len);
	assert_memory_equal(sx->last, sx->plan.gw_mac, 6);
	assert_memory_equal(sx->last + 6, sx->plan.pod_mac, 6);
	assert_memory_equal(sx->last + 12, f.eth + 12, f.len - 12);
}

/* A SYN with @data bytes behind it (Fast Open), written back. */
static void write_back(struct sx *sx, uint16_t sport, size_t data)
{
	static uint8_t buf[PKT_L4 + 20 + 60000];
	struct pkt p = { .src = POD,
			 .dst = WORLD,
			 .proto = IPPROTO_TCP,
			 .sport = sport,
			 .dport = 80,
			 .flags = FRAME_TCP_SYN,
			 .data = data };
	struct syn_ask asks[SYN_BATCH] = { 0 };
	struct frame f = pkt_frame(buf, &p);

	assert_true(syn_take(sx->syn, &f));
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, asks), 1);
	tell(sx, asks[0].id, SYN_WRITE_BACK);
}

static void a_syn_is_kept_without_data_that_would_be_much(void **state)
{
	struct sx *sx = *state;
	struct frame f;

	write_back(sx, 40000, 1400);
	assert_int_equal(sx->last_len, PKT_L4 + 20 + 1400);
	write_back(sx, 40001, 60000);
	assert_int_equal(sx->last_len, PKT_L4 + 20);
	assert_true(frame_parse(sx->last, sx->last_len, &f));
	assert_true(frame_is_first_syn(&f));
	assert_int_equal(f.sport, 40001);
}

static void failures_are_answered_silence_is_not(void **state)
{
	static const struct {
		enum syn_what what;
		size_t tap, stack;
	} cases[] = {
		{ SYN_RESET, 1, 0 },   { SYN_NET, 1, 0 },
		{ SYN_HOST, 1, 0 },    { SYN_PROHIBITED, 1, 0 },
		{ SYN_SILENCE, 0, 0 }, { SYN_DECLINE, 0, 1 },
	};
	struct sx *sx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct syn_ask ask = ask_one(sx, (uint16_t)(2000 + i));

		sx->n_tap = sx->n_stack = 0;
		tell(sx, ask.id, cases[i].what);
		assert_int_equal(sx->n_tap, cases[i].tap);
		assert_int_equal(sx->n_stack, cases[i].stack);
		assert_int_equal(syn_stats(sx->syn)->verdicts[cases[i].what],
				 1);
	}
}

static void same_syn_again_is_one_question_and_the_newest_frame(void **state)
{
	struct sx *sx = *state;
	struct syn_ask ask = ask_one(sx, 40000), none[SYN_BATCH];
	uint8_t buf[PKT_MAX];
	struct frame f = syn_from(buf, 40000);

	buf[PKT_L4 + 7] = 77; /* another sequence number */
	assert_true(syn_take(sx->syn, &f));
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, none), 0);
	assert_int_equal(syn_stats(sx->syn)->repeated, 1);
	tell(sx, ask.id, SYN_WRITE_BACK);
	assert_int_equal(sx->n_tap, 1);
	assert_int_equal(sx->last[PKT_L4 + 7], 77);
	/* it is a new question once it has been answered */
	assert_true(ask_one(sx, 40000).id != ask.id);
}

static void late_or_invented_verdicts_do_nothing(void **state)
{
	struct sx *sx = *state;
	struct syn_ask old = ask_one(sx, 40000), now;

	tell(sx, old.id, SYN_SILENCE);
	now = ask_one(sx, 40001); /* the slot's next owner */
	assert_true(now.id != old.id);
	tell(sx, old.id, SYN_WRITE_BACK);
	tell(sx, now.id + 1, SYN_WRITE_BACK);
	tell(sx, UINT32_MAX, SYN_RESET);
	tell(sx, now.id, SYN_N_WHATS);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
	tell(sx, now.id, SYN_WRITE_BACK);
	assert_int_equal(sx->n_tap, 1);
	tell(sx, now.id, SYN_WRITE_BACK); /* twice */
	assert_int_equal(sx->n_tap, 1);
}

static void foreign_messages_are_ignored(void **state)
{
	struct sx *sx = *state;
	struct syn_ask ask = ask_one(sx, 40000);
	uint8_t junk[MSG_BODY_MAX] = { 0 };

	assert_int_equal(
		msg_send(sx->portfwd, SYN_ASK, &ask, sizeof(ask), NULL, 0), 0);
	assert_int_equal(
		msg_send(sx->portfwd, SYN_VERDICT, junk, sizeof(junk), NULL, 0),
		0);
	assert_int_equal(msg_send(sx->portfwd, SYN_VERDICT, junk, 3, NULL, 0),
			 0);
	settle(&sx->loop);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
	tell(sx, ask.id, SYN_RESET);
	assert_int_equal(sx->n_tap, 1);
}

static void full_table_drops_and_recovers(void **state)
{
	struct syn_ask asks[SYN_BATCH];
	struct sx *sx = *state;
	uint32_t first = 0;

	for (size_t i = 0; i < SYN_PENDING_MAX; i++) {
		assert_true(take(sx, (uint16_t)(1 + i)));
		if ((i + 1) % SYN_BATCH)
			continue;
		syn_flush(sx->syn);
		assert_int_equal(asked(sx, asks), SYN_BATCH);
		if (!first)
			first = asks[0].id;
	}
	assert_int_equal(syn_stats(sx->syn)->full, 0);
	assert_true(take(sx, 60000));
	syn_flush(sx->syn);
	assert_int_equal(asked(sx, asks), 0);
	assert_int_equal(syn_stats(sx->syn)->full, 1);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
	tell(sx, first, SYN_SILENCE);
	(void)ask_one(sx, 60000);
}

/* Another portfwd; Return: how many questions it gets at once */
static size_t attach(struct sx *sx)
{
	struct syn_ask asks[SYN_BATCH];
	size_t got = 0, n;
	int ends[2];

	fd_drop(&sx->portfwd);
	assert_int_equal(msg_pair(ends), 0);
	assert_int_equal(fd_nonblock(ends[1]), 0);
	sx->portfwd = ends[1];
	assert_int_equal(syn_attach(sx->syn, ends[0]), 0);
	do {
		settle(&sx->loop);
		n = asked(sx, asks);
		got += n;
	} while (n);
	return got;
}

static void the_next_portfwd_is_asked_what_the_last_was(void **state)
{
	struct sx *sx = *state;
	struct syn_ask old = ask_one(sx, 40000);

	(void)ask_one(sx, 40001);
	tell(sx, old.id, SYN_SILENCE);
	assert_true(take(sx, 40002)); /* collected, not sent */
	fd_drop(&sx->portfwd);
	settle(&sx->loop);
	assert_true(take(sx, 40003)); /* there is nobody to ask */
	syn_flush(sx->syn);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
	assert_int_equal(attach(sx), 3);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
	(void)ask_one(sx, 40004);
}

static void portfwd_gone_is_seen_by_the_next_flush(void **state)
{
	struct sx *sx = *state;

	fd_drop(&sx->portfwd);
	assert_true(take(sx, 40000));
	syn_flush(sx->syn);
	assert_int_equal(attach(sx), 1);
}

static void a_portfwd_may_be_replaced_while_it_lives(void **state)
{
	struct sx *sx = *state;

	for (uint16_t i = 0; i < 200; i++)
		(void)ask_one(sx, (uint16_t)(1 + i));
	assert_int_equal(attach(sx), 200);
	assert_int_equal(attach(sx), 200);
}

/* More than portfwd's socket holds; Return: how many */
static size_t fill_socket(struct sx *sx)
{
	for (size_t i = 0; i < SYN_PENDING_MAX; i++)
		assert_true(take(sx, (uint16_t)(1 + i)));
	syn_flush(sx->syn);
	assert_true(syn_stats(sx->syn)->asked < SYN_PENDING_MAX);
	return SYN_PENDING_MAX;
}

static void what_the_socket_has_no_room_for_is_asked_later(void **state)
{
	struct syn_ask asks[SYN_BATCH];
	struct sx *sx = *state;
	size_t taken = fill_socket(sx), got = 0;

	/* when portfwd reads, with no frame that comes meanwhile */
	WAIT(&sx->loop, (got += asked(sx, asks), got == taken));
	settle(&sx->loop);
	assert_int_equal(asked(sx, asks), 0);
	assert_int_equal(sx->n_tap + sx->n_stack, 0);
}

static void verdict_before_its_question_is_ignored(void **state)
{
	struct syn_ask asks[SYN_BATCH] = { 0 };
	struct sx *sx = *state;
	size_t taken = fill_socket(sx), got;

	got = asked(sx, asks);
	assert_int_equal(got, SYN_BATCH);
	/* the last slot's number, as a portfwd that lies may guess it */
	tell(sx, asks[0].id + SYN_PENDING_MAX - 1, SYN_RESET);
	assert_int_equal(sx->n_tap, 0);
	WAIT(&sx->loop, (got += asked(sx, asks), got == taken));
}

static void portfwd_gone_with_a_full_socket_has_a_successor(void **state)
{
	struct sx *sx = *state;
	size_t taken = fill_socket(sx);

	fd_drop(&sx->portfwd);
	settle(&sx->loop);
	assert_int_equal(attach(sx), taken);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(question_names_the_flow),
		T(questions_of_a_turn_go_in_one_message),
		T(connected_is_written_back_as_the_pods),
		T(a_syn_is_kept_without_data_that_would_be_much),
		T(failures_are_answered_silence_is_not),
		T(same_syn_again_is_one_question_and_the_newest_frame),
		T(late_or_invented_verdicts_do_nothing),
		T(foreign_messages_are_ignored),
		T(full_table_drops_and_recovers),
		T(the_next_portfwd_is_asked_what_the_last_was),
		T(portfwd_gone_is_seen_by_the_next_flush),
		T(a_portfwd_may_be_replaced_while_it_lives),
		T(what_the_socket_has_no_room_for_is_asked_later),
		T(verdict_before_its_question_is_ignored),
		T(portfwd_gone_with_a_full_socket_has_a_successor),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("syn", tests, NULL, NULL);
}
