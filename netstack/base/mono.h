/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Typed time: CLOCK_MONOTONIC, nanoseconds. A struct, so that a number of
 * another unit can't be passed by mistake. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct mono {
	int64_t ns;
};

#define MONO_NEVER ((struct mono){ INT64_MAX })
#define MONO_ZERO  ((struct mono){ 0 })

static inline struct mono mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* can't fail on Linux */
	return (struct mono){ (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec };
}

static inline struct mono mono_s(int64_t s)
{
	return (struct mono){ s * 1000000000 };
}

static inline struct mono mono_ms(int64_t ms)
{
	return (struct mono){ ms * 1000000 };
}

static inline struct mono mono_add(struct mono a, struct mono b)
{
	if (a.ns > INT64_MAX - b.ns)
		return MONO_NEVER;
	return (struct mono){ a.ns + b.ns };
}

static inline struct mono mono_sub(struct mono a, struct mono b)
{
	return (struct mono){ a.ns - b.ns };
}

static inline bool mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

/* Milliseconds, rounded up, so that a sleep is never too short. */
static inline int64_t mono_to_ms(struct mono a)
{
	return a.ns / 1000000 + (a.ns % 1000000 > 0);
}
