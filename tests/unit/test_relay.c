// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The relay as its two applications see it: bytes, ends, resets, and what it
 * costs when one of them doesn't read.
 */
#include "tests/unit/relay_fixture.h"

#include <sys/ioctl.h>

#include "netstack/base/log.h"

#define MIB 1048576

static void bytes_arrive_unchanged_both_ways_at_once(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream ab = { w.a, w.b, 1, 3 * MIB + 7, 0, 0, false, 0 };
	struct stream ba = { w.b, w.a, 2, 2 * MIB + 1, 0, 0, false, 0 };

	WAIT(&rx->loop,
	     (stream_feed(&ab), stream_feed(&ba), stream_drain(&ab, SIZE_MAX),
	      stream_drain(&ba, SIZE_MAX),
	      ab.got == ab.total && ba.got == ba.total));
	assert_int_equal(w.flow.a.bytes, ab.total);
	assert_int_equal(w.flow.b.bytes, ba.total);
	assert_false(w.ended);
	relay_abort(&w.flow);
	wire_close(&w);
}

static void half_close(struct rx *rx, bool from_b)
{
	struct wire w;

	wire_open(rx, &w);

	int first = from_b ? w.b : w.a, second = from_b ? w.a : w.b;
	struct stream fwd = { first, second, 3, 100000, 0, 0, false, 0 };
	struct stream back = { second, first, 4, MIB, 0, 0, false, 0 };

	stream_run(rx, &fwd);
	assert_int_equal(shutdown(first, SHUT_WR), 0);
	WAIT(&rx->loop, (stream_drain(&fwd, 1), fwd.eof));
	settle(&rx->loop);
	assert_false(w.ended);
	stream_run(rx, &back);
	assert_int_equal(shutdown(second, SHUT_WR), 0);
	WAIT(&rx->loop, (stream_drain(&back, 1), back.eof));
	WAIT(&rx->loop, w.ended);
	assert_true(w.clean);
	assert_int_equal(fwd.err, 0);
	assert_int_equal(back.err, 0);
	assert_int_equal(rx->relay.stats.ended_clean, 1);
	assert_int_equal(rx->relay.n_flows, 0);
	wire_close(&w);
}

static void half_close_by_a_leaves_the_other_way_open(void **state)
{
	half_close(*state, false);
}

static void half_close_by_b_leaves_the_other_way_open(void **state)
{
	half_close(*state, true);
}

static void data_and_end_that_came_before_the_start_are_relayed(void **state)
{
	struct rx *rx = *state;
	int pa[2], pb[2], end;
	uint8_t buf[64];
	struct wire w;

	tcp_pair(rx->variant->family, pa);
	tcp_pair(rx->variant->family, pb);
	w.a = pa[0];
	w.b = pb[0];
	assert_int_equal(send(w.a, "hello", 5, 0), 5);
	assert_int_equal(shutdown(w.a, SHUT_WR), 0);
	wire_start(rx, &w, pa[1], pb[1]);
	assert_int_equal(read_to_end(rx, w.b, buf, sizeof(buf), &end), 5);
	assert_int_equal(end, 0);
	assert_memory_equal(buf, "hello", 5);
	fd_drop(&w.b);
	WAIT(&rx->loop, w.ended);
	assert_true(w.clean);
	wire_close(&w);
}

static void both_sides_closing_at_once_is_a_clean_end(void **state)
{
	struct rx *rx = *state;
	uint8_t buf[64];
	struct wire w;
	int end;

	wire_open(rx, &w);
	assert_int_equal(send(w.a, "ab", 2, 0), 2);
	assert_int_equal(send(w.b, "cde", 3, 0), 3);
	assert_int_equal(shutdown(w.a, SHUT_WR), 0);
	assert_int_equal(shutdown(w.b, SHUT_WR), 0);
	assert_int_equal(read_to_end(rx, w.b, buf, sizeof(buf), &end), 2);
	assert_int_equal(end, 0);
	assert_int_equal(read_to_end(rx, w.a, buf, sizeof(buf), &end), 3);
	assert_int_equal(end, 0);
	WAIT(&rx->loop, w.ended);
	assert_true(w.clean);
	wire_close(&w);
}

/* Fill the way from @from to @to until nothing moves any more. */
static uint64_t fill(struct rx *rx, struct stream *s)
{
	int quiet = 0;

	s->total = UINT64_MAX;
	while (quiet < 200) {
		quiet = stream_feed(s) ? 0 : quiet + 1;
		(void)loop_has_event(&rx->loop, 2);
		turn(&rx->loop);
	}
	return s->sent;
}

static void reset(struct rx *rx, bool from_b)
{
	struct wire w;

	wire_open(rx, &w);

	int *first = from_b ? &w.b : &w.a, second = from_b ? w.a : w.b;
	struct stream s = { *first, second, 5, 1000, 0, 0, false, 0 };

	stream_run(rx, &s);
	linger_reset(*first);
	fd_drop(first);
	WAIT(&rx->loop, (stream_drain(&s, 1), s.eof || s.err));
	assert_false(s.eof);
	assert_int_equal(s.err, ECONNRESET);
	WAIT(&rx->loop, w.ended);
	assert_false(w.clean);
	assert_int_equal(rx->relay.stats.ended_reset, 1);
	wire_close(&w);
}

static void reset_by_a_arrives_as_a_reset(void **state)
{
	reset(*state, false);
}

static void reset_by_b_arrives_as_a_reset(void **state)
{
	reset(*state, true);
}

static void reset_before_the_start_arrives_as_a_reset(void **state)
{
	struct rx *rx = *state;
	uint8_t buf[8];
	int pa[2], pb[2], end;
	struct wire w;

	tcp_pair(rx->variant->family, pa);
	tcp_pair(rx->variant->family, pb);
	w.b = pb[0];
	linger_reset(pa[0]);
	fd_drop(&pa[0]);
	w.a = -1;
	wire_start(rx, &w, pa[1], pb[1]);
	assert_int_equal(read_to_end(rx, w.b, buf, sizeof(buf), &end), 0);
	assert_int_equal(end, -ECONNRESET);
	WAIT(&rx->loop, w.ended);
	assert_false(w.clean);
	wire_close(&w);
}

/* A cut-off transfer must not look complete: no end of file, ever. */
static void reset_drops_what_is_unsent(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream s = { w.a, w.b, 6, 0, 0, 0, false, 0 };

	fill(rx, &s);
	linger_reset(w.a);
	fd_drop(&w.a);
	WAIT(&rx->loop, w.ended);
	assert_false(w.clean);
	WAIT(&rx->loop, (stream_drain(&s, SIZE_MAX), s.eof || s.err));
	assert_false(s.eof);
	assert_int_equal(s.err, ECONNRESET);
	assert_true(s.got < s.sent);
	wire_close(&w);
}

static void writer_learns_that_its_reader_is_gone(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream s = { w.a, w.b, 7, UINT64_MAX, 0, 0, false, 0 };
	int err = 0;

	fd_drop(&w.b); /* a plain close: FIN first, then RST to our data */
	WAIT(&rx->loop,
	     (send(w.a, "x", 1, MSG_NOSIGNAL) < 0 && (err = errno) != EAGAIN));
	assert_true(err == EPIPE || err == ECONNRESET);
	WAIT(&rx->loop, w.ended);
	assert_false(w.clean);
	(void)s;
	wire_close(&w);
}

static void abort_resets_both_sides(void **state)
{
	struct rx *rx = *state;
	uint8_t buf[8];
	struct wire w;

	wire_open(rx, &w);
	settle(&rx->loop);
	relay_abort(&w.flow);
	assert_true(w.ended);
	assert_false(w.clean);
	assert_int_equal(recv(w.a, buf, 8, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(w.b, buf, 8, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	wire_close(&w);
}

static void slow_reader_stops_the_writer_and_costs_nothing(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream s = { w.a, w.b, 8, 0, 0, 0, false, 0 };
	uint64_t stuck = fill(rx, &s);
	int queued = 0;

	/* two pairs' send and receive buffers, and no more than that */
	assert_true(stuck < 64 * MIB);
	assert_null(w.flow.a.stash);
	assert_null(w.flow.b.stash);
	if (rx->relay.pipe[0] >= 0) {
		assert_int_equal(ioctl(rx->relay.pipe[0], FIONREAD, &queued),
				 0);
		assert_int_equal(queued, 0);
		assert_int_equal(rx->relay.stats.stashed, 0);
	}
	/* and nothing spins meanwhile */
	assert_false(loop_has_event(&rx->loop, 50));
	assert_int_equal(stream_feed(&s), 0);
	/* a trickle is taken up again, and at last all of it arrives */
	for (int i = 0; i < 20; i++) {
		stream_drain(&s, 100000);
		(void)loop_has_event(&rx->loop, 1);
		turn(&rx->loop);
	}
	s.total = s.sent;
	stream_run(rx, &s);
	relay_abort(&w.flow);
	wire_close(&w);
}

static void end_waits_for_a_slow_reader(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream s = { w.a, w.b, 9, 0, 0, 0, false, 0 };

	s.total = fill(rx, &s);
	fd_drop(&w.a); /* in order: what is queued goes out first */
	settle(&rx->loop);
	assert_false(w.ended);
	WAIT(&rx->loop, (stream_drain(&s, 300000), s.eof || s.err));
	assert_int_equal(s.err, 0);
	assert_int_equal(s.got, s.total);
	fd_drop(&w.b);
	WAIT(&rx->loop, w.ended);
	assert_true(w.clean);
	wire_close(&w);
}

static void single_bytes_go_back_and_forth(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);
	for (int i = 0; i < 2000; i++) {
		uint8_t out = (uint8_t)i, in = 0;

		assert_int_equal(send(w.a, &out, 1, 0), 1);
		WAIT(&rx->loop, recv(w.b, &in, 1, MSG_DONTWAIT) == 1);
		assert_int_equal(in, out);
		out ^= 0x55;
		assert_int_equal(send(w.b, &out, 1, 0), 1);
		WAIT(&rx->loop, recv(w.a, &in, 1, MSG_DONTWAIT) == 1);
		assert_int_equal(in, out);
	}
	relay_abort(&w.flow);
	wire_close(&w);
}

#define MANY 64

/* Return: how many of the flows are done in both directions */
static size_t step_many(struct stream *ab, struct stream *ba)
{
	size_t done = 0;

	for (unsigned int i = 0; i < MANY; i++) {
		stream_feed(&ab[i]);
		stream_feed(&ba[i]);
		stream_drain(&ab[i], 30000);
		stream_drain(&ba[i], 9000 + 100 * i);
		done += ab[i].got == ab[i].total && ba[i].got == ba[i].total;
	}
	return done;
}

static void many_flows_share_the_pipe_without_mixing(void **state)
{
	struct stream ab[MANY] = { 0 }, ba[MANY] = { 0 };
	struct rx *rx = *state;
	struct wire w[MANY];

	for (unsigned int i = 0; i < MANY; i++) {
		wire_open(rx, &w[i]);
		ab[i].from = ba[i].to = w[i].a;
		ab[i].to = ba[i].from = w[i].b;
		ab[i].seed = 100 + i;
		ba[i].seed = 900 + i;
		ab[i].total = 50000 + 1777 * i;
		ba[i].total = 150000 - 1777 * i;
	}
	WAIT(&rx->loop, step_many(ab, ba) == MANY);
	assert_int_equal(rx->relay.n_flows, MANY);
	for (unsigned int i = 0; i < MANY; i++) {
		relay_abort(&w[i].flow);
		wire_close(&w[i]);
	}
}

/* 100,000 bytes over a flow of its own; Return: how many were spliced */
static uint64_t spliced_of_a_flow(struct rx *rx)
{
	uint64_t before = rx->relay.stats.bytes_spliced[RELAY_A_TO_B];
	struct wire w;
	struct stream s = { .total = 100000 };

	wire_open(rx, &w);
	s.from = w.a;
	s.to = w.b;
	WAIT(&rx->loop,
	     (stream_feed(&s), stream_drain(&s, 30000), s.got == s.total));
	relay_abort(&w.flow);
	wire_close(&w);
	return rx->relay.stats.bytes_spliced[RELAY_A_TO_B] - before;
}

static void pipe_that_could_not_be_had_is_asked_for_again(void **state)
{
	struct rx *rx = *state;
	const struct relay_stats *s = &rx->relay.stats;
	struct rlimit old;

	relay_deinit(&rx->relay);
	leave_descriptors(0, &old);
	assert_int_equal(relay_init(&rx->relay, &rx->loop), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(rx->relay.lacking);
	rx->relay.again_at = MONO_NEVER;
	assert_int_equal(spliced_of_a_flow(rx), 0);
	assert_int_equal(s->opened_copied, 1);
	rx->relay.again_at = MONO_ZERO;
	assert_true(spliced_of_a_flow(rx) > 0);
	assert_false(rx->relay.lacking);
	assert_int_equal(s->pipe_quota, 1);
	(void)spliced_of_a_flow(rx);
	assert_int_equal(s->opened, 3);
	/* the pipe was asked for behind the start of the second */
	assert_int_equal(s->opened_copied, 2);
}

/* A stuck or broken flow leaves nothing in the pipe for its neighbour. */
static void broken_flow_leaves_nothing_for_its_neighbour(void **state)
{
	struct rx *rx = *state;
	struct wire w, other;

	wire_open(rx, &other);
	for (unsigned int i = 0; i < 20; i++) {
		struct stream s = { 0 }, o = { .from = other.a,
					       .to = other.b,
					       .seed = 50 + i,
					       .total = 20000 };

		wire_open(rx, &w);
		s = (struct stream){ .from = w.a, .to = w.b, .total = MIB };
		stream_feed(&s);
		if (i % 2)
			linger_reset(w.b);
		fd_drop(&w.b);
		stream_run(rx, &o);
		WAIT(&rx->loop, (stream_feed(&s), w.ended));
		assert_false(w.clean);
		wire_close(&w);
	}
	relay_abort(&other.flow);
	wire_close(&other);
}

static void greedy_flow_does_not_starve_another(void **state)
{
	struct rx *rx = *state;
	struct wire greedy, small;
	int turns, worst = 0;

	wire_open(rx, &greedy);
	wire_open(rx, &small);

	struct stream s = {
		greedy.a, greedy.b, 10, UINT64_MAX, 0, 0, false, 0
	};

	for (int i = 0; i < 100; i++) {
		uint8_t in;

		stream_feed(&s);
		assert_int_equal(send(small.a, "x", 1, 0), 1);
		for (turns = 0; recv(small.b, &in, 1, MSG_DONTWAIT) != 1;
		     turns++) {
			assert_true(turns < 1000);
			stream_feed(&s);
			stream_drain(&s, SIZE_MAX);
			turn(&rx->loop);
		}
		if (turns > worst)
			worst = turns;
	}
	assert_true(worst <= 4);
	relay_abort(&greedy.flow);
	relay_abort(&small.flow);
	wire_close(&greedy);
	wire_close(&small);
}

static void one_turn_moves_no_more_than_its_share(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);

	struct stream s = { w.a, w.b, 11, UINT64_MAX, 0, 0, false, 0 };
	uint64_t before;

	for (int i = 0; i < 50; i++) {
		stream_feed(&s);
		before = rx->relay.stats.chunks_spliced +
			 rx->relay.stats.chunks_copied;
		turn(&rx->loop);
		/* one share for the event, one for the job behind it */
		assert_true(rx->relay.stats.chunks_spliced +
				    rx->relay.stats.chunks_copied - before <=
			    2 * RELAY_CHUNKS_A_TURN);
		stream_drain(&s, SIZE_MAX);
	}
	relay_abort(&w.flow);
	wire_close(&w);
}

static void failed_start_leaves_the_sockets_to_the_caller(void **state)
{
	struct rx *rx = *state;
	struct relay_flow flow = { .ended = NULL };
	scoped_fd file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	int p[2];

	tcp_pair(rx->variant->family, p);
	/* an ordinary file can't be polled; its error is logged */
	log_init(LOG_ERROR, -1);
	assert_true(relay_start(&rx->relay, &flow, p[0], file) < 0);
	flow = (struct relay_flow){ .ended = NULL };
	assert_true(relay_start(&rx->relay, &flow, file, p[0]) < 0);
	log_init(LOG_WARN, STDERR_FILENO);
	assert_true(fcntl(p[0], F_GETFD) >= 0);
	assert_true(fcntl(file, F_GETFD) >= 0);
	assert_int_equal(rx->relay.n_flows, 0);
	assert_int_equal(send(p[0], "x", 1, 0), 1);
	assert_false(loop_has_event(&rx->loop, 5));
	fd_drop(&p[0]);
	fd_drop(&p[1]);
}

static void flows_leave_no_descriptor_behind(void **state)
{
	struct rx *rx = *state;
	size_t before = count_fds();
	struct wire w;

	for (int i = 0; i < 300; i++) {
		wire_open(rx, &w);
		assert_int_equal(send(w.a, "x", 1, 0), 1);
		turn(&rx->loop);
		if (i % 3 == 0)
			linger_reset(i % 2 ? w.a : w.b);
		if (i % 5 == 0)
			relay_abort(&w.flow);
		wire_close(&w);
		WAIT(&rx->loop, w.ended);
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(rx->relay.n_flows, 0);
	assert_int_equal(rx->relay.stats.opened, 300);
	assert_int_equal(
		rx->relay.stats.ended_clean + rx->relay.stats.ended_reset, 300);
}

int main(void)
{
	static const struct rx_test tests[] = {
		RX_TEST(bytes_arrive_unchanged_both_ways_at_once),
		RX_TEST(half_close_by_a_leaves_the_other_way_open),
		RX_TEST(half_close_by_b_leaves_the_other_way_open),
		RX_TEST(data_and_end_that_came_before_the_start_are_relayed),
		RX_TEST(both_sides_closing_at_once_is_a_clean_end),
		RX_TEST(reset_by_a_arrives_as_a_reset),
		RX_TEST(reset_by_b_arrives_as_a_reset),
		RX_TEST(reset_before_the_start_arrives_as_a_reset),
		RX_TEST(reset_drops_what_is_unsent),
		RX_TEST(writer_learns_that_its_reader_is_gone),
		RX_TEST(abort_resets_both_sides),
		RX_TEST(slow_reader_stops_the_writer_and_costs_nothing),
		RX_TEST(end_waits_for_a_slow_reader),
		RX_TEST(single_bytes_go_back_and_forth),
		RX_TEST(many_flows_share_the_pipe_without_mixing),
		RX_TEST(pipe_that_could_not_be_had_is_asked_for_again),
		RX_TEST(broken_flow_leaves_nothing_for_its_neighbour),
		RX_TEST(greedy_flow_does_not_starve_another),
		RX_TEST(one_turn_moves_no_more_than_its_share),
		RX_TEST(failed_start_leaves_the_sockets_to_the_caller),
		RX_TEST(flows_leave_no_descriptor_behind),
	};

	return rx_main(tests, ARRAY_SIZE(tests));
}
