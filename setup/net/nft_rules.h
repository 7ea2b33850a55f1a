/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files that write the hop's ruleset share. */

#include <stdint.h>

#include "setup/net/nft_batch.h"

/* Per family: what differs between the IPv4 rules and their IPv6 twins. */
struct nft_family {
	uint16_t ethertype;
	uint32_t saddr, daddr, addr_len; /* in the network header */
	uint32_t key_bytes, key_type;	 /* of a 4-tuple */
	struct nft_set slow, closing,
		fin[2]; /* fin: seen from the pod, from the TAP */
	struct nft_set ended;
	struct nft_set udp, frag;
};

extern const struct nft_family nft_fam4, nft_fam6;

/** nft_rules_up() - into the hop's own stack: the last expressions */
void nft_rules_up(struct nft_rule *r);

/** nft_rules_proto() - the family, and what is on top of IP */
void nft_rules_proto(struct nft_rule *r, const struct nft_family *f,
		     uint8_t proto);

/**
 * nft_rules_key() - load the pod's view of the 4-tuple: pod address . port .
 * remote . port, into consecutive 32-bit registers
 * @reversed: the frame goes to the pod
 */
void nft_rules_key(struct nft_rule *r, const struct nft_family *f,
		   bool reversed);

/* UDP of relayed flows: nft_udp.c. @tap: where the others' fragments go. */
void nft_udp_sets(struct nft_batch *b, const struct nft_family *f);
void nft_udp_from_pod(struct nft_batch *b, const struct nft_family *f, int tap);
/* Both chains; nft_udp_to_pod() comes behind it. */
void nft_udp_from_tap(struct nft_batch *b, int p0);
void nft_udp_to_pod(struct nft_batch *b, const struct nft_family *f);
