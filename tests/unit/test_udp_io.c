// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches of datagrams over real sockets on loopback: whatever is put together
 * on the way, each arrives as it was sent.
 */
#include "portfwd/udp_io.h"

#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

struct fx {
	struct udp_io io;
	int from, to; /* connected; bound, plain */
	union endpoint at;
	size_t gso_max;
};

static int bound(union endpoint *at)
{
	struct ip loopback;
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(ip_parse("127.0.0.1", &loopback), 0);
	*at = endpoint_make(&loopback, 0);
	assert_int_equal(bind(fd, &at->sa, endpoint_len(at)), 0);
	assert_int_equal(getsockname(fd, &at->sa, &len), 0);
	must_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
	return fd;
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));
	union endpoint own;

	assert_non_null(fx);
	*state = fx;
	fx->gso_max = UDP_GSO_ANY;
	fx->to = bound(&fx->at);
	fx->from = bound(&own);
	assert_int_equal(connect(fx->from, &fx->at.sa, endpoint_len(&fx->at)),
			 0);
	return udp_io_init(&fx->io);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	udp_io_deinit(&fx->io);
	fd_drop(&fx->from);
	fd_drop(&fx->to);
	free(fx);
	return 0;
}

/* Messages of these sizes, SIZE_MAX ends them; byte k of the i-th is i + k. */
static unsigned int fill(struct fx *fx, const size_t *sizes)
{
	unsigned int n = 0;

	for (; sizes[n] != SIZE_MAX; n++) {
		struct udp_msg *m = &fx->io.msgs[n];

		*m = (struct udp_msg){ .data = fx->io.data +
					       (size_t)n * UDP_IO_BYTES,
				       .len = sizes[n] };
		for (size_t k = 0; k < sizes[n]; k++)
			m->data[k] = (uint8_t)(n + k);
	}
	return n;
}

static void expect(struct fx *fx, size_t i, size_t size, size_t from)
{
	static uint8_t buf[UDP_IO_BYTES];
	ssize_t n = recv(fx->to, buf, sizeof(buf), MSG_DONTWAIT);

	assert_int_equal(n, size);
	for (size_t k = 0; k < size; k++)
		assert_int_equal(buf[k], (uint8_t)(i + from + k));
}

static void datagrams_of_all_sizes_keep_their_boundaries(void **state)
{
	static const size_t lists[][UDP_IO_BATCH + 1] = {
		{ 100, SIZE_MAX },
		{ 0, 0, 1, 0, SIZE_MAX },
		{ 1200, 1200, 1200, 1200, 7, 1200, 1200, SIZE_MAX },
		{ 7, 1200, 1200, 1200, 1201, 1200, SIZE_MAX },
		{ 100, 100, 0, 100, 100, SIZE_MAX },
		/* more than one packet can be, one by one and together */
		{ 65507, 30000, 30000, 30000, 30000, 5, SIZE_MAX },
		{ 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000,
		  9000, 9000, 9000, 9000, 9000, 9000, SIZE_MAX },
	};
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct udp_sent sent = { 0 };
		unsigned int n = fill(fx, lists[i]);

		udp_io_send(&fx->io, &way, 0, n, &sent);
		assert_int_equal(sent.packets, n);
		assert_int_equal(sent.lost, 0);
		for (unsigned int k = 0; k < n; k++)
			expect(fx, k, lists[i][k], 0);
	}
}

static void what_came_together_leaves_as_many(void **state)
{
	static const size_t lens[] = { 2050, 1000, 1900, 400, SIZE_MAX };
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };

	/* also where the kernel doesn't take them together */
	for (int pass = 0; pass < 2; pass++) {
		struct udp_sent sent = { 0 };

		(void)fill(fx, lens);
		fx->io.msgs[0].seg = 1000;
		fx->io.msgs[2].seg = 1000;
		udp_io_send(&fx->io, &way, 0, 4, &sent);
		assert_int_equal(sent.packets, 7);
		assert_int_equal(sent.bytes, 5350);
		expect(fx, 0, 1000, 0);
		expect(fx, 0, 1000, 1000);
		expect(fx, 0, 50, 2000);
		expect(fx, 1, 1000, 0);
		expect(fx, 2, 1000, 0);
		expect(fx, 2, 900, 1000);
		expect(fx, 3, 400, 0);
		fx->gso_max = 999;
	}
}

static void segments_that_the_kernel_refuses_are_sent_singly(void **state)
{
	static const size_t lens[] = { 1200, 1200, 1200, SIZE_MAX };
	static const int on = 1;
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };
	struct udp_sent sent = { 0 };

	/* UDP_SEGMENT needs checksums: -EIO (udp_send_skb()) */
	assert_int_equal(
		setsockopt(fx->from, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)),
		0);
	(void)fill(fx, lens);
	udp_io_send(&fx->io, &way, 0, 3, &sent);
	assert_int_equal(sent.packets, 3);
	assert_true(fx->gso_max < 1200);
	for (unsigned int i = 0; i < 3; i++)
		expect(fx, i, 1200, 0);
}

static void error_of_an_earlier_datagram_costs_none(void **state)
{
	static const size_t lens[] = { 100, SIZE_MAX };
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };
	struct udp_sent sent = { 0 };
	int again;

	fd_drop(&fx->to);
	(void)fill(fx, lens);
	udp_io_send(&fx->io, &way, 0, 1, &sent); /* nobody is there */
	assert_int_equal(sent.packets, 1);
	again = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(again, &fx->at.sa, endpoint_len(&fx->at)), 0);
	fx->to = again;
	udp_io_send(&fx->io, &way, 0, 1, &sent);
	assert_int_equal(sent.packets, 2);
	assert_int_equal(sent.lost, 0);
	expect(fx, 0, 100, 0);
}

static void what_cannot_be_sent_is_counted(void **state)
{
	static const size_t lens[] = { 100, 65508, 100, SIZE_MAX };
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };
	struct udp_sent sent = { 0 };

	(void)fill(fx, lens);
	udp_io_send(&fx->io, &way, 0, 3, &sent);
	assert_int_equal(sent.packets, 2);
	assert_int_equal(sent.lost, 1);
	expect(fx, 0, 100, 0);
	expect(fx, 2, 100, 0);
}

static void receiver_is_told_where_it_was_asked(void **state)
{
	static const size_t lens[] = { 500, 500, 500, SIZE_MAX };
	struct fx *fx = *state;
	struct udp_way way = { .fd = fx->from, .gso_max = &fx->gso_max };
	struct udp_sent sent = { 0 };
	struct ip want;
	int n;

	must_setsockopt(fx->to, SOL_IP, IP_PKTINFO, 1);
	must_setsockopt(fx->to, SOL_UDP, UDP_GRO, 1);
	(void)fill(fx, lens);
	udp_io_send(&fx->io, &way, 0, 3, &sent);
	n = udp_io_recv(&fx->io, fx->to, UDP_IO_BATCH);
	/* loopback doesn't take apart what was sent together */
	assert_int_equal(n, 1);
	assert_int_equal(fx->io.msgs[0].len, 1500);
	assert_int_equal(fx->io.msgs[0].seg, 500);
	assert_int_equal(ip_parse("127.0.0.1", &want), 0);
	assert_true(ip_equal(&fx->io.msgs[0].local, &want));
	assert_int_equal(udp_io_recv(&fx->io, fx->to, UDP_IO_BATCH), -EAGAIN);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(datagrams_of_all_sizes_keep_their_boundaries),
		TEST(what_came_together_leaves_as_many),
		TEST(segments_that_the_kernel_refuses_are_sent_singly),
		TEST(error_of_an_earlier_datagram_costs_none),
		TEST(what_cannot_be_sent_is_counted),
		TEST(receiver_is_told_where_it_was_asked),
	};

	struct netns ns;

	(void)netns_enter(&ns); /* a port that was closed stays free */
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
