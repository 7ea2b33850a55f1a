/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A run that measures, for --seconds, how long something takes each time. The
 * first tenth warms up and isn't counted.
 */

#include "bench/session.h"
#include "bench/stats.h"

struct latency {
	struct run *run;
	struct loop_timer stop;
	struct mono from; /* counted from here; 0: it hasn't begun */
	struct hist hist;
};

/**
 * latency_init() - run_init(), with time enough to begin in
 * @l: zeroed
 * @run: borrowed; run_deinit() in any case
 *
 * Return: 0 or -errno, logged
 */
int latency_init(struct latency *l, struct run *run, const char *name,
		 const struct load_config *cfg);

/** latency_begin() - its time runs from now on; Return: 0 or -errno, logged */
int latency_begin(struct latency *l);

/** latency_counts() - does what began at @start? */
static inline bool latency_counts(const struct latency *l, struct mono start)
{
	return l->from.ns && !mono_before(start, l->from);
}

/** latency_add() - one sample, if it counts */
void latency_add(struct latency *l, struct mono start, struct mono end);

/**
 * latency_run() - until its time is up
 * Return: 0, or what it has failed with, logged; without a sample it has
 */
int latency_run(struct latency *l);

/** latency_seconds() - in which the samples were taken */
double latency_seconds(const struct latency *l);
