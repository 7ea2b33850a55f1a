/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a helper costs: CPU, private memory and descriptors of its processes. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SAMPLE_UNREADABLE (-1)

struct sample_process {
	pid_t pid, ppid, session;
	char state; /* as in /proc/PID/stat */
	char comm[32];
	double user_s, sys_s; /* its own */
	double reaped_s;      /* user and sys of children it has waited for */
	int64_t private_bytes, pss_bytes, n_fds; /* or SAMPLE_UNREADABLE */
};

struct sample {
	struct sample_process *processes;
	size_t n;
};

#define SAMPLE_NULL                                                            \
	{                                                                      \
		NULL, 0                                                        \
	}

/* Which processes: */
struct sample_query {
	/* these, all their descendants, and the sessions that they lead, which
	 * is where a helper that left for the background still is */
	const pid_t *roots;
	size_t n_roots;
	/* but none of these names: the server that is helped, say */
	char *const *skip;
	size_t n_skip;
};

/**
 * sample_parse_stat() - the text of a /proc/PID/stat
 * @tick_hz: sysconf(_SC_CLK_TCK)
 * Return: 0 or -EINVAL
 */
int sample_parse_stat(const char *text, long tick_hz,
		      struct sample_process *out);

/**
 * sample_parse_rollup() - memory out of the text of an smaps_rollup
 * @out: private_bytes and pss_bytes are set, both or none to SAMPLE_UNREADABLE
 */
void sample_parse_rollup(const char *text, struct sample_process *out);

/**
 * sample_take() - look at them now
 * @out: on success release with sample_drop()
 * Processes that end while we look are left out.
 * Return: 0 or -errno, logged
 */
int sample_take(const struct sample_query *query, struct sample *out);
void sample_drop(struct sample *s); /* idempotent */

/**
 * bench_sample_main() - hidden verb `bench-sample [--skip NAME]… PID…`
 * One JSON line on stdout. Return: exit status: 0 or 125
 */
int bench_sample_main(int argc, char **argv);
