/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Asks the helper's other processes for their counters and flows, and waits
 * for none of them.
 */

#include "netstack/netstack.h"
#include "portfwd/report.h"
#include "setup/helper/maker.h"

enum query_who { QUERY_NETSTACK, QUERY_PORTFWD, QUERY_MAKER, QUERY_N_WHO };

/* One of each may be under way. */
enum query_what { QUERY_STATS, QUERY_FLOWS, QUERY_PORTS, QUERY_N_WHAT };

/* How long a process may say nothing while it is waited for. */
#define QUERY_PATIENCE_MS 2000

struct query;

/* What came in; has[]: who answered. */
struct query_stats {
	bool has[QUERY_N_WHO];
	struct netstack_totals netstack;
	struct portfwd_totals portfwd;
	struct maker_totals maker;
};

struct query_ops {
	/* the end of a QUERY_STATS */
	void (*stats)(void *arg, const struct query_stats *st);
	/* some flows, and the end of a QUERY_FLOWS; @whole: none is missing */
	void (*flows)(void *arg, const struct flow_record *r, size_t n);
	void (*flows_end)(void *arg, bool whole);
	/* the same for a QUERY_PORTS */
	void (*ports)(void *arg, const struct port_record *r, size_t n);
	void (*ports_end)(void *arg, bool whole);
	void *arg;
};

/** query_new() - Return: 0 or -errno, logged */
int query_new(struct query **out, struct loop *loop,
	      const struct query_ops *ops);

/** query_free() - before the descriptors are closed; Return: NULL */
struct query *query_free(struct query *q);

/**
 * query_attach() - @who can be asked over @fd from now on
 * @fd: its control socket, non-blocking, borrowed; -1: it is gone
 * Return: 0 or -errno, logged
 */
int query_attach(struct query *q, enum query_who who, int fd);

/**
 * query_begin() - ask; none of that sort may be under way
 * The end is told from the loop, never from within this call.
 */
void query_begin(struct query *q, enum query_what what);

/** query_who_name() - the process's name, static */
const char *query_who_name(enum query_who who);
