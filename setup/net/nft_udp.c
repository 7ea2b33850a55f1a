// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which UDP packets of the pod belong to a flow that portfwd relays. In
 * nft(8)'s words (IPv6 has its twin of each rule):
 *
 *  set udp4  { ipv4_addr . port . ipv4_addr . port; timeout 60s }
 *  set frag4 { ipv4_addr . ipv4_addr . id; timeout 30s }
 *  chain from_tap { ...
 *   UDP: meta mark set 2                                fwd to p0
 *  chain to_pod { egress device p0
 *   not UDP                                             accept
 *   meta mark 2                                         accept
 *   UDP, not the first fragment                         accept
 *   UDP, ttl 1: delete @udp { reversed key }            drop
 *   UDP: update @udp { reversed key }
 *   UDP, ttl 2                                          drop
 *  }
 *  chain from_pod { ...
 *   UDP that must not be fragmented: meta mark set 1
 *   not the first fragment, its datagram @frag          accept
 *   not the first fragment                              fwd to TAP
 *   the first of several, key @udp: update @frag
 *   key @udp                                            accept
 *
 * The hop's stack sends to the pod what portfwd's sockets send, and nothing
 * else; frames that are forwarded from the TAP pass the egress hook, too, with
 * a mark. So the first datagram of a flow puts the flow into the set before the
 * pod has seen it: no answer can be too early, nobody needs a capability for
 * it, and it costs no message. Packets of the pod don't refresh it: when
 * portfwd dies, its flows leave the set by themselves.
 *
 * A datagram's time to live is portfwd's to choose. With HOP_UDP_TTL_DROP it
 * takes its flow out of the set, with HOP_UDP_TTL_KEEP it refreshes it; neither
 * gets into the pod.
 *
 * The payload of a later fragment is no UDP header, but would be loaded as one.
 */
#include "setup/net/nft_rules.h"

#include <netinet/in.h> /* before <linux/netfilter.h> */

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h> /* FILE, for libnftnl */

#include "netstack/base/hopudp.h"

#define FRAG_MS	    30000ULL /* as long as a datagram waits for the rest */
#define FRAG4_BYTES 12
#define FRAG6_BYTES 36
#define FRAG_SIZE   16384
#define UDP_SIZE    65536

/* IPv4: flags and offset. IPv6: a fragment header is the first one. */
#define IP4_TTL	      8
#define IP4_FRAG      6
#define IP4_ID	      4
#define IP6_NEXT      6
#define IP6_HOPS      7
#define IP6_FRAG_NEXT 40
#define IP6_FRAG      42
#define IP6_FRAG_ID   44

static bool is4(const struct nft_family *f)
{
	return f->ethertype == ETH_P_IP;
}

/* Of the fragment field, in network order: does @mask find anything? */
static void e_frag(struct nft_rule *r, const struct nft_family *f,
		   uint16_t mask)
{
	static const uint16_t zero;
	uint16_t bits = htons(mask);
	uint8_t fragment = IPPROTO_FRAGMENT;

	nft_rules_proto(r, f, IPPROTO_UDP);
	if (!is4(f))
		nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT, NFT_CMP_EQ,
			    &fragment, 1);
	nft_masked(r, NFT_PAYLOAD_NETWORK_HEADER, is4(f) ? IP4_FRAG : IP6_FRAG,
		   2, &bits, NFT_CMP_NEQ, &zero);
}

static void e_later_fragment(struct nft_rule *r, const struct nft_family *f)
{
	e_frag(r, f, is4(f) ? 0x1fff : 0xfff8);
}

/* saddr . daddr . id */
static void e_frag_key(struct nft_rule *r, const struct nft_family *f)
{
	uint32_t words = f->addr_len / 4, reg = NFT_REG32_00;

	nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, f->saddr, f->addr_len, reg);
	reg += words;
	nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, f->addr_len, reg);
	reg += words;
	if (is4(f))
		nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, IP4_ID, 2, reg);
	else
		nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_FRAG_ID, 4, reg);
}

void nft_udp_sets(struct nft_batch *b, const struct nft_family *f)
{
	struct nft_set_opts o = {
		.key_type = f->key_type,
		.key_bytes = f->key_bytes,
		.size = UDP_SIZE,
		.timeout_ms = 1000ULL * HOP_UDP_KEEP_S,
	};

	nft_set(b, NFPROTO_NETDEV, &f->udp, &o);
	o.key_bytes = is4(f) ? FRAG4_BYTES : FRAG6_BYTES;
	/* address . address . integer, to nft(8) */
	o.key_type = f->key_type >> 18 << 12 | f->key_type >> 18 << 6 | 4;
	o.size = FRAG_SIZE;
	o.timeout_ms = FRAG_MS;
	nft_set(b, NFPROTO_NETDEV, &f->frag, &o);
}

/* What can't be fragmented on its way here must not be on its way on. */
static void mark_whole(struct nft_batch *b, const struct nft_family *f)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	uint32_t mark = HOP_UDP_MARK_WHOLE;
	uint8_t udp = IPPROTO_UDP;

	if (is4(f)) {
		e_frag(&r, f, 0x4000);
	} else {
		nft_rules_proto(&r, f, udp);
		nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT,
			    NFT_CMP_EQ, &udp, 1);
	}
	nft_meta_set(&r, NFT_META_MARK, &mark, sizeof(mark));
	nft_rule_end(&r);
}

void nft_udp_from_pod(struct nft_batch *b, const struct nft_family *f, int tap)
{
	struct nft_rule r;

	mark_whole(b, f);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_later_fragment(&r, f);
	e_frag_key(&r, f);
	nft_lookup(&r, &f->frag);
	nft_rules_up(&r);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_later_fragment(&r, f);
	nft_fwd(&r, tap);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_frag(&r, f, is4(f) ? 0x2000 : 0x0001); /* more fragments */
	nft_rules_key(&r, f, false);
	nft_lookup(&r, &f->udp);
	e_frag_key(&r, f);
	nft_dynset(&r, &f->frag, NFT_DYNSET_OP_UPDATE);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	nft_rules_proto(&r, f, IPPROTO_UDP);
	nft_rules_key(&r, f, false);
	nft_lookup(&r, &f->udp);
	nft_rules_up(&r);
	nft_rule_end(&r);
}

static void e_ttl(struct nft_rule *r, const struct nft_family *f, uint8_t ttl)
{
	nft_rules_proto(r, f, IPPROTO_UDP);
	nft_payload(r, NFT_PAYLOAD_NETWORK_HEADER, is4(f) ? IP4_TTL : IP6_HOPS,
		    NFT_CMP_EQ, &ttl, 1);
}

void nft_udp_from_tap(struct nft_batch *b, int p0)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "from_tap");
	uint32_t mark = HOP_UDP_MARK_TAP;
	uint8_t udp = IPPROTO_UDP;

	nft_meta(&r, NFT_META_L4PROTO, NFT_CMP_EQ, &udp, 1);
	nft_meta_set(&r, NFT_META_MARK, &mark, sizeof(mark));
	nft_fwd(&r, p0);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	nft_meta(&r, NFT_META_L4PROTO, NFT_CMP_NEQ, &udp, 1);
	nft_verdict(&r, NF_ACCEPT);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	nft_meta(&r, NFT_META_MARK, NFT_CMP_EQ, &mark, sizeof(mark));
	nft_verdict(&r, NF_ACCEPT);
	nft_rule_end(&r);
}

void nft_udp_to_pod(struct nft_batch *b, const struct nft_family *f)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");

	e_later_fragment(&r, f);
	nft_verdict(&r, NF_ACCEPT);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	e_ttl(&r, f, HOP_UDP_TTL_DROP);
	nft_rules_key(&r, f, true);
	nft_dynset(&r, &f->udp, NFT_DYNSET_OP_DELETE);
	nft_rule_end(&r);

	/* apart: a flow that has left the set already ends the rule above */
	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	e_ttl(&r, f, HOP_UDP_TTL_DROP);
	nft_verdict(&r, NF_DROP);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	nft_rules_proto(&r, f, IPPROTO_UDP);
	nft_rules_key(&r, f, true);
	nft_dynset(&r, &f->udp, NFT_DYNSET_OP_UPDATE);
	nft_rule_end(&r);

	r = nft_rule_start(b, NFPROTO_NETDEV, "to_pod");
	e_ttl(&r, f, HOP_UDP_TTL_KEEP);
	nft_verdict(&r, NF_DROP);
	nft_rule_end(&r);
}
