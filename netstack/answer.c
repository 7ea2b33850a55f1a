// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pod's kernel takes these as coming from the network: a RST whose
 * acknowledgement matches its SYN makes connect() fail with ECONNREFUSED, an
 * ICMP error that quotes the SYN with the errno its code stands for
 * (icmp_err_convert[] in net/ipv4/icmp.c, icmpv6_err_convert() in
 * net/ipv6/icmp.c).
 */
#include "netstack/answer.h"

#include <linux/if_ether.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <string.h>

#include "netstack/base/checksum.h"

#define IP4_LEN	  20
#define IP6_LEN	  40
#define TCP_LEN	  20
#define ICMP_LEN  8
#define QUOTE_MAX 128

/* Where the TCP header of @f begins: behind options and extensions. */
static const uint8_t *tcp_of(const struct frame *f)
{
	const uint8_t *ip = f->eth + FRAME_ETH_LEN;
	size_t at = IP6_LEN;
	uint8_t proto;

	if (f->src.family == AF_INET)
		return ip + (size_t)(ip[0] & 15) * 4;
	/* frame_parse() has checked every length on the way */
	for (proto = ip[6]; proto != IPPROTO_TCP;) {
		size_t n = proto == IPPROTO_FRAGMENT
				   ? 8
				   : ((size_t)ip[at + 1] + 1) * 8;

		proto = ip[at];
		at += n;
	}
	return ip + at;
}

static void put_eth(uint8_t *out, const struct frame *f)
{
	memcpy(out, f->eth + 6, 6);
	memcpy(out + 6, f->eth, 6);
	store16(out + 12, f->ethertype);
}

/* An IP header from @src to the sender of @f; Return: its length */
static size_t put_ip(uint8_t *p, const struct frame *f, const struct ip *src,
		     uint8_t proto, size_t len)
{
	if (f->src.family == AF_INET) {
		memset(p, 0, IP4_LEN);
		p[0] = 0x45;
		store16(p + 2, IP4_LEN + len);
		p[8] = 64;
		p[9] = proto;
		memcpy(p + 12, &src->v4, 4);
		memcpy(p + 16, &f->src.v4, 4);
		store16(p + 10, checksum_fold(checksum_add(0, p, IP4_LEN)));
		return IP4_LEN;
	}
	memset(p, 0, IP6_LEN);
	p[0] = 0x60;
	store16(p + 4, len);
	p[6] = proto;
	p[7] = 64;
	memcpy(p + 8, &src->v6, 16);
	memcpy(p + 24, &f->src.v6, 16);
	return IP6_LEN;
}

static uint32_t pseudo(const struct ip *src, const struct ip *dst,
		       uint8_t proto, size_t len)
{
	uint32_t sum = checksum_add(0, ip_bytes(src), ip_len(src));

	sum = checksum_add(sum, ip_bytes(dst), ip_len(dst));
	return sum + proto + (uint32_t)len;
}

size_t answer_reset(uint8_t *out, const struct frame *syn)
{
	const uint8_t *tcp = tcp_of(syn);
	uint8_t *p = out + FRAME_ETH_LEN;
	size_t hlen;

	if (!frame_is_first_syn(syn))
		return 0;
	put_eth(out, syn);
	hlen = put_ip(p, syn, &syn->dst, IPPROTO_TCP, TCP_LEN);
	p += hlen;
	memset(p, 0, TCP_LEN);
	store16(p, syn->dport);
	store16(p + 2, syn->sport);
	store32(p + 8, load32(tcp + 4) + 1);
	p[12] = (TCP_LEN / 4) << 4;
	p[13] = FRAME_TCP_RST | FRAME_TCP_ACK;
	store16(p + 16, checksum_fold(checksum_add(pseudo(&syn->dst, &syn->src,
							  IPPROTO_TCP, TCP_LEN),
						   p, TCP_LEN)));
	return FRAME_ETH_LEN + hlen + TCP_LEN;
}

static void put_type(uint8_t *p, bool v4, enum answer_why why)
{
	static const uint8_t codes4[] = { ICMP_NET_UNREACH, ICMP_HOST_UNREACH,
					  ICMP_HOST_UNKNOWN, ICMP_PROT_UNREACH,
					  ICMP_PKT_FILTERED };
	static const uint8_t codes6[] = { 0, 3, 3, 3, 1 };

	p[0] = v4 ? ICMP_DEST_UNREACH : 1;
	p[1] = v4 ? codes4[why] : codes6[why];
}

size_t answer_unreachable(uint8_t *out, const struct frame *syn,
			  const struct podnet *plan, enum answer_why why)
{
	bool v4 = syn->src.family == AF_INET;
	const struct ip *gw = v4 ? &plan->gw4 : &plan->gw6;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t quote = syn->len - FRAME_ETH_LEN, hlen, len;
	uint8_t *p = out + FRAME_ETH_LEN;
	uint32_t sum;

	if (quote > QUOTE_MAX)
		quote = QUOTE_MAX;
	len = ICMP_LEN + quote;
	put_eth(out, syn);
	hlen = put_ip(p, syn, gw, proto, len);
	p += hlen;
	memset(p, 0, ICMP_LEN);
	put_type(p, v4, why);
	memcpy(p + ICMP_LEN, syn->eth + FRAME_ETH_LEN, quote);
	sum = v4 ? 0 : pseudo(gw, &syn->src, proto, len);
	store16(p + 2, checksum_fold(checksum_add(sum, p, len)));
	return FRAME_ETH_LEN + hlen + len;
}
