// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records lie one behind the other; one that doesn't fit between the last and
 * the end of the ring begins at its start, and a record without a frame covers
 * what is left over. Sizes are multiples of the header's, so that there is
 * always room for one.
 */
#include "bench/delay_line.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_FRAME UINT32_MAX

struct record {
	int64_t due_ns;
	uint32_t len;  /* of the frame behind it, or NO_FRAME */
	uint32_t size; /* of the record */
};

static_assert(sizeof(struct record) == 16, "no padding");

static size_t rounded_up(size_t n)
{
	return (n + sizeof(struct record) - 1) & ~(sizeof(struct record) - 1);
}

int delay_line_init(struct delay_line *line, size_t bytes)
{
	*line = (struct delay_line){ .cap = rounded_up(bytes) };
	line->ring = malloc(line->cap);
	return line->ring ? 0 : -ENOMEM;
}

void delay_line_deinit(struct delay_line *line)
{
	free(line->ring);
	*line = (struct delay_line){ 0 };
}

static struct record record_at(const struct delay_line *line, size_t at)
{
	struct record r;

	memcpy(&r, line->ring + at, sizeof(r));
	return r;
}

static void put_record(struct delay_line *line, struct mono due, uint32_t len,
		       size_t size)
{
	struct record r = { due.ns, len, (uint32_t)size };

	memcpy(line->ring + (line->head + line->used) % line->cap, &r,
	       sizeof(r));
	line->used += size;
	if (line->used > line->most_used)
		line->most_used = line->used;
}

bool delay_line_push(struct delay_line *line, struct mono due,
		     const void *frame, size_t len)
{
	size_t size = sizeof(struct record) + rounded_up(len);
	size_t tail = (line->head + line->used) % line->cap;
	size_t to_end = line->cap - tail, skip = to_end < size ? to_end : 0;

	if (len >= NO_FRAME || line->cap - line->used < skip + size)
		return false;
	if (skip)
		put_record(line, due, NO_FRAME, skip);
	tail = (line->head + line->used) % line->cap;
	memcpy(line->ring + tail + sizeof(struct record), frame, len);
	put_record(line, due, (uint32_t)len, size);
	return true;
}

struct mono delay_line_next(const struct delay_line *line)
{
	/* what covers the end is due when the frame behind it is */
	if (!line->used)
		return MONO_NEVER;
	return (struct mono){ record_at(line, line->head).due_ns };
}

size_t delay_line_due(const struct delay_line *line, struct mono now,
		      struct iovec *frames, size_t max)
{
	size_t n = 0, seen = 0;

	while (seen < line->used && n < max) {
		size_t at = (line->head + seen) % line->cap;
		struct record r = record_at(line, at);

		if (mono_before(now, (struct mono){ r.due_ns }))
			break;
		if (r.len != NO_FRAME)
			frames[n++] =
				(struct iovec){ line->ring + at + sizeof(r),
						r.len };
		seen += r.size;
	}
	return n;
}

void delay_line_pop(struct delay_line *line)
{
	struct record r;

	do {
		assert(line->used);
		r = record_at(line, line->head);
		line->head = (line->head + r.size) % line->cap;
		line->used -= r.size;
	} while (r.len == NO_FRAME);
}

/* The finaliser of splitmix64: neighbours have nothing in common. */
static uint64_t mixed(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

bool delay_loses(uint64_t seed, uint64_t index, uint32_t ppm)
{
	uint64_t x =
		mixed(mixed(seed + 1) + index * UINT64_C(0x9e3779b97f4a7c15));

	return (x >> 32) * 1000000 >> 32 < ppm;
}
