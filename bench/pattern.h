/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The payload of bulk transfers: byte N of a stream is known from N alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A prime: bytes lost or doubled in pages, segments or pipes always show. */
#define PATTERN_PERIOD 65521
/* The most that one pattern_at() or pattern_check() covers. */
#define PATTERN_CHUNK 131072

struct pattern {
	uint8_t ring[PATTERN_PERIOD + PATTERN_CHUNK];
};

/** pattern_fill() - every pattern is the same */
void pattern_fill(struct pattern *p);

/** pattern_at() - the PATTERN_CHUNK bytes of the stream from @offset on */
static inline const uint8_t *pattern_at(const struct pattern *p,
					uint64_t offset)
{
	return p->ring + offset % PATTERN_PERIOD;
}

/**
 * pattern_check() - are these the bytes of the stream from @offset on?
 * @len: up to PATTERN_CHUNK
 * @bad: when not, the offset in the stream of the first wrong byte
 */
bool pattern_check(const struct pattern *p, uint64_t offset, const uint8_t *buf,
		   size_t len, uint64_t *bad);
