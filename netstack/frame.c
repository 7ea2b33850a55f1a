// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One forward pass over the headers, every length checked before it is used.
 * Fields are read with memcpy-style loads: nothing in a frame is aligned.
 */
#include "netstack/frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "netstack/base/checksum.h"

#define IP4_MIN	    20
#define IP6_LEN	    40
#define UDP_LEN	    8
#define TCP_MIN	    20
#define IP6_EXT_MAX 8 /* more extension headers than that are an attack */

static bool parse_transport(struct frame *f, const uint8_t *p, size_t len)
{
	if (f->is_fragment)
		return true;
	if (f->proto == IPPROTO_TCP) {
		if (len < TCP_MIN)
			return false;
		f->tcp_flags = p[13];
	} else if (f->proto == IPPROTO_UDP) {
		size_t udp = len < UDP_LEN ? 0 : load16(p + 4);

		if (udp < UDP_LEN || udp > len)
			return false;
		f->payload = p + UDP_LEN;
		f->payload_len = udp - UDP_LEN;
	} else {
		return true;
	}
	f->has_ports = true;
	f->sport = load16(p);
	f->dport = load16(p + 2);
	return true;
}

static bool parse_ip4(struct frame *f, const uint8_t *p, size_t len)
{
	size_t hlen, total;

	if (len < IP4_MIN || p[0] >> 4 != 4)
		return false;
	hlen = (size_t)(p[0] & 15) * 4;
	total = load16(p + 2);
	if (hlen < IP4_MIN || total < hlen || total > len)
		return false;
	f->is_ip = true;
	f->proto = p[9];
	/* more fragments, or an offset: RFC 791 3.1 */
	f->is_fragment = (load16(p + 6) & 0x3fff) != 0;
	f->src.family = f->dst.family = AF_INET;
	memcpy(&f->src.v4, p + 12, 4);
	memcpy(&f->dst.v4, p + 16, 4);
	return parse_transport(f, p + hlen, total - hlen);
}

/* Step over one IPv6 extension header; 0: there is none, or it is cut off. */
static size_t ext_len(struct frame *f, const uint8_t *p, size_t len)
{
	switch (f->proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return len < 8 ? 0 : ((size_t)p[1] + 1) * 8;
	case IPPROTO_FRAGMENT:
		if (len < 8)
			return 0;
		/* an "atomic fragment" (RFC 6946) is none */
		f->is_fragment = (load16(p + 2) & 0xfff9) != 0;
		return 8;
	default:
		return 0;
	}
}

static bool is_ext(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT;
}

static bool parse_ip6(struct frame *f, const uint8_t *p, size_t len)
{
	size_t left;

	if (len < IP6_LEN || p[0] >> 4 != 6)
		return false;
	left = load16(p + 4);
	if (left > len - IP6_LEN)
		return false;
	f->is_ip = true;
	f->proto = p[6];
	f->src.family = f->dst.family = AF_INET6;
	memcpy(&f->src.v6, p + 8, 16);
	memcpy(&f->dst.v6, p + 24, 16);
	p += IP6_LEN;
	for (int i = 0; is_ext(f->proto); i++) {
		size_t n = ext_len(f, p, left);

		if (n == 0 || n > left || i == IP6_EXT_MAX)
			return false;
		f->proto = p[0];
		p += n;
		left -= n;
		if (f->is_fragment)
			return true;
	}
	return parse_transport(f, p, left);
}

bool frame_parse(const uint8_t *buf, size_t len, struct frame *out)
{
	struct frame f = { .eth = buf, .len = len };
	bool ok = true;

	if (len < FRAME_ETH_LEN || len > FRAME_MAX)
		return false;
	f.ethertype = load16(buf + 12);
	if (f.ethertype == ETH_P_IP)
		ok = parse_ip4(&f, buf + FRAME_ETH_LEN, len - FRAME_ETH_LEN);
	else if (f.ethertype == ETH_P_IPV6)
		ok = parse_ip6(&f, buf + FRAME_ETH_LEN, len - FRAME_ETH_LEN);
	if (ok)
		*out = f;
	return ok;
}

bool frame_is_first_syn(const struct frame *f)
{
	return f->has_ports && f->proto == IPPROTO_TCP &&
	       (f->tcp_flags & (FRAME_TCP_FIN | FRAME_TCP_SYN | FRAME_TCP_RST |
				FRAME_TCP_ACK)) == FRAME_TCP_SYN;
}

static size_t put_ip4(uint8_t *p, const struct frame_udp *u, size_t udp_len)
{
	memset(p, 0, IP4_MIN);
	p[0] = 0x45;
	store16(p + 2, IP4_MIN + udp_len);
	store16(p + 6, 0x4000); /* don't fragment: then the id may be 0 */
	p[8] = 64;
	p[9] = IPPROTO_UDP;
	memcpy(p + 12, &u->src.v4, 4);
	memcpy(p + 16, &u->dst.v4, 4);
	store16(p + 10, checksum_fold(checksum_add(0, p, IP4_MIN)));
	return IP4_MIN;
}

static size_t put_ip6(uint8_t *p, const struct frame_udp *u, size_t udp_len)
{
	memset(p, 0, IP6_LEN);
	p[0] = 0x60;
	store16(p + 4, udp_len);
	p[6] = IPPROTO_UDP;
	p[7] = 64;
	memcpy(p + 8, &u->src.v6, 16);
	memcpy(p + 24, &u->dst.v6, 16);
	return IP6_LEN;
}

size_t frame_build_udp(uint8_t *buf, const struct frame_udp *u,
		       const void *payload, size_t len)
{
	bool v4 = u->src.family == AF_INET;
	size_t udp_len = UDP_LEN + len, hlen;
	uint8_t *ip = buf + FRAME_ETH_LEN, *udp;
	uint32_t sum;
	uint16_t check;

	if (udp_len > 65535 - IP6_LEN)
		return 0;
	memcpy(buf, u->dst_mac, 6);
	memcpy(buf + 6, u->src_mac, 6);
	store16(buf + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
	hlen = v4 ? put_ip4(ip, u, udp_len) : put_ip6(ip, u, udp_len);
	udp = ip + hlen;
	store16(udp, u->sport);
	store16(udp + 2, u->dport);
	store16(udp + 4, udp_len);
	store16(udp + 6, 0);
	memcpy(udp + UDP_LEN, payload, len);

	sum = checksum_add(0, ip_bytes(&u->src), ip_len(&u->src));
	sum = checksum_add(sum, ip_bytes(&u->dst), ip_len(&u->dst));
	sum += IPPROTO_UDP + (uint32_t)udp_len;
	check = checksum_fold(checksum_add(sum, udp, udp_len));
	/* 0 means "no checksum" */
	store16(udp + 6, check ? check : 0xffff);
	return FRAME_ETH_LEN + hlen + udp_len;
}

size_t frame_bare_syn(uint8_t *buf, const struct frame *f)
{
	bool v4 = f->src.family == AF_INET;
	size_t at, tcp_len, ip_len_now;
	uint8_t *ip = buf + FRAME_ETH_LEN, *tcp;
	uint32_t sum;

	if (!frame_is_first_syn(f))
		return 0;
	/* no extension headers: who has them keeps its data */
	at = v4 ? (size_t)(f->eth[FRAME_ETH_LEN] & 15) * 4 : IP6_LEN;
	if (!v4 && f->eth[FRAME_ETH_LEN + 6] != IPPROTO_TCP)
		return 0;
	ip_len_now = v4 ? load16(f->eth + FRAME_ETH_LEN + 2)
			: IP6_LEN + load16(f->eth + FRAME_ETH_LEN + 4);
	tcp_len = (size_t)(f->eth[FRAME_ETH_LEN + at + 12] >> 4) * 4;
	if (tcp_len < TCP_MIN || at + tcp_len >= ip_len_now)
		return 0;
	memcpy(buf, f->eth, FRAME_ETH_LEN + at + tcp_len);
	tcp = ip + at;
	if (v4) {
		store16(ip + 2, at + tcp_len);
		store16(ip + 10, 0);
		store16(ip + 10, checksum_fold(checksum_add(0, ip, at)));
	} else {
		store16(ip + 4, tcp_len);
	}
	store16(tcp + 16, 0);
	sum = checksum_add(0, ip_bytes(&f->src), ip_len(&f->src));
	sum = checksum_add(sum, ip_bytes(&f->dst), ip_len(&f->dst));
	sum += IPPROTO_TCP + (uint32_t)tcp_len;
	store16(tcp + 16, checksum_fold(checksum_add(sum, tcp, tcp_len)));
	return FRAME_ETH_LEN + at + tcp_len;
}
