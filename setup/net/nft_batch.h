/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Building nftables transactions: tables, sets, chains, and rules expression by
 * expression (libnftnl), sent as one batch (libmnl). Nothing here returns an
 * error: what fails for want of memory is told by nft_batch_commit().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A batch's largest size. */
#define NFT_BATCH_BYTES 65536

struct mnl_nlmsg_batch;
struct nftnl_expr;
struct nftnl_rule;

/* One transaction under construction. */
struct nft_batch {
	const char *table; /* of all that it makes */
	struct mnl_nlmsg_batch *mb;
	char *buf;
	uint32_t seq;
	bool failed; /* out of memory somewhere; told at the end */
};

/* A rule under construction; expressions are appended in order. */
struct nft_rule {
	struct nft_batch *b;
	struct nftnl_rule *r;
	uint16_t family;
};

/* A dynamic set with timeouts, and how nft(8) prints its keys. */
struct nft_set {
	const char *name;
	uint32_t id; /* within the batch, from 1 */
};

struct nft_set_opts {
	uint32_t key_type, key_bytes;
	uint32_t size; /* members at most */
	uint64_t timeout_ms;
};

/** nft_batch_begin() - @table: borrowed; Return: 0 or -ENOMEM, logged */
int nft_batch_begin(struct nft_batch *b, const char *table);

/**
 * nft_batch_commit() - end the batch, send it, read all answers, free it
 * Return: 0 or -errno, logged: nothing of it was carried out then
 */
int nft_batch_commit(struct nft_batch *b);

/** nft_table() - make the table; one that is there stays as it is */
void nft_table(struct nft_batch *b, uint16_t family);

/** nft_table_anew() - an empty one, whatever was there */
void nft_table_anew(struct nft_batch *b, uint16_t family);
void nft_set(struct nft_batch *b, uint16_t family, const struct nft_set *set,
	     const struct nft_set_opts *o);

/** nft_flush() - take out all members of a set that is there */
void nft_flush(struct nft_batch *b, const struct nft_set *set);

/** nft_chain() - a base chain of type filter; @dev: NULL but for netdev */
void nft_chain(struct nft_batch *b, uint16_t family, const char *name,
	       uint32_t hook, int32_t prio, const char *dev);

/** nft_route_chain() - on packets that get a new route with a new mark */
void nft_route_chain(struct nft_batch *b, const char *name, int32_t prio);

struct nft_rule nft_rule_start(struct nft_batch *b, uint16_t family,
			       const char *chain);
void nft_rule_end(struct nft_rule *r);

/** nft_expr() - any expression by name; Return: it, in the rule; or NULL */
struct nftnl_expr *nft_expr(struct nft_rule *r, const char *name);

/* Register 1 against @data; @op: NFT_CMP_… */
void nft_cmp(struct nft_rule *r, uint32_t op, const void *data, uint32_t len);
void nft_meta(struct nft_rule *r, uint32_t key, uint32_t op, const void *data,
	      uint32_t len);

/* Bytes of the packet into a register, or register 1 and compared. */
void nft_load(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t len,
	      uint32_t reg);
void nft_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
		 uint32_t op, const void *data, uint32_t len);
/* (bytes of the packet & mask) compared, in register 1; at most 4 bytes */
void nft_masked(struct nft_rule *r, uint32_t base, uint32_t offset,
		uint32_t len, const void *mask, uint32_t op, const void *data);
void nft_immediate(struct nft_rule *r, uint32_t reg, const void *data,
		   uint32_t len);

/** nft_meta_set() - @key of the packet becomes @data */
void nft_meta_set(struct nft_rule *r, uint32_t key, const void *data,
		  uint32_t len);

/** nft_verdict() - NF_ACCEPT or NF_DROP */
void nft_verdict(struct nft_rule *r, uint32_t verdict);

/** nft_fwd() - send the packet out of another device: the last expression */
void nft_fwd(struct nft_rule *r, int ifindex);

/* The key loaded from NFT_REG32_00 on; @op: NFT_DYNSET_OP_… */
void nft_lookup(struct nft_rule *r, const struct nft_set *set);

/** nft_lookup_not() - the same, for a key that isn't in it */
void nft_lookup_not(struct nft_rule *r, const struct nft_set *set);
void nft_dynset(struct nft_rule *r, const struct nft_set *set, uint32_t op);
