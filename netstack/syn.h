/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * First SYNs of the pod: kept here while portfwd connects on the host side,
 * then written back, answered, dropped, or left to libslirp, as it says.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/podnet.h"
#include "netstack/base/synmsg.h"
#include "netstack/frame.h"
#include "netstack/loop.h"

/*
 * SYNs kept at once: twice what portfwd connects at once (EGRESS_PENDING_MAX),
 * so that it is always asked about the newest, and can give up the oldest.
 * More are dropped, as by any full queue.
 */
#define SYN_PENDING_MAX 8192
struct syn_table;

struct syn_ops {
	/* frames for the TAP, and for libslirp; borrowed */
	void (*to_tap)(void *arg, const void *frame, size_t len);
	void (*to_stack)(void *arg, const void *frame, size_t len);
	void *arg;
};

struct syn_stats {
	uint64_t asked, repeated, full;
	uint64_t verdicts[SYN_N_WHATS];
};

/**
 * syn_new() - @loop, @plan borrowed; @peer: owned, to portfwd
 * Return: 0 or -errno, logged
 */
int syn_new(struct syn_table **out, struct loop *loop,
	    const struct podnet *plan, int peer, const struct syn_ops *ops);

/**
 * syn_attach() - a new portfwd: it is asked about all SYNs that wait
 * @peer: owned; the old one, if it is still there, is closed
 * Return: 0 or -errno, logged: the SYNs wait for the next
 */
int syn_attach(struct syn_table *t, int peer);

/** syn_free() - forgets all SYNs; Return: NULL */
struct syn_table *syn_free(struct syn_table *t);

/**
 * syn_take() - a first SYN came from the pod; its frame is copied
 *
 * The question goes out with syn_flush().
 *
 * Return: true; false when it is libslirp's
 */
bool syn_take(struct syn_table *t, const struct frame *f);

/** syn_flush() - send the questions collected since the last call */
void syn_flush(struct syn_table *t);

const struct syn_stats *syn_stats(const struct syn_table *t);
