/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Frames for tests, written without the code under test. After <cmocka.h>. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "netstack/base/podnet.h"
#include "netstack/frame.h"

#define PKT_MAX 2048
#define PKT_L4	34 /* where TCP begins in IPv4 without options */

struct pkt {
	const char *src, *dst; /* the family is that of @src */
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t flags; /* TCP's; ICMP's type */
	size_t data;   /* bytes of payload, all 0xda */
	size_t opt;    /* bytes of IPv4 options, a multiple of 4 */
	uint16_t frag; /* IPv4's flags and offset */
	/* IPv6 extension headers, their last next header set to @proto */
	uint8_t ext_first;
	const uint8_t *ext;
	size_t ext_len;
};

static inline void pkt_16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)(v & 0xff);
}

static inline size_t pkt_l4(uint8_t *p, const struct pkt *s)
{
	size_t len = 8;

	if (s->proto == IPPROTO_TCP) {
		len = 20;
		p[12] = 5 << 4;
		p[13] = s->flags;
	} else if (s->proto == IPPROTO_UDP) {
		pkt_16(p + 4, 8 + s->data);
	} else {
		p[0] = s->flags;
	}
	if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP) {
		pkt_16(p, s->sport);
		pkt_16(p + 2, s->dport);
	}
	memset(p + len, 0xda, s->data);
	return len + s->data;
}

/* Return: the frame's length; @buf has PKT_MAX bytes */
static inline size_t pkt_build(uint8_t *buf, const struct pkt *s)
{
	static const uint8_t macs[] = { 0x52, 0x55, 0x0a, 0, 2, 2,
					2,    0,    0,	  0, 1, 0 };
	bool v6 = strchr(s->src, ':') != NULL;
	size_t hlen = v6 ? 40 + s->ext_len : 20 + s->opt, len;
	uint8_t *ip = buf + 14;

	memset(buf, 0, PKT_MAX);
	memcpy(buf, macs, sizeof(macs));
	pkt_16(buf + 12, v6 ? 0x86dd : 0x0800);
	len = pkt_l4(ip + hlen, s);
	if (v6) {
		ip[0] = 6 << 4;
		pkt_16(ip + 4, s->ext_len + len);
		ip[6] = s->ext_len ? s->ext_first : s->proto;
		ip[7] = 64;
		assert_int_equal(inet_pton(AF_INET6, s->src, ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, s->dst, ip + 24), 1);
		if (s->ext_len)
			memcpy(ip + 40, s->ext, s->ext_len);
	} else {
		ip[0] = (uint8_t)(4 << 4 | hlen / 4);
		pkt_16(ip + 2, hlen + len);
		pkt_16(ip + 6, s->frag);
		ip[8] = 64;
		ip[9] = s->proto;
		assert_int_equal(inet_pton(AF_INET, s->src, ip + 12), 1);
		assert_int_equal(inet_pton(AF_INET, s->dst, ip + 16), 1);
		memset(ip + 20, 1, s->opt); /* NOP */
	}
	return 14 + hlen + len;
}

/* The frame parsed; @buf must live as long. */
static inline struct frame pkt_frame(uint8_t *buf, const struct pkt *s)
{
	struct frame f;

	assert_true(frame_parse(buf, pkt_build(buf, s), &f));
	return f;
}

static inline struct ip pkt_ip(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

/* 10.0.2.0/24 and fd00::/64, with .2, .3 and .100 */
static inline struct podnet pkt_plan(void)
{
	return (struct podnet){
		.net4 = pkt_ip("10.0.2.0"),
		.gw4 = pkt_ip("10.0.2.2"),
		.dns4 = pkt_ip("10.0.2.3"),
		.pod4 = pkt_ip("10.0.2.100"),
		.prefix4 = 24,
		.has_ipv6 = true,
		.net6 = pkt_ip("fd00::"),
		.gw6 = pkt_ip("fd00::2"),
		.dns6 = pkt_ip("fd00::3"),
		.pod6 = pkt_ip("fd00::100"),
		.prefix6 = 64,
		.mtu_bytes = 1500,
	};
}
