// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is installed, in nft(8)'s words (IPv6 has its twin of each rule):
 *
 * table netdev hop {
 *  set slow4    { ipv4_addr . port . ipv4_addr . port; timeout 5d }
 *  set fin_pod4, fin_tap4 { the same }
 *  set closing4 { the same; timeout 60s }
 *  chain from_pod { ingress device p0
 *   meta protocol != { ip, ip6 }                        fwd to TAP
 *   ICMP errors (they answer the hop's own packets)     accept
 *   meta l4proto != tcp                                 fwd to TAP
 *   ip daddr DNS tcp dport 53                           accept
 *   first SYN                                           fwd to TAP
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
 * connections would fill the set for days. A half-closed one stays: it may be
 * silent for as long as it likes. All are dynamic sets, changed by packets,
 * never over netlink.
 *
 * accept in a netdev chain means "go on into the stack"; pkttype is set to
 * host because the TAP's frames and IPv6 ones aren't addressed to the MAC of
 * the device they arrive on.
 */
#include "setup/nft.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "netstack/base/log.h"

#define TABLE	    "hop"
#define BATCH_BYTES 65536
#define SET_SIZE    262144
#define SLOW_MS	    (5ULL * 24 * 3600 * 1000) /* as conntrack's ESTABLISHED */
#define CLOSING_MS  60000ULL
#define TCP_FLAGS   0x17 /* fin syn rst ack */
#define TCP_SYN	    0x02
#define TCP_SYNACK  0x12
#define TCP_FIN	    0x01
#define TCP_RST	    0x04
#define KEY4_BYTES  16 /* 4 + 2 padded to 4, twice */
#define KEY6_BYTES  40

/* How nft(8) prints a key: its data types, six bits each (TYPE_BITS). */
#define NFT_TYPE_IPADDR	 7U
#define NFT_TYPE_IP6ADDR 8U
#define NFT_TYPE_PORT	 13U
#define KEY_TYPE(addr)                                                         \
	((addr) << 18 | NFT_TYPE_PORT << 12 | (addr) << 6 | NFT_TYPE_PORT)

/* One transaction under construction. */
struct batch {
	struct mnl_nlmsg_batch *mb;
	char *buf;
	uint32_t seq;
	bool failed; /* out of memory somewhere; told at the end */
};

/* Per family: what differs between the IPv4 rules and their IPv6 twins. */
struct family {
	uint16_t ethertype;
	uint32_t saddr, daddr, addr_len; /* in the network header */
	uint32_t key_bytes;
	struct set {
		const char *name;
		uint32_t id;
	} slow, closing, fin[2]; /* fin: seen from the pod, from the TAP */
};

enum { FROM_POD, FROM_TAP };

static const struct family fam4 = {
	ETH_P_IP,
	12,
	16,
	4,
	KEY4_BYTES,
	{ "slow4", 1 },
	{ "closing4", 2 },
	{ { "fin_pod4", 3 }, { "fin_tap4", 4 } },
};
static const struct family fam6 = {
	ETH_P_IPV6,
	8,
	24,
	16,
	KEY6_BYTES,
	{ "slow6", 5 },
	{ "closing6", 6 },
	{ { "fin_pod6", 7 }, { "fin_tap6", 8 } },
};

static struct nlmsghdr *msg_start(struct batch *b, uint16_t type,
				  uint16_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->mb), type,
				     family, flags | NLM_F_ACK, b->seq++);
}

static void msg_end(struct batch *b)
{
	/* a full buffer would be a ruleset grown past BATCH_BYTES: a bug */
	if (!mnl_nlmsg_batch_next(b->mb))
		b->failed = true;
}

static void add_table(struct batch *b, uint16_t family)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		b->failed = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE);
	nftnl_table_nlmsg_build_payload(
		msg_start(b, NFT_MSG_NEWTABLE, family, NLM_F_CREATE), t);
	nftnl_table_free(t);
	msg_end(b);
}

static void add_set(struct batch *b, const struct set *set, uint32_t key_bytes,
		    uint64_t timeout_ms)
{
	uint32_t type = key_bytes == KEY4_BYTES ? KEY_TYPE(NFT_TYPE_IPADDR)
						: KEY_TYPE(NFT_TYPE_IP6ADDR);
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		b->failed = true;
		return;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, TABLE);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_NETDEV);
	nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, key_bytes);
	nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, timeout_ms);
	nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, SET_SIZE);
	nftnl_set_nlmsg_build_payload(
		msg_start(b, NFT_MSG_NEWSET, NFPROTO_NETDEV, NLM_F_CREATE), s);
	nftnl_set_free(s);
	msg_end(b);
}

static void add_chain(struct batch *b, uint16_t family, const char *name,
		      uint32_t hook, int32_t prio, const char *dev)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c) {
		b->failed = true;
		return;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, prio);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	if (dev)
		nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, dev);
	nftnl_chain_nlmsg_build_payload(
		msg_start(b, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE), c);
	nftnl_chain_free(c);
	msg_end(b);
}

/* A rule under construction; expressions are appended in order. */
struct rule {
	struct batch *b;
	struct nftnl_rule *r;
	uint16_t family;
};

static struct rule rule_start(struct batch *b, uint16_t family,
			      const char *chain)
{
	struct rule r = { b, nftnl_rule_alloc(), family };

	if (!r.r) {
		b->failed = true;
		return r;
	}
	nftnl_rule_set_str(r.r, NFTNL_RULE_TABLE, TABLE);
	nftnl_rule_set_str(r.r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r.r, NFTNL_RULE_FAMILY, family);
	return r;
}

static void rule_end(struct rule *r)
{
	if (!r->r)
		return;
	nftnl_rule_nlmsg_build_payload(msg_start(r->b, NFT_MSG_NEWRULE,
						 r->family,
						 NLM_F_CREATE | NLM_F_APPEND),
				       r->r);
	nftnl_rule_free(r->r);
	r->r = NULL;
	msg_end(r->b);
}

/* A new expression of @name, already in the rule; NULL without memory. */
static struct nftnl_expr *expr(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->r ? nftnl_expr_alloc(name) : NULL;

	if (!e) {
		r->b->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(r->r, e);
	return e;
}

static void e_cmp(struct rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

static void e_meta(struct rule *r, uint32_t key, uint32_t op, const void *data,
		   uint32_t len)
{
	struct nftnl_expr *e = expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	e_cmp(r, op, data, len);
}

static void e_load(struct rule *r, uint32_t base, uint32_t offset, uint32_t len,
		   uint32_t reg)
{
	struct nftnl_expr *e = expr(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void e_payload(struct rule *r, uint32_t base, uint32_t offset,
		      uint32_t op, const void *data, uint32_t len)
{
	e_load(r, base, offset, len, NFT_REG_1);
	e_cmp(r, op, data, len);
}

/* (tcp flags & mask) op value */
static void e_tcpflags(struct rule *r, uint8_t mask, uint32_t op, uint8_t value)
{
	static const uint8_t zero;
	struct nftnl_expr *e;

	e_load(r, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, NFT_REG_1);
	e = expr(r, "bitwise");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, 1);
	e_cmp(r, op, &value, 1);
}

static void e_immediate(struct rule *r, uint32_t reg, const void *data,
			uint32_t len)
{
	struct nftnl_expr *e = expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

static void e_fwd(struct rule *r, int ifindex)
{
	uint32_t index = (uint32_t)ifindex;
	struct nftnl_expr *e;

	e_immediate(r, NFT_REG_1, &index, sizeof(index));
	e = expr(r, "fwd");
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_FWD_SREG_DEV, NFT_REG_1);
}

/* meta pkttype set host; accept */
static void e_up(struct rule *r)
{
	uint8_t host = PACKET_HOST;
	struct nftnl_expr *e;

	e_immediate(r, NFT_REG_1, &host, sizeof(host));
	e = expr(r, "meta");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_PKTTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
	e = expr(r, "immediate");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
}

static void e_l4proto(struct rule *r, uint32_t op, uint8_t proto)
{
	e_meta(r, NFT_META_L4PROTO, op, &proto, 1);
}

/* meta protocol; and that it is TCP, so that ports and flags are there */
static void e_tcp(struct rule *r, const struct family *f)
{
	uint16_t proto = htons(f->ethertype);

	e_meta(r, NFT_META_PROTOCOL, NFT_CMP_EQ, &proto, 2);
	e_l4proto(r, NFT_CMP_EQ, IPPROTO_TCP);
}

/*
 * Load the pod's view of the 4-tuple: pod address . port . remote . port, into
 * consecutive 32-bit registers. @reversed: the frame goes to the pod.
 */
static void e_key(struct rule *r, const struct family *f, bool reversed)
{
	uint32_t words = f->addr_len / 4, reg = NFT_REG32_00;
	uint32_t first = reversed ? f->daddr : f->saddr;
	uint32_t second = reversed ? f->saddr : f->daddr;

	e_load(r, NFT_PAYLOAD_NETWORK_HEADER, first, f->addr_len, reg);
	reg += words;
	e_load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reversed ? 2 : 0, 2, reg++);
	e_load(r, NFT_PAYLOAD_NETWORK_HEADER, second, f->addr_len, reg);
	reg += words;
	e_load(r, NFT_PAYLOAD_TRANSPORT_HEADER, reversed ? 0 : 2, 2, reg);
}

static void e_lookup(struct rule *r, const struct set *set)
{
	struct nftnl_expr *e = expr(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, set->id);
}

/* update or delete the loaded key */
static void e_dynset(struct rule *r, const struct set *set, uint32_t op)
{
	struct nftnl_expr *e = expr(r, "dynset");

	if (!e)
		return;
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SET_ID, set->id);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, op);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
}

/* A flow that has ended leaves `slow`, unless `closing` is full. */
static void e_retire(struct rule *r, const struct family *f)
{
	e_dynset(r, &f->closing, NFT_DYNSET_OP_UPDATE);
	e_dynset(r, &f->slow, NFT_DYNSET_OP_DELETE);
	e_dynset(r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
	e_dynset(r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
}

/* What the flags of a slow flow's segment @from say; @fwd: where it goes. */
static void flags(struct batch *b, const struct family *f, int from, int fwd)
{
	const char *chain = from == FROM_POD ? "from_pod" : "from_tap";
	struct rule r = rule_start(b, NFPROTO_NETDEV, chain);

	e_tcp(&r, f);
	e_tcpflags(&r, TCP_RST, NFT_CMP_EQ, TCP_RST);
	e_key(&r, f, from == FROM_TAP);
	e_lookup(&r, &f->slow);
	e_retire(&r, f);
	e_fwd(&r, fwd);
	rule_end(&r);

	r = rule_start(b, NFPROTO_NETDEV, chain);
	e_tcp(&r, f);
	e_tcpflags(&r, TCP_FIN, NFT_CMP_EQ, TCP_FIN);
	e_key(&r, f, from == FROM_TAP);
	e_lookup(&r, &f->fin[!from]);
	e_lookup(&r, &f->slow);
	e_retire(&r, f);
	e_fwd(&r, fwd);
	rule_end(&r);

	r = rule_start(b, NFPROTO_NETDEV, chain);
	e_tcp(&r, f);
	e_tcpflags(&r, TCP_FIN, NFT_CMP_EQ, TCP_FIN);
	e_key(&r, f, from == FROM_TAP);
	e_lookup(&r, &f->slow);
	e_dynset(&r, &f->fin[from], NFT_DYNSET_OP_UPDATE);
	rule_end(&r);
}

/* A member of @set: keep it, and forward. */
static void member(struct batch *b, const struct family *f, int from,
		   const struct set *set, int fwd)
{
	struct rule r = rule_start(b, NFPROTO_NETDEV,
				   from == FROM_POD ? "from_pod" : "from_tap");

	e_tcp(&r, f);
	e_key(&r, f, from == FROM_TAP);
	e_lookup(&r, set);
	e_dynset(&r, set, NFT_DYNSET_OP_UPDATE);
	e_fwd(&r, fwd);
	rule_end(&r);
}

static void icmp_errors_up(struct batch *b)
{
	/* RFC 792 types 3, 11, 12; RFC 4443: 1 to 4 are the errors */
	static const struct {
		uint8_t proto, lo, hi;
	} ranges[] = {
		{ IPPROTO_ICMP, ICMP_DEST_UNREACH, ICMP_DEST_UNREACH },
		{ IPPROTO_ICMP, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB },
		{ IPPROTO_ICMPV6, 1, 4 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct rule r = rule_start(b, NFPROTO_NETDEV, "from_pod");

		e_l4proto(&r, NFT_CMP_EQ, ranges[i].proto);
		e_load(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
		e_cmp(&r, NFT_CMP_GTE, &ranges[i].lo, 1);
		e_cmp(&r, NFT_CMP_LTE, &ranges[i].hi, 1);
		e_up(&r);
		rule_end(&r);
	}
}

static void dns_up(struct batch *b, const struct family *f,
		   const struct ip *dns)
{
	uint16_t port = htons(53);
	struct rule r = rule_start(b, NFPROTO_NETDEV, "from_pod");

	e_tcp(&r, f);
	e_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, NFT_CMP_EQ,
		  ip_bytes(dns), f->addr_len);
	e_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, NFT_CMP_EQ, &port, 2);
	e_up(&r);
	rule_end(&r);
}

/* The rules of from_pod that look at the sets. */
static void slow_down(struct batch *b, const struct family *f, int tap)
{
	flags(b, f, FROM_POD, tap);
	member(b, f, FROM_POD, &f->slow, tap);
	member(b, f, FROM_POD, &f->closing, tap);
}

static void from_pod(struct batch *b, const struct nft_hop *h)
{
	uint16_t ip = htons(ETH_P_IP), ip6 = htons(ETH_P_IPV6);
	struct rule r = rule_start(b, NFPROTO_NETDEV, "from_pod");

	e_meta(&r, NFT_META_PROTOCOL, NFT_CMP_NEQ, &ip, 2);
	e_meta(&r, NFT_META_PROTOCOL, NFT_CMP_NEQ, &ip6, 2);
	e_fwd(&r, h->tap_index);
	rule_end(&r);

	icmp_errors_up(b);

	r = rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_l4proto(&r, NFT_CMP_NEQ, IPPROTO_TCP);
	e_fwd(&r, h->tap_index);
	rule_end(&r);

	if (h->serve_dns) {
		dns_up(b, &fam4, &h->plan->dns4);
		if (h->plan->has_ipv6)
			dns_up(b, &fam6, &h->plan->dns6);
	}

	r = rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_l4proto(&r, NFT_CMP_EQ, IPPROTO_TCP);
	e_tcpflags(&r, TCP_FLAGS, NFT_CMP_EQ, TCP_SYN);
	e_fwd(&r, h->tap_index);
	rule_end(&r);

	slow_down(b, &fam4, h->tap_index);
	slow_down(b, &fam6, h->tap_index);

	r = rule_start(b, NFPROTO_NETDEV, "from_pod");
	e_up(&r);
	rule_end(&r);
}

/* A SYN that netstack wrote back: the flow is the hop's from here on. */
static void written_back(struct batch *b, const struct nft_hop *h,
			 const struct family *f)
{
	struct rule r = rule_start(b, NFPROTO_NETDEV, "from_tap");

	e_tcp(&r, f);
	e_payload(&r, NFT_PAYLOAD_LL_HEADER, 6, NFT_CMP_EQ, h->plan->pod_mac,
		  6);
	e_tcpflags(&r, TCP_FLAGS, NFT_CMP_EQ, TCP_SYN);
	e_key(&r, f, false);
	e_dynset(&r, &f->slow, NFT_DYNSET_OP_DELETE);
	e_dynset(&r, &f->closing, NFT_DYNSET_OP_DELETE);
	e_dynset(&r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
	e_dynset(&r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
	e_up(&r);
	rule_end(&r);
}

static void from_tap(struct batch *b, const struct nft_hop *h)
{
	const struct family *fams[] = { &fam4, &fam6 };
	struct rule r;

	for (int i = 0; i < 2; i++) {
		const struct family *f = fams[i];

		written_back(b, h, f);

		/* a new flow on old ports: forget how that one ended */
		r = rule_start(b, NFPROTO_NETDEV, "from_tap");
		e_tcp(&r, f);
		e_tcpflags(&r, TCP_SYNACK, NFT_CMP_EQ, TCP_SYNACK);
		e_key(&r, f, true);
		e_dynset(&r, &f->fin[FROM_POD], NFT_DYNSET_OP_DELETE);
		e_dynset(&r, &f->fin[FROM_TAP], NFT_DYNSET_OP_DELETE);
		e_dynset(&r, &f->slow, NFT_DYNSET_OP_UPDATE);
		rule_end(&r);

		flags(b, f, FROM_TAP, h->p0_index);
		member(b, f, FROM_TAP, &f->closing, h->p0_index);
	}
	r = rule_start(b, NFPROTO_NETDEV, "from_tap");
	e_fwd(&r, h->p0_index);
	rule_end(&r);
}

static void tproxy(struct batch *b, const struct nft_hop *h, uint8_t nfproto,
		   const struct ip *gw)
{
	uint16_t port = htons(h->tproxy_port);
	uint32_t iif = (uint32_t)h->tap_index;
	struct rule r = rule_start(b, NFPROTO_INET, "pre");
	struct nftnl_expr *e;

	e_meta(&r, NFT_META_NFPROTO, NFT_CMP_EQ, &nfproto, 1);
	e_meta(&r, NFT_META_IIF, NFT_CMP_EQ, &iif, sizeof(iif));
	e_l4proto(&r, NFT_CMP_EQ, IPPROTO_TCP);
	e_immediate(&r, NFT_REG_1, ip_bytes(gw), (uint32_t)ip_len(gw));
	e_immediate(&r, NFT_REG_2, &port, sizeof(port));
	e = expr(&r, "tproxy");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, nfproto);
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
	}
	rule_end(&r);
}

static void add_sets(struct batch *b, const struct family *f)
{
	add_set(b, &f->slow, f->key_bytes, SLOW_MS);
	add_set(b, &f->fin[FROM_POD], f->key_bytes, SLOW_MS);
	add_set(b, &f->fin[FROM_TAP], f->key_bytes, SLOW_MS);
	add_set(b, &f->closing, f->key_bytes, CLOSING_MS);
}

static void build(struct batch *b, const struct nft_hop *h)
{
	nftnl_batch_begin(mnl_nlmsg_batch_current(b->mb), b->seq++);
	msg_end(b);
	add_table(b, NFPROTO_NETDEV);
	add_sets(b, &fam4);
	add_sets(b, &fam6);
	add_chain(b, NFPROTO_NETDEV, "from_pod", NF_NETDEV_INGRESS, 0, h->p0);
	add_chain(b, NFPROTO_NETDEV, "from_tap", NF_NETDEV_INGRESS, 0, h->tap);
	from_pod(b, h);
	from_tap(b, h);
	add_table(b, NFPROTO_INET);
	add_chain(b, NFPROTO_INET, "pre", NF_INET_PRE_ROUTING,
		  -150 /* mangle */, NULL);
	tproxy(b, h, NFPROTO_IPV4, &h->plan->gw4);
	if (h->plan->has_ipv6)
		tproxy(b, h, NFPROTO_IPV6, &h->plan->gw6);
	nftnl_batch_end(mnl_nlmsg_batch_current(b->mb), b->seq++);
	msg_end(b);
}

/* Read acknowledgements; the first error is the one that matters. */
static int read_acks(struct mnl_socket *nl, uint32_t first, uint32_t last)
{
	char buf[16384];

	/* every message but the batch's begin and end asked for one */
	for (uint32_t acks = last - first - 2; acks > 0;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int len = (int)n;

		if (n < 0)
			return log_errno(errno, "nftables: read");
		for (struct nlmsghdr *h = (void *)buf; mnl_nlmsg_ok(h, len);
		     h = mnl_nlmsg_next(h, &len)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (err->error)
				return log_errno(
					-err->error,
					"nftables: message %u of the hop's ruleset (does the kernel have nf_tables with netdev fwd and tproxy?)",
					h->nlmsg_seq - first);
			if (acks > 0)
				acks--;
		}
	}
	return 0;
}

static int transact(struct batch *b)
{
	struct mnl_socket *nl =
		mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int rc = 0;

	if (!nl)
		return log_errno(errno, "nftables: open netlink socket");
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = log_errno(errno, "nftables: bind");
	if (!rc && mnl_socket_sendto(nl, mnl_nlmsg_batch_head(b->mb),
				     mnl_nlmsg_batch_size(b->mb)) < 0)
		rc = log_errno(errno, "nftables: send");
	if (!rc)
		rc = read_acks(nl, 0, b->seq);
	(void)mnl_socket_close(nl); /* nothing is left to fail */
	return rc;
}

int nft_hop_install(const struct nft_hop *hop)
{
	struct batch b = { 0 };
	int rc;

	/* libmnl wants room for one message past the limit */
	b.buf = malloc(BATCH_BYTES * 2);
	if (!b.buf)
		return log_errno(ENOMEM, "nftables");
	b.mb = mnl_nlmsg_batch_start(b.buf, BATCH_BYTES);
	if (!b.mb) {
		free(b.buf);
		return log_errno(ENOMEM, "nftables");
	}
	build(&b, hop);
	rc = b.failed ? log_errno(ENOMEM, "nftables: build the ruleset")
		      : transact(&b);
	mnl_nlmsg_batch_stop(b.mb);
	free(b.buf);
	return rc;
}
