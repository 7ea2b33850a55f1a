// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Medians and quartiles rather than means: a benchmark on a shared machine has
 * outliers on one side only, and a mean would report the neighbours. Quartiles
 * are interpolated linearly between the two nearest samples.
 *
 * A histogram bucket is found with two shifts: the top HIST_SUB_BITS + 1 bits
 * of a value are its place, the shift that was needed is its power of two.
 */
#include "bench/stats.h"

#include <stdio.h>
#include <stdlib.h>

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double stats_quantile(const double *sorted, size_t n, double q)
{
	double pos;
	size_t i;

	if (n == 0)
		return 0;
	pos = q * (double)(n - 1);
	i = (size_t)pos;
	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (pos - (double)i) * (sorted[i + 1] - sorted[i]);
}

struct stats stats_of(double *v, size_t n)
{
	if (n == 0)
		return (struct stats){ 0 };
	qsort(v, n, sizeof(*v), compare_double);
	return (struct stats){
		.n = n,
		.min = v[0],
		.q1 = stats_quantile(v, n, 0.25),
		.median = stats_quantile(v, n, 0.5),
		.q3 = stats_quantile(v, n, 0.75),
		.max = v[n - 1],
	};
}

size_t stats_ratios(const double *a, const double *b, size_t n, double *out)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		if (a[i] > 0 && b[i] > 0)
			out[used++] = a[i] / b[i];
	return used;
}

static unsigned int hist_index(uint64_t v)
{
	unsigned int msb = v ? 63 - (unsigned int)__builtin_clzll(v) : 0;
	unsigned int shift = msb > HIST_SUB_BITS ? msb - HIST_SUB_BITS : 0;

	return (shift << HIST_SUB_BITS) + (unsigned int)(v >> shift);
}

/* The middle of bucket @i; hist_index() of it is @i again. */
static uint64_t hist_value(unsigned int i)
{
	unsigned int shift = i >> HIST_SUB_BITS;
	uint64_t top;

	if (shift < 2)
		return i; /* one value a bucket */
	shift--;
	top = (i & ((1u << HIST_SUB_BITS) - 1)) | 1u << HIST_SUB_BITS;
	return (top << shift) + (UINT64_C(1) << shift) / 2;
}

void hist_add(struct hist *h, uint64_t value)
{
	if (h->n == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->n++;
	h->count[hist_index(value)]++;
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
	/* a hair less: 99.9 % of 1000 is 999, whatever a double makes of it */
	double want = percent / 100 * (double)h->n * (1 - 1e-12);
	uint64_t seen = 0;

	if (percent >= 100)
		return h->max;
	for (unsigned int i = 0; i < HIST_BUCKETS && h->n; i++) {
		uint64_t v;

		seen += h->count[i];
		if (seen == 0 || (double)seen < want)
			continue;
		v = hist_value(i);
		if (v < h->min)
			return h->min;
		return v > h->max ? h->max : v;
	}
	return h->max;
}

void hist_describe(const struct hist *h, double seconds)
{
	printf("\"count\":%llu,\"per_second\":%.0f,\"p50_ns\":%llu,"
	       "\"p90_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu,"
	       "\"max_ns\":%llu",
	       (unsigned long long)h->n, (double)h->n / seconds,
	       (unsigned long long)hist_percentile(h, 50),
	       (unsigned long long)hist_percentile(h, 90),
	       (unsigned long long)hist_percentile(h, 99),
	       (unsigned long long)hist_percentile(h, 99.9),
	       (unsigned long long)h->max);
}

void meter_start(struct meter *m, struct mono now, struct mono warm,
		 struct mono run)
{
	*m = (struct meter){
		.from = mono_add(now, warm),
		.until = run.ns ? mono_add(now, run) : MONO_NEVER,
	};
}

void meter_add(struct meter *m, struct mono now, size_t n)
{
	m->bytes += n;
	if (mono_before(now, m->from))
		return;
	if (m->first_at.ns == 0) {
		m->first_at = m->last_at = now;
		m->first_bytes = m->last_bytes = m->bytes;
	} else if (!mono_before(m->until, now)) {
		m->last_at = now;
		m->last_bytes = m->bytes;
	}
}
