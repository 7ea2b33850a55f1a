/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Figures out of samples: order statistics, latency histogram, goodput. */

#include <stddef.h>
#include <stdint.h>

#include "netstack/base/mono.h"

/* What a table prints of one row: the middle and the spread. */
struct stats {
	size_t n;
	double min, q1, median, q3, max; /* all 0 when n is 0 */
};

/** stats_quantile() - @q in 0..1 of @n sorted values, interpolated; 0 of none
 */
double stats_quantile(const double *sorted, size_t n, double q);

/** stats_of() - sorts @v in place */
struct stats stats_of(double *v, size_t n);

/** stats_iqr() - the width of the middle half */
static inline double stats_iqr(const struct stats *s)
{
	return s->q3 - s->q1;
}

/**
 * stats_ratios() - @a[i] / @b[i] of the same round, into @out (may be @a)
 * Return: how many: rounds in which either is not above 0 are left out
 */
size_t stats_ratios(const double *a, const double *b, size_t n, double *out);

/*
 * Log-linear histogram: exact up to 2 << HIST_SUB_BITS, from there on that
 * many buckets a power of two: an error of at most 1/64, in constant space.
 */
#define HIST_SUB_BITS 5
#define HIST_BUCKETS  ((65 - HIST_SUB_BITS) << HIST_SUB_BITS)

struct hist {
	uint64_t n, min, max;
	uint64_t count[HIST_BUCKETS];
};

/** hist_add() - @h must have been zeroed before the first */
void hist_add(struct hist *h, uint64_t value);

/** hist_percentile() - @percent in 0..100; 0 when empty */
uint64_t hist_percentile(const struct hist *h, double percent);

/** hist_describe() - members of a JSON object about latencies in ns:
 * "count":…,"per_second":…,"p50_ns":…, p90, p99, p999, "max_ns":…
 * @seconds: in which they were taken
 */
void hist_describe(const struct hist *h, double seconds);

/*
 * Goodput over the steady part of a transfer: from the first read at or after
 * @from to the last one at or before @until. The bytes of that first read
 * arrived before it and don't count.
 */
struct meter {
	struct mono from, until;
	uint64_t bytes; /* of the whole transfer */
	struct mono first_at, last_at;
	uint64_t first_bytes, last_bytes;
};

/** meter_start() - skip @warm, then measure until @run has passed (0: no end)
 */
void meter_start(struct meter *m, struct mono now, struct mono warm,
		 struct mono run);

/** meter_add() - @n bytes were read at @now */
void meter_add(struct meter *m, struct mono now, size_t n);

static inline uint64_t meter_steady_bytes(const struct meter *m)
{
	return m->last_bytes - m->first_bytes;
}

static inline int64_t meter_steady_ns(const struct meter *m)
{
	return m->last_at.ns - m->first_at.ns;
}
