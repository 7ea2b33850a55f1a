// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames as a pod may send them: honest, cut off, lying, and at random. */
#include "netstack/frame.h"

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
#include "tests/unit/packet.h"

#define TCP  IPPROTO_TCP
#define UDP  IPPROTO_UDP
#define ICMP IPPROTO_ICMP

#define P4 "10.0.2.100", "198.51.100.7"
#define P6 "fd00::100", "2001:db8::7"

/* A parser that reads one byte too far is caught by ASan: exact allocation. */
static bool parse(const uint8_t *buf, size_t len, struct frame *f)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool ok;

	assert_non_null(copy);
	if (len)
		memcpy(copy, buf, len);
	ok = frame_parse(copy, len, f);
	if (ok) {
		assert_ptr_equal(f->eth, copy);
		assert_int_equal(f->len, len);
		if (f->payload)
			assert_true(f->payload >= copy &&
				    f->payload + f->payload_len <= copy + len);
		assert_true(!f->has_ports || f->is_ip);
		assert_true(!f->is_fragment || !f->has_ports);
		f->eth = NULL;
	}
	free(copy);
	return ok;
}

static void addresses_ports_and_flags_are_read(void **state)
{
	uint8_t buf[PKT_MAX];
	struct pkt s = { P4, TCP, 40000, 80, FRAME_TCP_SYN };
	struct frame f = pkt_frame(buf, &s);
	struct ip ip = pkt_ip("10.0.2.100");

	(void)state;
	assert_int_equal(f.ethertype, 0x0800);
	assert_true(f.is_ip && f.has_ports && !f.is_fragment);
	assert_true(ip_equal(&f.src, &ip));
	ip = pkt_ip("198.51.100.7");
	assert_true(ip_equal(&f.dst, &ip));
	assert_int_equal(f.sport, 40000);
	assert_int_equal(f.dport, 80);
	assert_int_equal(f.tcp_flags, FRAME_TCP_SYN);
	assert_null(f.payload);
	s = (struct pkt){ P6, UDP, 5353, 53, .data = 9 };
	f = pkt_frame(buf, &s);
	ip = pkt_ip("fd00::100");
	assert_true(ip_equal(&f.src, &ip));
	assert_int_equal(f.proto, UDP);
	assert_int_equal(f.dport, 53);
	assert_int_equal(f.payload_len, 9);
	assert_int_equal(f.payload[0], 0xda);
}

static void options_of_ipv4_are_stepped_over(void **state)
{
	uint8_t buf[PKT_MAX];

	(void)state;
	for (size_t opt = 0; opt <= 40; opt += 4) {
		struct pkt s = { P4, UDP, 1111, 2222, .data = 5, .opt = opt };
		struct frame f = pkt_frame(buf, &s);

		assert_int_equal(f.dport, 2222);
		assert_int_equal(f.payload_len, 5);
		assert_int_equal(f.payload[4], 0xda);
	}
}

/* Headers of 8 bytes: hop-by-hop, routing, destination options; fragment. */
#define HBH(next)	  (next), 0, 1, 4, 0, 0, 0, 0
#define FRAG(next, field) (next), 0, (field) >> 8, (field)&0xff, 0, 0, 0, 1
#define HBH_16(next)	  (next), 1, 1, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 1, 2
#define EXT(...)                                                               \
	(const uint8_t[]){ __VA_ARGS__ },                                      \
		sizeof((const uint8_t[]){ __VA_ARGS__ })

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): reads as sent */
struct ext_case {
	uint8_t first;
	const uint8_t *ext;
	size_t ext_len;
	bool ok, fragment;
};

static void extension_headers_of_ipv6_are_stepped_over(void **state)
{
	const struct ext_case t[] = {
		{ 0, EXT(HBH(UDP)), true, false },
		{ 43, EXT(HBH(UDP)), true, false },
		{ 60, EXT(HBH(UDP)), true, false },
		{ 0, EXT(HBH_16(UDP)), true, false },
		{ 0, EXT(HBH(60), HBH_16(43), HBH(UDP)), true, false },
		{ 44, EXT(FRAG(UDP, 0x0000)), true, false }, /* atomic */
		{ 44, EXT(FRAG(UDP, 0x0006)), true, false }, /* reserved bits */
		{ 44, EXT(FRAG(UDP, 0x0001)), true, true },  /* the first */
		{ 44, EXT(FRAG(UDP, 0x0008)), true, true },  /* the last */
		{ 44, EXT(FRAG(UDP, 0xfff9)), true, true },
		{ 0, EXT(HBH(44), FRAG(UDP, 1)), true, true },
		{ 44, EXT(FRAG(60, 0), HBH(UDP)), true, false },
		{ 0,
		  EXT(HBH(60), HBH(60), HBH(60), HBH(60), HBH(60), HBH(60),
		      HBH(60), HBH(UDP)),
		  true, false },
		/* one more than eight */
		{ 0,
		  EXT(HBH(60), HBH(60), HBH(60), HBH(60), HBH(60), HBH(60),
		      HBH(60), HBH(60), HBH(UDP)),
		  false, false },
		/* longer than the packet */
		{ 0, EXT(UDP, 255, 1, 4, 0, 0, 0, 0), false, false },
	};
	uint8_t buf[PKT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pkt s = { P6,
				 UDP,
				 1111,
				 2222,
				 .data = 4,
				 .ext_first = t[i].first,
				 .ext = t[i].ext,
				 .ext_len = t[i].ext_len };
		struct frame f = { 0 };
		bool ok = frame_parse(buf, pkt_build(buf, &s), &f);

		if (ok != t[i].ok)
			fail_msg("case %zu: %d", i, ok);
		if (!ok)
			continue;
		assert_int_equal(f.is_fragment, t[i].fragment);
		assert_int_equal(f.has_ports, !t[i].fragment);
		assert_int_equal(f.proto, UDP);
		if (!t[i].fragment)
			assert_int_equal(f.dport, 2222);
	}
}

static void fragments_of_ipv4_have_no_ports(void **state)
{
	static const struct {
		uint16_t field;
		bool fragment;
	} t[] = {
		{ 0x0000, false }, { 0x4000, false }, { 0x8000, false },
		{ 0x2000, true },  { 0x0001, true },  { 0x3fff, true },
		{ 0x6000, true },  { 0x1000, true },
	};
	uint8_t buf[PKT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pkt s = { P4, TCP,	    1,
				 2,  FRAME_TCP_SYN, .frag = t[i].field };
		struct frame f = pkt_frame(buf, &s);

		assert_int_equal(f.is_fragment, t[i].fragment);
		assert_int_equal(f.has_ports, !t[i].fragment);
		assert_int_equal(frame_is_first_syn(&f), !t[i].fragment);
		assert_int_equal(f.proto, TCP);
	}
}

static void frame_cut_off_anywhere_is_refused(void **state)
{
	static const struct pkt t[] = {
		{ P4, TCP, 1, 2, .data = 3 },
		{ P4, UDP, 1, 2, .data = 3, .opt = 8 },
		{ P4, ICMP, .flags = 8 },
		{ P6, TCP, 1, 2, .data = 3 },
		{ P6, UDP, 1, 2, .data = 3 },
		{ P6, IPPROTO_ICMPV6, .flags = 128 },
	};
	uint8_t buf[PKT_MAX];
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = pkt_build(buf, &t[i]);

		for (size_t n = 0; n < len; n++)
			if (parse(buf, n, &f))
				fail_msg("case %zu taken at %zu of %zu", i, n,
					 len);
		assert_true(parse(buf, len, &f));
		/* Ethernet pads short frames: that is no part of the packet */
		assert_true(parse(buf, len + 20, &f));
		if (f.proto == UDP)
			assert_int_equal(f.payload_len, 3);
	}
}

static void lengths_that_contradict_each_other_are_refused(void **state)
{
	/* an IPv4 TCP frame of 20+20+4, then one byte or two changed */
	/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): as read */
	static const struct {
		uint8_t proto;
		size_t at;
		uint8_t value[2];
		size_t n;
	} t[] = {
		{ TCP, 14, { 0x44 }, 1 },  /* header shorter than 20 */
		{ TCP, 14, { 0x40 }, 1 },  /* 0 */
		{ TCP, 14, { 0x4f }, 1 },  /* longer than the packet */
		{ TCP, 14, { 0x65 }, 1 },  /* version 6 */
		{ TCP, 14, { 0x05 }, 1 },  /* version 0 */
		{ TCP, 16, { 0, 19 }, 2 }, /* total below the header */
		{ TCP, 16, { 0, 0 }, 2 },  /* total 0 */
		{ TCP, 16, { 0, 39 }, 2 }, /* cuts TCP's header */
		{ TCP, 16, { 0xff, 0xff }, 2 } /* beyond the frame */,
		{ TCP, 16, { 0, 45 }, 2 }, /* by one */
		{ UDP, 38, { 0, 7 }, 2 },  /* UDP below its header */
		{ UDP, 38, { 0, 0 }, 2 },  /* a jumbogram's */
		{ UDP, 38, { 0, 13 }, 2 }, /* beyond the packet by one */
	};
	uint8_t buf[PKT_MAX];
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pkt s = { P4, t[i].proto, 1, 2, .data = 4 };
		size_t len = pkt_build(buf, &s);

		assert_true(parse(buf, len, &f));
		memcpy(buf + t[i].at, t[i].value, t[i].n);
		if (parse(buf, len, &f))
			fail_msg("case %zu was taken", i);
	}
}

static void lengths_of_ipv6_that_lie_are_refused(void **state)
{
	static const uint8_t bad[][2] = {
		{ 0, 0 }, { 0, 19 }, { 0, 25 }, { 0xff, 0xff }, { 0x7f, 0 }
	};
	uint8_t buf[PKT_MAX];
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pkt s = { P6, TCP, 1, 2, .data = 4 };
		size_t len = pkt_build(buf, &s);

		memcpy(buf + 18, bad[i], 2);
		if (parse(buf, len, &f))
			fail_msg("case %zu was taken", i);
	}
}

static void other_ethertypes_pass_unread(void **state)
{
	uint8_t buf[60] = { 0 };
	struct frame f;

	(void)state;
	pkt_16(buf + 12, 0x0806);
	for (size_t len = 14; len <= sizeof(buf); len++) {
		assert_true(parse(buf, len, &f));
		assert_false(f.is_ip);
		assert_int_equal(f.ethertype, 0x0806);
	}
	assert_false(parse(buf, 13, &f));
	assert_false(parse(buf, 0, &f));
}

static void frame_beyond_the_largest_is_refused(void **state)
{
	static uint8_t big[FRAME_MAX + 1];
	struct frame f;

	(void)state;
	pkt_16(big + 12, 0x0806);
	assert_true(frame_parse(big, FRAME_MAX, &f));
	assert_false(frame_parse(big, FRAME_MAX + 1, &f));
}

static void first_syn_has_neither_ack_nor_rst_nor_fin(void **state)
{
	uint8_t buf[PKT_MAX];

	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct pkt s = { P4, TCP, 1, 2, (uint8_t)flags };
		struct frame f = pkt_frame(buf, &s);

		assert_int_equal(frame_is_first_syn(&f),
				 (flags & 0x17) == 0x02);
	}
	struct pkt udp = { P4, UDP, 1, 2 };
	struct frame f = pkt_frame(buf, &udp);

	f.tcp_flags = FRAME_TCP_SYN;
	assert_false(frame_is_first_syn(&f));
}

/* ---- building ---- */

/* RFC 1071 by the book, 64 bits wide, not the code under test. */
static uint16_t sum(const uint8_t *p, size_t len, uint64_t acc)
{
	for (size_t i = 0; i < len; i++)
		acc += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	while (acc > 0xffff)
		acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)acc;
}

static void check_built(const uint8_t *buf, size_t n, bool v4, size_t len)
{
	const uint8_t *ip = buf + 14, *udp = ip + (v4 ? 20 : 40);
	uint64_t pseudo = IPPROTO_UDP + 8 + len;

	assert_int_equal(n, 14 + (v4 ? 20 : 40) + 8 + len);
	if (v4)
		assert_int_equal(sum(ip, 20, 0), 0xffff);
	pseudo += v4 ? sum(ip + 12, 8, 0) : sum(ip + 8, 32, 0);
	assert_int_equal(sum(udp, 8 + len, pseudo), 0xffff);
	assert_true(udp[6] || udp[7]); /* 0 would mean: none */
}

static void built_datagram_has_right_checksums_and_parses(void **state)
{
	static uint8_t buf[FRAME_MAX], payload[65535];
	static const size_t lens[] = {
		0, 1, 2, 3, 511, 512, 1472, 1473, 65487
	};
	struct frame_udp u[2] = {
		{ { 2, 0, 0, 0, 1, 0 },
		  { 0x52, 0x55, 10, 0, 2, 2 },
		  pkt_ip("10.0.2.3"),
		  pkt_ip("10.0.2.100"),
		  53,
		  40000 },
		{ { 2, 0, 0, 0, 1, 0 },
		  { 0x52, 0x55, 10, 0, 2, 2 },
		  pkt_ip("fd00::3"),
		  pkt_ip("fd00::100"),
		  53,
		  40000 },
	};
	unsigned int seed = 5;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens) * 2; i++) {
		size_t len = lens[i / 2], n;

		for (size_t k = 0; k < len; k++)
			payload[k] = (uint8_t)rand_r(&seed);
		n = frame_build_udp(buf, &u[i % 2], payload, len);
		check_built(buf, n, i % 2 == 0, len);
		assert_true(parse(buf, n, &f));
		assert_true(ip_equal(&f.src, &u[i % 2].src));
		assert_true(ip_equal(&f.dst, &u[i % 2].dst));
		assert_int_equal(f.sport, 53);
		assert_int_equal(f.dport, 40000);
		assert_int_equal(f.payload_len, len);
		assert_memory_equal(buf + n - len, payload, len);
		assert_memory_equal(buf, u[0].dst_mac, 6);
		assert_memory_equal(buf + 6, u[0].src_mac, 6);
	}
	assert_int_equal(frame_build_udp(buf, &u[0], payload, 65488), 0);
	assert_int_equal(frame_build_udp(buf, &u[1], payload, 65535), 0);
}

/* The payload for which the sum comes out as 0: it is sent as 0xffff. */
static void checksum_of_zero_is_sent_as_its_other_form(void **state)
{
	struct frame_udp u = {
		{ 2 }, { 2 }, pkt_ip("10.0.2.3"), pkt_ip("10.0.2.100"),
		53,    40000
	};
	uint8_t buf[FRAME_MAX], payload[2] = { 0, 0 };
	uint8_t *check = buf + 14 + 20 + 6;

	(void)state;
	frame_build_udp(buf, &u, payload, 2);
	/* put the checksum itself into the data: now it all adds up to ~0 */
	memcpy(payload, check, 2);
	frame_build_udp(buf, &u, payload, 2);
	assert_int_equal(check[0], 0xff);
	assert_int_equal(check[1], 0xff);
}

static void random_mutations_are_survived(void **state)
{
	const struct pkt t[] = {
		{ P4, TCP, 1, 2, .opt = 12, .data = 30 },
		{ P4, UDP, 1, 2, .data = 30 },
		{ P4, ICMP, .flags = 3, .data = 30 },
		{ P6, TCP, 1, 2, .data = 30 },
		{ P6, UDP, 1, 2, .data = 30, .ext_first = 0,
		  .ext = (const uint8_t[]){ HBH(44), FRAG(UDP, 0) },
		  .ext_len = 16 },
	};
	unsigned int seed = 20261122;
	uint8_t buf[PKT_MAX];
	size_t taken = 0;
	struct frame f;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len = pkt_build(
			buf, &t[(size_t)rand_r(&seed) % ARRAY_SIZE(t)]);
		int n = 1 + rand_r(&seed) % 6;

		while (n--) /* mostly in the headers */
			buf[(size_t)rand_r(&seed) % (len < 80 ? len : 80)] =
				(uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 4 == 0)
			len = (size_t)rand_r(&seed) % (len + 1);
		taken += parse(buf, len, &f);
	}
	/* both ways out were exercised */
	assert_true(taken > 2000 && taken < 19000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_ports_and_flags_are_read),
		cmocka_unit_test(options_of_ipv4_are_stepped_over),
		cmocka_unit_test(extension_headers_of_ipv6_are_stepped_over),
		cmocka_unit_test(fragments_of_ipv4_have_no_ports),
		cmocka_unit_test(frame_cut_off_anywhere_is_refused),
		cmocka_unit_test(
			lengths_that_contradict_each_other_are_refused),
		cmocka_unit_test(lengths_of_ipv6_that_lie_are_refused),
		cmocka_unit_test(other_ethertypes_pass_unread),
		cmocka_unit_test(frame_beyond_the_largest_is_refused),
		cmocka_unit_test(first_syn_has_neither_ack_nor_rst_nor_fin),
		cmocka_unit_test(built_datagram_has_right_checksums_and_parses),
		cmocka_unit_test(checksum_of_zero_is_sent_as_its_other_form),
		cmocka_unit_test(random_mutations_are_survived),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
