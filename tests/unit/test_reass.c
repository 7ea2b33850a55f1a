// SPDX-License-Identifier: GPL-2.0-or-later
/* The pod's IPv4 fragments: whole, late, in any order, and contradictory. */
#include "netstack/reass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/checksum.h"
#include "tests/unit/harness.h"
#include "tests/unit/packet.h"

#define POD   "10.0.2.100"
#define WORLD "198.51.100.7"
#define MF    0x2000

struct rx {
	struct loop loop;
	struct reass *reass;
	size_t len; /* of the last whole frame */
};

static int setup(void **state)
{
	struct rx *rx = calloc(1, sizeof(*rx));

	*state = rx;
	if (!rx || loop_init(&rx->loop))
		return -1;
	rx->loop.now = mono_s(1000);
	return reass_new(&rx->reass, &rx->loop);
}

static int teardown(void **state)
{
	struct rx *rx = *state;

	assert_null(reass_free(rx->reass));
	assert_null(reass_free(NULL));
	assert_int_equal(rx->loop.n_timers, 0);
	loop_deinit(&rx->loop);
	free(rx);
	return 0;
}

/*
 * A fragment of packet @id with @n bytes from @at on, all telling its place;
 * the first begins with the UDP header of a packet of 32 bytes.
 */
static const uint8_t *frag(struct rx *rx, uint16_t id, size_t at, size_t n,
			   bool more)
{
	uint8_t buf[PKT_MAX], *ip = buf + FRAME_ETH_LEN;
	struct pkt s = { POD, WORLD, IPPROTO_UDP, 5000, 7 };
	struct frame f;

	s.data = n - 8;
	s.frag = (uint16_t)(at / 8 | (more ? MF : 0));
	f.len = pkt_build(buf, &s);
	memset(ip + 20, (int)(at / 8 + 1), n);
	if (at == 0) {
		pkt_16(ip + 20, 5000);
		pkt_16(ip + 22, 7);
		pkt_16(ip + 24, 32);
	}
	pkt_16(ip + 4, id);
	pkt_16(ip + 10, checksum_fold(checksum_add(0, ip, 20)));
	assert_true(frame_parse(buf, f.len, &f));
	return reass_take(rx->reass, &f, &rx->len);
}

static void is_whole(struct rx *rx, const uint8_t *whole)
{
	struct frame f;

	assert_non_null(whole);
	assert_int_equal(rx->len, FRAME_ETH_LEN + 20 + 32);
	assert_true(frame_parse(whole, rx->len, &f));
	assert_false(f.is_fragment);
	assert_true(f.has_ports);
	assert_int_equal(f.dport, 7);
	assert_int_equal(f.payload_len, 24);
	assert_int_equal(f.payload[7], 1);
	assert_int_equal(f.payload[8], 3);
	assert_int_equal(f.payload[23], 3);
	assert_int_equal(
		checksum_fold(checksum_add(0, whole + FRAME_ETH_LEN, 20)), 0);
}

static void reass_joins_fragments_in_order(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 0, 16, true));
	is_whole(rx, frag(rx, 1, 16, 16, false));
	assert_int_equal(reass_stats(rx->reass)->whole, 1);
	assert_int_equal(rx->loop.n_timers, 0);
}

static void reass_joins_fragments_in_reverse(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 16, 16, false));
	is_whole(rx, frag(rx, 1, 0, 16, true));
}

static void reass_keeps_packets_apart(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 0, 16, true));
	assert_null(frag(rx, 2, 16, 16, false));
	is_whole(rx, frag(rx, 2, 0, 16, true));
	is_whole(rx, frag(rx, 1, 16, 16, false));
}

static void gives_up(struct rx *rx, size_t at, size_t n, bool more)
{
	uint64_t before = reass_stats(rx->reass)->dropped;

	assert_null(frag(rx, 1, at, n, more));
	assert_int_equal(reass_stats(rx->reass)->dropped, before + 1);
	/* nothing is left of it: the rest is a new packet's beginning */
	assert_int_equal(rx->loop.n_timers, 0);
}

static void reass_gives_up_fragments_that_overlap(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 8, 16, true));
	gives_up(rx, 16, 16, false);
	assert_null(frag(rx, 1, 0, 16, true));
	gives_up(rx, 0, 16, true);
	assert_null(frag(rx, 1, 8, 8, true));
	gives_up(rx, 0, 32, true);
}

static void reass_gives_up_fragments_behind_the_last(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 16, 8, false));
	gives_up(rx, 24, 8, true);
	assert_null(frag(rx, 1, 24, 8, true));
	gives_up(rx, 8, 8, false);
	assert_null(frag(rx, 1, 8, 8, false));
	gives_up(rx, 16, 8, false);
}

static void reass_gives_up_what_is_no_packet(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 0, 12, true));	   /* not in eights */
	assert_null(frag(rx, 1, 65528, 8, false)); /* beyond 65535 */
	assert_int_equal(reass_stats(rx->reass)->dropped, 2);
	assert_int_equal(rx->loop.n_timers, 0);
}

static void reass_gives_up_what_is_late(void **state)
{
	struct rx *rx = *state;

	assert_null(frag(rx, 1, 0, 16, true));
	assert_int_equal(rx->loop.n_timers, 1);
	/* too early */
	rx->loop.heap[1]->fn(rx->loop.heap[1]);
	assert_int_equal(reass_stats(rx->reass)->dropped, 0);
	rx->loop.now = mono_s(1000 + REASS_S);
	rx->loop.heap[1]->fn(rx->loop.heap[1]);
	assert_int_equal(reass_stats(rx->reass)->dropped, 1);
	assert_int_equal(rx->loop.n_timers, 0);
}

static void reass_gives_up_the_oldest_of_too_many(void **state)
{
	struct rx *rx = *state;

	for (uint16_t id = 0; id <= REASS_MAX; id++)
		assert_null(frag(rx, id, 0, 16, true));
	assert_int_equal(reass_stats(rx->reass)->dropped, 1);
	is_whole(rx, frag(rx, 1, 16, 16, false));
	assert_null(frag(rx, 0, 16, 16, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(reass_joins_fragments_in_order),
		T(reass_joins_fragments_in_reverse),
		T(reass_keeps_packets_apart),
		T(reass_gives_up_fragments_that_overlap),
		T(reass_gives_up_fragments_behind_the_last),
		T(reass_gives_up_what_is_no_packet),
		T(reass_gives_up_what_is_late),
		T(reass_gives_up_the_oldest_of_too_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
