// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is installed, in nft(8)'s words (IPv6 has its twin of each rule):
 *
 * table netdev hop {
 *  set slow4    { ipv4_addr . port . ipv4_addr . port; timeout 5d }
 *  set fin_pod4, fin_tap4 { the same }
 *  set closing4, ended4 { the same; timeout 60s }
 *  chain from_pod { ingress device p0
 *   ack, no rst, key neither @slow nor @closing         accept
 *   meta protocol != { ip, ip6 }                        fwd to TAP
 *   ICMP errors (they answer the hop's own packets)     accept
 *   UDP of a relayed flow: nft_udp.c                    accept
 *   meta l4proto != tcp                                 fwd to TAP
 *   ip daddr DNS tcp dport 53                           accept
 *   first SYN                                           fwd to TAP
 *   rst, key @ended                                     drop
 *   rst, or fin and key @fin_tap, key @slow: retire it  fwd to TAP
 *   fin, key @slow: update @fin_pod
 *   key @slow: update @slow                             fwd to TAP
 *   key @closing: update @closing                       fwd to TAP
 *   accept (up the hop's stack)
 *  }
 *  chain from_tap { ingress device TAP
 *   ether saddr POD, first SYN: delete @slow, @closing  accept
 *   SYN+ACK: update @slow { reversed key }
 *   the same as for the pod, with the key reversed and @fin_pod
 *   reversed key @closing: update @closing
 *   fwd to p0
 *  }
 * }
 * table inet hop { chain pre { prerouting; iif TAP, tcp: tproxy to GW:port } }
 *
 * `slow` holds the flows that libslirp answered. A flow that has seen a RST, or
 * a FIN from both sides, is retired: it moves to `closing`, or short
 * connections would fill the set for days. One that ended by FINs is in
 * `ended`, too: libslirp announces window while it drains what came before the
 * pod's FIN, the pod's kernel knows no such flow any more, and its RST would
 * make libslirp drop the rest. A half-closed one stays: it may be silent for as
 * long as it likes. All are dynamic sets, changed by packets. Over netlink they
 * are only emptied, when netstack died with its flows.
 *
 * accept in a netdev chain means "go on into the stack"; pkttype is set to
 * host because the TAP's frames and IPv6 ones aren't addressed to the MAC of
 * the device they arrive on.
 */
#include "setup/net/nft.h"

#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdio.h> /* FILE, for libnftnl */

#include <libnftnl/expr.h>

#include "netstack/base/list.h"
#include "setup/net/nft_batch.h"
#include "setup/net/nft_rules.h"

#define TABLE	   "hop"
#define SET_SIZE   262144
#define SLOW_MS	   (5ULL * 24 * 3600 * 1000) /* as conntrack's ESTABLISHED */
#define CLOSING_MS 60000ULL
#define TCP_FLAGS  0x17 /* fin syn rst ack */
#define TCP_SYN	   0x02
#define TCP_SYNACK 0x12
#define TCP_FIN	   0x01
#define TCP_RST	   0x04
#define TCP_ACK	   0x10
#define KEY4_BYTES 16 /* 4 + 2 padded to 4, twice */
#define KEY6_BYTES 40

/* How nft(8) prints a key: its data types, six bits each (TYPE_BITS). */
#define NFT_TYPE_IPADDR	 7U
#define NFT_TYPE_IP6ADDR 8U
#define NFT_TYPE_PORT	 13U
#define KEY_TYPE(addr)                                                         \
	((addr) << 18 | NFT_TYPE_PORT << 12 | (addr) << 6 | NFT_TYPE_PORT)

const struct nft_family nft_fam4 = {
	ETH_P_IP,
	12,
	16,
	4,
	KEY4_BYTES,
	KEY_TYPE(NFT_TYPE_IPADDR),
	{ "slow4", 1 },
	{ "closing4", 2 },
	{ { "fin_pod4", 3 }, { "fin_tap4", 4 } },
	{ "ended4", 13 },
	{ "udp4", 9 },
	{ "frag4", 10 },
};
const struct nft_family nft_fam6 = {
	ETH_P_IPV6,
	8,
	24,
	16,
	KEY6_BYTES,
	KEY_TYPE(NFT_TYPE_IP6ADDR),
	{ "slow6", 5 },
	{ "closing6", 6 },
	{ { "fin_pod6", 7 }, { "fin_tap6", 8 } },
	{ "ended6", 14 },
	{ "udp6", 11 },
	{ "frag6", 12 },
};

enum { FROM_POD, FROM_TAP };

static const char *const chains[] = { "from_pod", "from_tap" };

/* (tcp flags & mask) == value */
static void e_tcpflags(struct nft_rule *r, uint8_t mask, uint8_t value)
{
	nft_masked(r, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, &mask, NFT_CMP_EQ,
		   &value);
}

static void e_l4proto(struct nft_rule *r, uint32_t op, uint8_t proto)
{
	nft_meta(r, NFT_META_L4PROTO, op, &proto, 1);
}

void nft_rules_up(struct nft_rule *r)
{
	uint8_t host = PACKET_HOST;

	nft_meta_set(r, NFT_META_PKTTYPE, &host, sizeof(host));
	nft_verdict(r, NF_ACCEPT);
}

void nft_rules_proto(struct nft_rule *r, const struct nft_family *f,
		     uint8_t proto)
{
	uint16_t ethertype = htons(f->ethertype);

	nft_meta(r, NFT_META_PROTOCOL, NFT_CMP_EQ, &ethertype, 2);
	e_l4proto(r, NFT_CMP_EQ, proto);
}

/* Ports and flags are there. */
static void e_tcp(struct nft_rule *r, const struct nft_family *f)
{
	nft_rules_proto(r, f, IPPROTO_TCP);
}

void nft_rules_key(struct nft_rule *r, const struct nft_family *f,
		   bool reversed)
{
	uint32_t words = f->addr_len / 4, reg = NFT_REG32_00;
	uint32_t first = reversed ? f->daddr : f->saddr;
	uint32_t second = reversed ? f->saddr : f->daddr;

	nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, first, f->addr_len, reg);
	reg += words;
	nft_load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reversed ? 2 : 0, 2, reg++);
	nft_load(r, NFT_PAYLOAD_NETWORK_HEADER, second, f->addr_len, reg);
	reg += words;
	nft_load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reversed ? 0 : 2, 2, reg);
}

/* A flow that has ended leaves `slow`, unless `closing` is full. */
static void e_retire(struct nft_rule *r, const struct nft_family *f)
{
	nft_dynset(r, &f->closing, NFT_DYNSET_OP_UPDATE);
	nft_dynset(r, &f->slow, NFT_DYNSET_OP_DELETE);
	nft_dynset(r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
	nft_dynset(r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
}

/* A rule on segments @from with all flags of @set; the key is loaded. */
static struct nft_rule segment(struct nft_batch *b, const struct nft_family *f,
			       int from, uint8_t set)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, chains[from]);

	e_tcp(&r, f);
	e_tcpflags(&r, set, set);
	nft_rules_key(&r, f, from == FROM_TAP);
	return r;
}

/* What the flags of a slow flow's segment @from say; @fwd: where it goes. */
static void flags(struct nft_batch *b, const struct nft_family *f, int from,
		  int fwd)
{
	struct nft_rule r = segment(b, f, from, TCP_RST);

	nft_lookup(&r, &f->slow);
	e_retire(&r, f);
	nft_fwd(&r, fwd);
	nft_rule_end(&r);

	r = segment(b, f, from, TCP_FIN);
	nft_lookup(&r, &f->fin[!from]);
	nft_lookup(&r, &f->slow);
	nft_dynset(&r, &f->ended, NFT_DYNSET_OP_UPDATE);
	e_retire(&r, f);
	nft_fwd(&r, fwd);
	nft_rule_end(&r);

	r = segment(b, f, from, TCP_FIN);
	nft_lookup(&r, &f->slow);
	nft_dynset(&r, &f->fin[from], NFT_DYNSET_OP_UPDATE);
	nft_rule_end(&r);
}

/* A member of @set: keep it, and forward. */
static void member(struct nft_batch *b, const struct nft_family *f, int from,
		   const struct nft_set *set, int fwd)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, chains[from]);

	e_tcp(&r, f);
	nft_rules_key(&r, f, from == FROM_TAP);
	nft_lookup(&r, set);
	nft_dynset(&r, set, NFT_DYNSET_OP_UPDATE);
	nft_fwd(&r, fwd);
	nft_rule_end(&r);
}

static void icmp_errors_up(struct nft_batch *b)
{
	/* RFC 792 types 3, 11, 12; RFC 4443: 1 to 4 are the errors */
	static const struct {
		uint8_t proto, lo, hi;
	} ranges[] = {
		{ IPPROTO_ICMP, ICMP_DEST_UNREACH, ICMP_DEST_UNREACH },
		{ IPPROTO_ICMP, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB },
		{ IPPROTO_ICMPV6, 1, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct nft_rule r =
			nft_rule_start(b, NFPROTO_NETDEV, "from_pod");

		e_l4proto(&r, NFT_CMP_EQ, ranges[i].proto);
		nft_load(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
		nft_cmp(&r, NFT_CMP_GTE, &ranges[i].lo, 1);
		nft_cmp(&r, NFT_CMP_LTE, &ranges[i].hi, 1);
		nft_rules_up(&r);
		nft_rule_end(&r);
	}
}

static void dns_up(struct nft_batch *b, const struct nft_family *f,
		   const struct ip *dns)
{
	uint16_t port = htons(53);
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");

	e_tcp(&r, f);
	nft_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, NFT_CMP_EQ,
		    ip_bytes(dns), f->addr_len);
	nft_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, NFT_CMP_EQ, &port, 2);
	nft_rules_up(&r);
	nft_rule_end(&r);
}

/* The rules of from_pod that look at the sets. */
static void slow_down(struct nft_batch *b, const struct nft_family *f, int tap)
{
	struct nft_rule r = segment(b, f, FROM_POD, TCP_RST);

	nft_lookup(&r, &f->ended);
	nft_verdict(&r, NF_DROP);
	nft_rule_end(&r);

	flags(b, f, FROM_POD, tap);
	member(b, f, FROM_POD, &f->slow, tap);
	member(b, f, FROM_POD, &f->closing, tap);
}

/*
 * What nearly all packets are needn't pass all other rules, which would do the
 * same with it in the end.
 */
static void relayed_up(struct nft_batch *b, const struct nft_family *f)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");

	e_tcp(&r, f);
	e_tcpflags(&r, TCP_ACK | TCP_RST, TCP_ACK);
	nft_rules_key(&r, f, false);
	nft_lookup_not(&r, &f->slow);
	nft_lookup_not(&r, &f->closing);
	nft_rules_up(&r);
	nft_rule_end(&r);
}

static void from_pod(struct nft_batch *b, const struct nft_hop *h)
{
	uint16_t ip = htons(ETH_P_IP), ip6 = htons(ETH_P_IPV6);
	struct nft_rule r;

	relayed_up(b, &nft_fam4);
	relayed_up(b, &nft_fam6);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	nft_meta(&r, NFT_META_PROTOCOL, NFT_CMP_NEQ, &ip, 2);
	nft_meta(&r, NFT_META_PROTOCOL, NFT_CMP_NEQ, &ip6, 2);
	nft_fwd(&r, h->tap_index);
	nft_rule_end(&r);

	icmp_errors_up(b);
	nft_udp_from_pod(b, &nft_fam4, h->tap_index);
	nft_udp_from_pod(b, &nft_fam6, h->tap_index);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_l4proto(&r, NFT_CMP_NEQ, IPPROTO_TCP);
	nft_fwd(&r, h->tap_index);
	nft_rule_end(&r);

	if (h->serve_dns) {
		dns_up(b, &nft_fam4, &h->plan->dns4);
		if (h->plan->has_ipv6)
			dns_up(b, &nft_fam6, &h->plan->dns6);
	}

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_l4proto(&r, NFT_CMP_EQ, IPPROTO_TCP);
	e_tcpflags(&r, TCP_FLAGS, TCP_SYN);
	nft_fwd(&r, h->tap_index);
	nft_rule_end(&r);

	slow_down(b, &nft_fam4, h->tap_index);
	slow_down(b, &nft_fam6, h->tap_index);

	r = nft_rule_start(b, NFPROTO_NETDEV, "from_pod");
	nft_rules_up(&r);
	nft_rule_end(&r);
}

/* A SYN that netstack wrote back: the flow is the hop's from here on. */
static void written_back(struct nft_batch *b, const struct nft_hop *h,
			 const struct nft_family *f)
{
	struct nft_rule r = nft_rule_start(b, NFPROTO_NETDEV, "from_tap");

	e_tcp(&r, f);
	nft_payload(&r, NFT_PAYLOAD_LL_HEADER, 6, NFT_CMP_EQ, h->plan->pod_mac,
		    6);
	e_tcpflags(&r, TCP_FLAGS, TCP_SYN);
	nft_rules_key(&r, f, false);
	nft_dynset(&r, &f->slow, NFT_DYNSET_OP_DELETE);
	nft_dynset(&r, &f->closing, NFT_DYNSET_OP_DELETE);
	nft_dynset(&r, &f->ended, NFT_DYNSET_OP_DELETE);
	nft_dynset(&r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
	nft_dynset(&r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
	nft_rules_up(&r);
	nft_rule_end(&r);
}

static void from_tap(struct nft_batch *b, const struct nft_hop *h)
{
	const struct nft_family *fams[] = { &nft_fam4, &nft_fam6 };
	struct nft_rule r;

	for (int i = 0; i < 2; i++) {
		const struct nft_family *f = fams[i];

		written_back(b, h, f);

		/* a new flow on old ports: forget how that one ended */
		r = segment(b, f, FROM_TAP, TCP_SYNACK);
		nft_dynset(&r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
		nft_dynset(&r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
		nft_dynset(&r, &f->ended, NFT_DYNSET_OP_DELETE);
		nft_dynset(&r, &f->slow, NFT_DYNSET_OP_UPDATE);
		nft_rule_end(&r);

		flags(b, f, FROM_TAP, h->p0_index);
		member(b, f, FROM_TAP, &f->closing, h->p0_index);
	}
	r = nft_rule_start(b, NFPROTO_NETDEV, "from_tap");
	nft_fwd(&r, h->p0_index);
	nft_rule_end(&r);
}

static void tproxy(struct nft_batch *b, const struct nft_hop *h,
		   uint8_t nfproto, const struct ip *gw)
{
	uint16_t port = htons(h->tproxy_port);
	uint32_t iif = (uint32_t)h->tap_index;
	struct nft_rule r = nft_rule_start(b, NFPROTO_INET, "pre");
	struct nftnl_expr *e;

	nft_meta(&r, NFT_META_NFPROTO, NFT_CMP_EQ, &nfproto, 1);
	nft_meta(&r, NFT_META_IIF, NFT_CMP_EQ, &iif, sizeof(iif));
	e_l4proto(&r, NFT_CMP_EQ, IPPROTO_TCP);
	nft_immediate(&r, NFT_REG_1, ip_bytes(gw), (uint32_t)ip_len(gw));
	nft_immediate(&r, NFT_REG_2, &port, sizeof(port));
	e = nft_expr(&r, "tproxy");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, nfproto);
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
	}
	nft_rule_end(&r);
}

static void add_sets(struct nft_batch *b, const struct nft_family *f)
{
	struct nft_set_opts o = {
		.key_type = f->key_type,
		.key_bytes = f->key_bytes,
		.size = SET_SIZE,
		.timeout_ms = SLOW_MS,
	};

	nft_set(b, NFPROTO_NETDEV, &f->slow, &o);
	nft_set(b, NFPROTO_NETDEV, &f->fin[FROM_POD], &o);
	nft_set(b, NFPROTO_NETDEV, &f->fin[FROM_TAP], &o);
	o.timeout_ms = CLOSING_MS;
	nft_set(b, NFPROTO_NETDEV, &f->closing, &o);
	nft_set(b, NFPROTO_NETDEV, &f->ended, &o);
}

static void build(struct nft_batch *b, const struct nft_hop *h)
{
	nft_table(b, NFPROTO_NETDEV);
	add_sets(b, &nft_fam4);
	add_sets(b, &nft_fam6);
	nft_udp_sets(b, &nft_fam4);
	nft_udp_sets(b, &nft_fam6);
	nft_chain(b, NFPROTO_NETDEV, "from_pod", NF_NETDEV_INGRESS, 0, h->p0);
	nft_chain(b, NFPROTO_NETDEV, "from_tap", NF_NETDEV_INGRESS, 0, h->tap);
	nft_chain(b, NFPROTO_NETDEV, "to_pod", NF_NETDEV_EGRESS, 0, h->p0);
	nft_udp_from_tap(b, h->p0_index);
	from_pod(b, h);
	from_tap(b, h);
	nft_udp_to_pod(b, &nft_fam4);
	nft_udp_to_pod(b, &nft_fam6);
	nft_table(b, NFPROTO_INET);
	nft_chain(b, NFPROTO_INET, "pre", NF_INET_PRE_ROUTING,
		  -150 /* mangle */, NULL);
	tproxy(b, h, NFPROTO_IPV4, &h->plan->gw4);
	if (h->plan->has_ipv6)
		tproxy(b, h, NFPROTO_IPV6, &h->plan->gw6);
}

int nft_hop_install(const struct nft_hop *hop)
{
	struct nft_batch b;
	int rc = nft_batch_begin(&b, TABLE);

	if (rc)
		return rc;
	build(&b, hop);
	return nft_batch_commit(&b);
}

int nft_hop_forget(void)
{
	static const struct nft_family *const fams[] = { &nft_fam4, &nft_fam6 };
	struct nft_batch b;
	int rc = nft_batch_begin(&b, TABLE);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(fams); i++) {
		nft_flush(&b, &fams[i]->slow);
		nft_flush(&b, &fams[i]->fin[FROM_POD]);
		nft_flush(&b, &fams[i]->fin[FROM_TAP]);
	}
	return nft_batch_commit(&b);
}
