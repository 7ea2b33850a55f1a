// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Urgent data through the relay: every byte arrives, in order, and the urgent
 * one at its mark. The receiver reads it in line, so that the stream shows
 * where it was.
 */
#include "tests/unit/relay_fixture.h"

#include <sys/ioctl.h>

/* What the receiver saw: '!' stands before the byte at the mark. */
struct seen {
	char text[256];
	size_t len;
	bool eof;
	int err;
};

static void look(int fd, struct seen *s)
{
	for (;;) {
		int at_mark = 0;
		char c;
		ssize_t n;

		assert_int_equal(ioctl(fd, SIOCATMARK, &at_mark), 0);
		n = recv(fd, &c, 1, MSG_DONTWAIT);
		if (n == 0)
			s->eof = true;
		else if (n < 0 && errno != EAGAIN)
			s->err = errno;
		if (n <= 0)
			return;
		assert_true(s->len + 3 < sizeof(s->text));
		if (at_mark)
			s->text[s->len++] = '!';
		s->text[s->len++] = c;
		s->text[s->len] = '\0';
	}
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

static void put_urgent(int fd, char c)
{
	assert_int_equal(send(fd, &c, 1, MSG_OOB | MSG_NOSIGNAL), 1);
}

static void open_inline(struct rx *rx, struct wire *w)
{
	wire_open(rx, w);
	must_setsockopt(w->a, SOL_SOCKET, SO_OOBINLINE, 1);
	must_setsockopt(w->b, SOL_SOCKET, SO_OOBINLINE, 1);
}

static void end(struct rx *rx, struct wire *w)
{
	if (!w->ended)
		relay_abort(&w->flow);
	wire_close(w);
	(void)rx;
}

static void urgent_byte_keeps_its_place(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	put(w.a, "abc");
	put_urgent(w.a, 'X');
	put(w.a, "def");
	WAIT(&rx->loop, (look(w.b, &s), s.len == 8));
	assert_string_equal(s.text, "abc!Xdef");
	end(rx, &w);
}

static void urgent_byte_keeps_its_place_the_other_way(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	put(w.b, "abc");
	WAIT(&rx->loop, (look(w.a, &s), s.len == 3));
	put_urgent(w.b, 'X');
	WAIT(&rx->loop, (look(w.a, &s), s.len == 5));
	put(w.b, "def");
	WAIT(&rx->loop, (look(w.a, &s), s.len == 8));
	assert_string_equal(s.text, "abc!Xdef");
	end(rx, &w);
}

static void urgent_byte_is_out_of_band_for_who_wants_it_so(void **state)
{
	struct rx *rx = *state;
	char c = 0, text[8] = "";
	struct wire w;

	wire_open(rx, &w);
	put(w.a, "abc");
	put_urgent(w.a, 'X');
	WAIT(&rx->loop, recv(w.b, &c, 1, MSG_OOB | MSG_DONTWAIT) == 1);
	assert_int_equal(c, 'X');
	assert_int_equal(recv(w.b, text, 7, MSG_DONTWAIT), 3);
	assert_string_equal(text, "abc");
	put(w.a, "d");
	WAIT(&rx->loop, recv(w.b, &c, 1, MSG_DONTWAIT) == 1);
	assert_int_equal(c, 'd');
	end(rx, &w);
}

static void urgent_byte_may_be_the_last_one(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	put(w.a, "abc");
	put_urgent(w.a, 'X');
	assert_int_equal(shutdown(w.a, SHUT_WR), 0);
	WAIT(&rx->loop, (look(w.b, &s), s.eof || s.err));
	assert_int_equal(s.err, 0);
	assert_string_equal(s.text, "abc!X");
	fd_drop(&w.b);
	WAIT(&rx->loop, w.ended);
	assert_true(w.clean);
	end(rx, &w);
}

/* With the FIN queued, splice() at the mark returns 0, as at the end. */
static void end_behind_an_urgent_byte_cuts_nothing_off(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	put(w.a, "abc");
	put_urgent(w.a, 'X');
	put(w.a, "def");
	fd_drop(&w.a);
	WAIT(&rx->loop, (look(w.b, &s), s.eof || s.err));
	assert_int_equal(s.err, 0);
	assert_string_equal(s.text, "abc!Xdef");
	end(rx, &w);
}

static void urgent_byte_may_be_the_only_one(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	put_urgent(w.a, 'X');
	fd_drop(&w.a);
	WAIT(&rx->loop, (look(w.b, &s), s.eof || s.err));
	assert_int_equal(s.err, 0);
	assert_string_equal(s.text, "!X");
	end(rx, &w);
}

/* Only the last of several marks exists in TCP; the bytes must all arrive. */
static void two_urgent_bytes_in_a_row_both_arrive(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	char *p, plain[16] = "";
	struct wire w;

	open_inline(rx, &w);
	put_urgent(w.a, 'X');
	put_urgent(w.a, 'Y');
	put(w.a, "abc");
	fd_drop(&w.a);
	WAIT(&rx->loop, (look(w.b, &s), s.eof || s.err));
	assert_int_equal(s.err, 0);
	for (p = s.text; *p; p++)
		if (*p != '!')
			plain[strlen(plain)] = *p;
	assert_string_equal(plain, "XYabc");
	assert_non_null(strstr(s.text, "!Y"));
	end(rx, &w);
}

static void urgent_bytes_one_after_the_other_keep_their_marks(void **state)
{
	struct rx *rx = *state;
	struct seen s = { "" };
	struct wire w;

	open_inline(rx, &w);
	for (int i = 0; i < 20; i++) {
		put(w.a, "-");
		put_urgent(w.a, (char)('A' + i));
		WAIT(&rx->loop, (look(w.b, &s), s.len == 3 * ((size_t)i + 1)));
	}
	assert_string_equal(s.text, "-!A-!B-!C-!D-!E-!F-!G-!H-!I-!J"
				    "-!K-!L-!M-!N-!O-!P-!Q-!R-!S-!T");
	put(w.a, "end");
	WAIT(&rx->loop, (look(w.b, &s), s.len == 63));
	end(rx, &w);
}

static void bulk_data_with_urgent_bytes_stays_whole(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);
	must_setsockopt(w.b, SOL_SOCKET, SO_OOBINLINE, 1);

	struct stream s = { w.a, w.b, 77, 0, 0, 0, false, 0 };

	for (int i = 0; i < 200; i++) {
		uint8_t c;

		s.total += 20000;
		stream_feed(&s);
		/* the urgent byte is the stream's next one */
		c = pattern_at(s.seed, s.sent);
		if (send(w.a, &c, 1, MSG_OOB | MSG_DONTWAIT) == 1)
			s.sent++;
		s.total = s.sent;
		if (i % 3 == 0) {
			(void)loop_has_event(&rx->loop, 1);
			turn(&rx->loop);
			stream_drain(&s, 100000);
		}
	}
	fd_drop(&w.a);
	WAIT(&rx->loop, (stream_drain(&s, SIZE_MAX), s.eof || s.err));
	assert_int_equal(s.err, 0);
	assert_int_equal(s.got, s.sent);
	end(rx, &w);
}

/* Taken out of band while the sink is full: nothing gets stuck afterwards. */
static void urgent_byte_waits_for_a_slow_reader(void **state)
{
	struct rx *rx = *state;
	struct wire w;

	wire_open(rx, &w);
	must_setsockopt(w.b, SOL_SOCKET, SO_OOBINLINE, 1);

	struct stream s = { w.a, w.b, 78, UINT64_MAX, 0, 0, false, 0 };
	int quiet = 0;
	uint8_t c;

	while (quiet < 20) {
		quiet = stream_feed(&s) ? 0 : quiet + 1;
		(void)loop_has_event(&rx->loop, 1);
		turn(&rx->loop);
	}
	c = pattern_at(s.seed, s.sent);
	WAIT(&rx->loop,
	     (stream_drain(&s, 20000),
	      send(w.a, &c, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL) == 1));
	s.sent++;
	s.total = s.sent + 50000;
	stream_run(rx, &s);
	end(rx, &w);
}

int main(void)
{
	static const struct rx_test tests[] = {
		RX_TEST(urgent_byte_keeps_its_place),
		RX_TEST(urgent_byte_keeps_its_place_the_other_way),
		RX_TEST(urgent_byte_is_out_of_band_for_who_wants_it_so),
		RX_TEST(urgent_byte_may_be_the_last_one),
		RX_TEST(end_behind_an_urgent_byte_cuts_nothing_off),
		RX_TEST(urgent_byte_may_be_the_only_one),
		RX_TEST(two_urgent_bytes_in_a_row_both_arrive),
		RX_TEST(urgent_bytes_one_after_the_other_keep_their_marks),
		RX_TEST(bulk_data_with_urgent_bytes_stays_whole),
		RX_TEST(urgent_byte_waits_for_a_slow_reader),
	};

	return rx_main(tests, ARRAY_SIZE(tests));
}
