// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RST and ICMP errors, read again by a parser of the test's own, which knows
 * only the RFCs.
 */
#include "netstack/answer.h"

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

#define POD    "10.0.2.100"
#define WORLD  "198.51.100.7"
#define POD6   "fd00::100"
#define WORLD6 "2001:db8::7"

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] * 256 + p[1];
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) * 65536 + be16(p + 2);
}

/* RFC 1071, over several pieces of even length but the last */
static unsigned int ones_sum(unsigned int sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (unsigned int)p[i] * 256;
	while (sum > 65535)
		sum = sum % 65536 + sum / 65536;
	return sum;
}

/* Check @out as an IP packet from @src to the pod; Return: what it carries */
static const uint8_t *carried(const uint8_t *out, size_t len,
			      const struct frame *syn, const char *src,
			      unsigned int proto, size_t *n)
{
	bool v6 = strchr(src, ':') != NULL;
	const uint8_t *ip = out + 14;
	size_t hlen = v6 ? 40 : 20, alen = v6 ? 16 : 4;
	struct ip from = pkt_ip(src);
	unsigned int sum;

	assert_true(len <= ANSWER_MAX && len > 14 + hlen);
	assert_memory_equal(out, syn->eth + 6, 6); /* back to its sender */
	assert_memory_equal(out + 6, syn->eth, 6);
	assert_memory_equal(out + 12, syn->eth + 12, 2);
	assert_memory_equal(ip + (v6 ? 8 : 12), ip_bytes(&from), alen);
	assert_memory_equal(ip + (v6 ? 24 : 16), ip_bytes(&syn->src), alen);
	*n = len - 14 - hlen;
	if (v6) {
		assert_int_equal(ip[0], 0x60);
		assert_int_equal(be16(ip + 4), *n);
		assert_int_equal(ip[6], proto);
		assert_true(ip[7] > 0);
	} else {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(be16(ip + 2), len - 14);
		assert_int_equal(ip[9], proto);
		assert_true(ip[8] > 0);
		assert_int_equal(be16(ip + 6) & 0x3fff, 0); /* no fragment */
		assert_int_equal(ones_sum(0, ip, 20), 0xffff);
	}
	/* the transport's, with the pseudo header where there is one */
	sum = 0;
	if (v6 || proto != IPPROTO_ICMP) {
		sum = ones_sum(sum, ip + (v6 ? 8 : 12), 2 * alen);
		sum = ones_sum(sum + proto + (unsigned int)*n, NULL, 0);
	}
	assert_int_equal(ones_sum(sum, ip + hlen, *n), 0xffff);
	return ip + hlen;
}

/* A SYN with sequence number @seq at @l4 of its packet */
static struct frame with_seq(uint8_t *buf, const struct pkt *s, size_t l4,
			     uint32_t seq)
{
	struct frame f = pkt_frame(buf, s);

	pkt_16(buf + 14 + l4 + 4, seq >> 16);
	pkt_16(buf + 14 + l4 + 6, seq & 0xffff);
	return f;
}

static void check_reset(const struct pkt *s, size_t l4, uint32_t seq)
{
	uint8_t buf[PKT_MAX], out[ANSWER_MAX];
	struct frame f = with_seq(buf, s, l4, seq);
	size_t n, len = answer_reset(out, &f);
	const uint8_t *tcp = carried(out, len, &f, s->dst, IPPROTO_TCP, &n);

	assert_int_equal(n, 20);
	assert_int_equal(be16(tcp), s->dport);
	assert_int_equal(be16(tcp + 2), s->sport);
	assert_int_equal(be32(tcp + 4), 0);
	assert_int_equal(be32(tcp + 8), (uint32_t)(seq + 1));
	assert_int_equal(tcp[12], 0x50);
	assert_int_equal(tcp[13], 0x14); /* RST, ACK */
	assert_int_equal(be16(tcp + 18), 0);
}

static const uint8_t hop_by_hop[16] = { IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0,
					IPPROTO_TCP,	 0, 1, 4, 0, 0, 0, 0 };
static const uint8_t atomic[8] = { IPPROTO_TCP, 0, 0, 0, 1, 2, 3, 4 };

static const struct {
	struct pkt s;
	size_t l4;
} syns[] = {
	{ { POD, WORLD, IPPROTO_TCP, 40000, 443, FRAME_TCP_SYN }, 20 },
	/* ECN, PSH and data change nothing */
	{ { POD, WORLD, IPPROTO_TCP, 1, 65535, 0xca, 501 }, 20 },
	{ { POD, WORLD, IPPROTO_TCP, 2, 3, FRAME_TCP_SYN, 0, 8 }, 28 },
	{ { POD, WORLD, IPPROTO_TCP, 2, 3, FRAME_TCP_SYN, 9, 40 }, 60 },
	{ { POD6, WORLD6, IPPROTO_TCP, 40000, 443, FRAME_TCP_SYN }, 40 },
	{ { POD6, WORLD6, IPPROTO_TCP, 4, 5, FRAME_TCP_SYN, 33, 0, 0,
	    IPPROTO_HOPOPTS, hop_by_hop, sizeof(hop_by_hop) },
	  56 },
	{ { POD6, WORLD6, IPPROTO_TCP, 4, 5, FRAME_TCP_SYN, 0, 0, 0,
	    IPPROTO_FRAGMENT, atomic, sizeof(atomic) },
	  48 },
};

static void reset_acknowledges_the_syn(void **state)
{
	static const uint32_t seqs[] = { 0, 1, 0x12345678, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(syns); i++)
		for (size_t k = 0; k < ARRAY_SIZE(seqs); k++)
			check_reset(&syns[i].s, syns[i].l4, seqs[k]);
}

static void nothing_else_is_reset(void **state)
{
	static const uint8_t flags[] = { 0,    0x10, 0x12, 0x04,
					 0x06, 0x03, 0x01, 0x14 };
	uint8_t buf[PKT_MAX], out[ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(flags); i++) {
		struct pkt s = { POD, WORLD, IPPROTO_TCP, 1, 2, flags[i] };
		struct frame f = pkt_frame(buf, &s);

		assert_int_equal(answer_reset(out, &f), 0);
	}
}

static void check_unreachable(const struct pkt *s, enum answer_why why)
{
	/* RFC 792 and RFC 1812: net, host, host unknown, protocol, prohibited;
	 * RFC 4443 3.1 */
	static const uint8_t codes4[] = { 0, 1, 7, 2, 13 },
			     codes6[] = { 0, 3, 3, 3, 1 };
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX], out[ANSWER_MAX];
	struct frame f = pkt_frame(buf, s);
	bool v6 = strchr(s->src, ':') != NULL;
	size_t n, quoted = f.len - 14,
		  len = answer_unreachable(out, &f, &plan, why);
	const uint8_t *icmp = carried(out, len, &f, v6 ? "fd00::2" : "10.0.2.2",
				      v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, &n);

	if (quoted > n - 8)
		quoted = n - 8;
	assert_int_equal(icmp[0], v6 ? 1 : 3);
	assert_int_equal(icmp[1], v6 ? codes6[why] : codes4[why]);
	assert_int_equal(be32(icmp + 4), 0);
	assert_int_equal(n, 8 + quoted);
	assert_memory_equal(icmp + 8, f.eth + 14, quoted);
	/* enough for the kernel to find the socket: up to the sequence */
	assert_true(quoted >= (size_t)(v6 ? 40 : 20) + s->opt + s->ext_len + 8);
}

static void unreachable_quotes_the_syn(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(syns); i++)
		for (int why = ANSWER_NET; why <= ANSWER_PROHIBITED; why++)
			check_unreachable(&syns[i].s, (enum answer_why)why);
}

/* What the pod is asked to send again must be gone, and only that. */
static void bare_syn_has_lost_its_data_and_nothing_else(void **state)
{
	uint8_t buf[PKT_MAX];
	uint8_t *out = malloc(FRAME_MAX);

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < ARRAY_SIZE(syns); i++) {
		const struct pkt *s = &syns[i].s;
		struct frame f = with_seq(buf, s, syns[i].l4, 7), bare;
		size_t len = frame_bare_syn(out, &f), l4 = 14 + syns[i].l4;
		bool v6 = strchr(s->src, ':') != NULL;

		if (!s->data || s->ext_len) {
			assert_int_equal(len, 0);
			continue;
		}
		assert_int_equal(len, l4 + 20);
		assert_true(frame_parse(out, len, &bare));
		assert_true(frame_is_first_syn(&bare));
		assert_true(ip_equal(&bare.src, &f.src));
		assert_true(ip_equal(&bare.dst, &f.dst));
		assert_memory_equal(out + l4, buf + l4, 16);
		assert_int_equal(
			ones_sum(ones_sum(ones_sum(0, out + 14 + (v6 ? 8 : 12),
						   v6 ? 32 : 8) +
						  IPPROTO_TCP + 20,
					  NULL, 0),
				 out + l4, 20),
			0xffff);
		if (!v6)
			assert_int_equal(ones_sum(0, out + 14, l4 - 14),
					 0xffff);
	}
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_acknowledges_the_syn),
		cmocka_unit_test(nothing_else_is_reset),
		cmocka_unit_test(unreachable_quotes_the_syn),
		cmocka_unit_test(bare_syn_has_lost_its_data_and_nothing_else),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
