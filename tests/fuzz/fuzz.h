/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the fuzzers' targets share: the input as a tape, a plan, check(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/podnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** check() - a property of the code under test; not an assert(): always on */
static inline void check(bool truth)
{
	if (!truth)
		abort();
}

/* What is left of the input. Behind its end there are zeros. */
struct tape {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t tape_u8(struct tape *t)
{
	if (!t->left)
		return 0;
	t->left--;
	return *t->data++;
}

static inline uint16_t tape_u16(struct tape *t)
{
	unsigned int high = tape_u8(t);

	return (uint16_t)(high << 8 | tape_u8(t));
}

/**
 * tape_bytes() - the next @len bytes, or what is left of them
 * @len: set to how many they are
 * Return: a copy, the caller's, that ends where its memory ends: ASan sees
 *	   whoever reads beyond
 */
static inline uint8_t *tape_bytes(struct tape *t, size_t *len)
{
	uint8_t *copy;

	if (*len > t->left)
		*len = t->left;
	copy = malloc(*len ? *len : 1);
	check(copy != NULL);
	if (*len)
		memcpy(copy, t->data, *len);
	t->data += *len;
	t->left -= *len;
	return copy;
}

static inline struct ip fuzz_ip(const char *text)
{
	struct ip ip;

	check(ip_parse(text, &ip) == 0);
	return ip;
}

/** fuzz_plan() - 10.0.2.0/24 and fd00::/64 with .2, .3 and .100 */
static inline struct podnet fuzz_plan(void)
{
	return (struct podnet){
		.net4 = fuzz_ip("10.0.2.0"),
		.gw4 = fuzz_ip("10.0.2.2"),
		.dns4 = fuzz_ip("10.0.2.3"),
		.pod4 = fuzz_ip("10.0.2.100"),
		.prefix4 = 24,
		.has_ipv6 = true,
		.net6 = fuzz_ip("fd00::"),
		.gw6 = fuzz_ip("fd00::2"),
		.dns6 = fuzz_ip("fd00::3"),
		.pod6 = fuzz_ip("fd00::100"),
		.prefix6 = 64,
		.mtu_bytes = 1500,
		.tap = "tap0",
		.pod_mac = { 2, 0, 0, 0, 1, 0 },
		.gw_mac = { 0x52, 0x55, 10, 0, 2, 2 },
	};
}
