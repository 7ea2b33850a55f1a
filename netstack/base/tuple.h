/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A flow's two ends, and a seeded hash of them for tables that a pod or a
 * client can fill. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"

struct tuple {
	struct ip src, dst;
	uint16_t sport, dport; /* host order */
};

static inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport &&
	       ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst);
}

/** tuple_reverse() - the same flow seen from its other end */
static inline struct tuple tuple_reverse(const struct tuple *t)
{
	return (struct tuple){ t->dst, t->src, t->dport, t->sport };
}

/** tuple_seed() - a secret for a table; Return: 0 or -errno, logged */
int tuple_seed(uint64_t *out);

/**
 * tuple_hash() - FNV-1a, begun at a secret
 * @seed: of tuple_seed(), kept as long as the table
 */
static inline uint64_t tuple_hash(const struct tuple *t, uint64_t seed)
{
	uint8_t key[36];
	size_t n = ip_len(&t->src), len = 2 * n + 4;

	for (size_t i = 0; i < n; i++) {
		key[i] = ip_bytes(&t->src)[i];
		key[n + i] = ip_bytes(&t->dst)[i];
	}
	key[2 * n] = (uint8_t)(t->sport >> 8);
	key[2 * n + 1] = (uint8_t)t->sport;
	key[2 * n + 2] = (uint8_t)(t->dport >> 8);
	key[2 * n + 3] = (uint8_t)t->dport;
	for (size_t i = 0; i < len; i++)
		seed = (seed ^ key[i]) * 0x100000001b3ULL;
	return seed ^ seed >> 32;
}
