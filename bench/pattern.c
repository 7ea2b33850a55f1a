// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A ring of xorshift bytes with its beginning repeated behind it, so that any
 * chunk of the stream lies in one piece: sending needs no copy and checking is
 * one memcmp() over memory that stays in the cache.
 */
#include "bench/pattern.h"

#include <string.h>

void pattern_fill(struct pattern *p)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < PATTERN_PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p->ring[i] = (uint8_t)(x >> 32);
	}
	/* forwards, in pieces: what lies behind the ring repeats it */
	for (size_t i = PATTERN_PERIOD; i < sizeof(p->ring); i++)
		p->ring[i] = p->ring[i - PATTERN_PERIOD];
}

bool pattern_check(const struct pattern *p, uint64_t offset, const uint8_t *buf,
		   size_t len, uint64_t *bad)
{
	const uint8_t *want = pattern_at(p, offset);
	size_t i = 0;

	if (memcmp(buf, want, len) == 0)
		return true;
	while (buf[i] == want[i])
		i++;
	*bad = offset + i;
	return false;
}
