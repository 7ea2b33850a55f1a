// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each call appends one netlink message to the batch, or one expression to the
 * rule that is being built. Register 1 is scratch; keys of sets begin at the
 * first 32-bit register, which is the same place, so a rule compares first and
 * loads its key last.
 */
#include "setup/net/nft_batch.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "netstack/base/log.h"

static struct nlmsghdr *msg_start(struct nft_batch *b, uint16_t type,
				  uint16_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->mb), type,
				     family, flags | NLM_F_ACK, b->seq++);
}

static void msg_end(struct nft_batch *b)
{
	/* a full buffer would be a ruleset grown past BATCH_BYTES: a bug */
	if (!mnl_nlmsg_batch_next(b->mb))
		b->failed = true;
}

static void table_msg(struct nft_batch *b, uint16_t family, uint16_t type,
		      uint16_t flags)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		b->failed = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	nftnl_table_nlmsg_build_payload(msg_start(b, type, family, flags), t);
	nftnl_table_free(t);
	msg_end(b);
}

void nft_table(struct nft_batch *b, uint16_t family)
{
	table_msg(b, family, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

void nft_table_anew(struct nft_batch *b, uint16_t family)
{
	/* only one that is there can be deleted */
	nft_table(b, family);
	table_msg(b, family, NFT_MSG_DELTABLE, 0);
	nft_table(b, family);
}

void nft_set(struct nft_batch *b, uint16_t family, const struct nft_set *set,
	     const struct nft_set_opts *o)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		b->failed = true;
		return;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, family);
	nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, o->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, o->key_bytes);
	nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, o->timeout_ms);
	nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, o->size);
	nftnl_set_nlmsg_build_payload(
		msg_start(b, NFT_MSG_NEWSET, family, NLM_F_CREATE), s);
	nftnl_set_free(s);
	msg_end(b);
}

void nft_flush(struct nft_batch *b, const struct nft_set *set)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		b->failed = true;
		return;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
	/* no member named means every one */
	nftnl_set_elems_nlmsg_build_payload(
		msg_start(b, NFT_MSG_DELSETELEM, NFPROTO_NETDEV, 0), s);
	nftnl_set_free(s);
	msg_end(b);
}

struct chain {
	const char *name, *type, *dev;
	uint32_t hook;
	int32_t prio;
};

static void base_chain(struct nft_batch *b, uint16_t family,
		       const struct chain *o)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c) {
		b->failed = true;
		return;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, o->name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, o->type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, o->hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, o->prio);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	if (o->dev)
		nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, o->dev);
	nftnl_chain_nlmsg_build_payload(
		msg_start(b, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE), c);
	nftnl_chain_free(c);
	msg_end(b);
}

void nft_chain(struct nft_batch *b, uint16_t family, const char *name,
	       uint32_t hook, int32_t prio, const char *dev)
{
	const struct chain o = { name, "filter", dev, hook, prio };

	base_chain(b, family, &o);
}

void nft_route_chain(struct nft_batch *b, const char *name, int32_t prio)
{
	const struct chain o = { name, "route", NULL, NF_INET_LOCAL_OUT, prio };

	base_chain(b, NFPROTO_INET, &o);
}

struct nft_rule nft_rule_start(struct nft_batch *b, uint16_t family,
			       const char *chain)
{
	struct nft_rule r = { b, nftnl_rule_alloc(), family };

	if (!r.r) {
		b->failed = true;
		return r;
	}
	nftnl_rule_set_str(r.r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r.r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r.r, NFTNL_RULE_FAMILY, family);
	return r;
}

void nft_rule_end(struct nft_rule *r)
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
struct nftnl_expr *nft_expr(struct nft_rule *r, const char *name)
{
	struct nftnl_expr *e = r->r ? nftnl_expr_alloc(name) : NULL;

	if (!e) {
		r->b->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(r->r, e);
	return e;
}

void nft_cmp(struct nft_rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nft_expr(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

void nft_meta(struct nft_rule *r, uint32_t key, uint32_t op, const void *data,
	      uint32_t len)
{
	struct nftnl_expr *e = nft_expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nft_cmp(r, op, data, len);
}

void nft_load(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t len,
	      uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
		 uint32_t op, const void *data, uint32_t len)
{
	nft_load(r, base, offset, len, NFT_REG_1);
	nft_cmp(r, op, data, len);
}

void nft_masked(struct nft_rule *r, uint32_t base, uint32_t offset,
		uint32_t len, const void *mask, uint32_t op, const void *data)
{
	static const uint8_t zero[4];
	struct nftnl_expr *e;

	nft_load(r, base, offset, len, NFT_REG_1);
	e = nft_expr(r, "bitwise");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len);
	nft_cmp(r, op, data, len);
}

void nft_immediate(struct nft_rule *r, uint32_t reg, const void *data,
		   uint32_t len)
{
	struct nftnl_expr *e = nft_expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

void nft_meta_set(struct nft_rule *r, uint32_t key, const void *data,
		  uint32_t len)
{
	struct nftnl_expr *e;

	nft_immediate(r, NFT_REG_1, data, len);
	e = nft_expr(r, "meta");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

void nft_verdict(struct nft_rule *r, uint32_t verdict)
{
	struct nftnl_expr *e = nft_expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
}

void nft_fwd(struct nft_rule *r, int ifindex)
{
	uint32_t index = (uint32_t)ifindex;
	struct nftnl_expr *e;

	nft_immediate(r, NFT_REG_1, &index, sizeof(index));
	e = nft_expr(r, "fwd");
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_FWD_SREG_DEV, NFT_REG_1);
}

static void lookup(struct nft_rule *r, const struct nft_set *set,
		   uint32_t lookup_flags)
{
	struct nftnl_expr *e = nft_expr(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, lookup_flags);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, set->id);
}

void nft_lookup(struct nft_rule *r, const struct nft_set *set)
{
	lookup(r, set, 0);
}

void nft_lookup_not(struct nft_rule *r, const struct nft_set *set)
{
	lookup(r, set, NFT_LOOKUP_F_INV);
}

/* update or delete the loaded key */
void nft_dynset(struct nft_rule *r, const struct nft_set *set, uint32_t op)
{
	struct nftnl_expr *e = nft_expr(r, "dynset");

	if (!e)
		return;
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SET_ID, set->id);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, op);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
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

static int transact(struct nft_batch *b)
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

int nft_batch_begin(struct nft_batch *b, const char *table)
{
	*b = (struct nft_batch){ .table = table };
	/* libmnl wants room for one message past the limit */
	b->buf = malloc(NFT_BATCH_BYTES * 2);
	if (!b->buf)
		return log_errno(ENOMEM, "nftables");
	b->mb = mnl_nlmsg_batch_start(b->buf, NFT_BATCH_BYTES);
	if (!b->mb) {
		free(b->buf);
		return log_errno(ENOMEM, "nftables");
	}
	nftnl_batch_begin(mnl_nlmsg_batch_current(b->mb), b->seq++);
	msg_end(b);
	return 0;
}

int nft_batch_commit(struct nft_batch *b)
{
	int rc;

	nftnl_batch_end(mnl_nlmsg_batch_current(b->mb), b->seq++);
	msg_end(b);
	rc = b->failed ? log_errno(ENOMEM, "nftables: build the ruleset")
		       : transact(b);
	mnl_nlmsg_batch_stop(b->mb);
	free(b->buf);
	return rc;
}
