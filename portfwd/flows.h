/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The list of live flows that `podsplice flows` shows, page by page. */

#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/base/list.h"
#include "netstack/base/mono.h"

struct relay_flow;

/* Records in one message. */
#define FLOWS_A_PAGE 64

#define FLOW_RTT_UNKNOWN UINT32_MAX

enum flow_direction { FLOW_EGRESS, FLOW_INGRESS };

enum flow_path { FLOW_SPLICE, FLOW_COPY, FLOW_UDP, FLOW_N_PATHS };

enum flow_state {
	FLOW_CONNECTING,
	FLOW_WRITTEN, /* its SYN was written back; the pod shakes hands */
	FLOW_OPEN,
	FLOW_HALF_CLOSED,
};

struct flow_record {
	uint8_t direction, path, state; /* enum flow_… */
	uint32_t rtt_us;		/* of the remote's side */
	uint64_t age_ms;
	uint64_t bytes_in, bytes_out; /* in: towards the pod */
	/* family 0: not known. host: our own address towards the remote */
	union endpoint pod, remote, host;
};

/* Embedded in each flow. */
struct flow_node {
	struct list link;
	struct mono since;
};

/** Fills everything but age_ms, over a record that is all zero. */
typedef void (*flow_fill_fn)(const struct flow_node *node,
			     struct flow_record *out);

struct flow_book {
	struct list flows; /* newest first */
	struct list mark;  /* on it, behind what the walk has shown */
	flow_fill_fn fill;
};

void flow_book_init(struct flow_book *b, flow_fill_fn fill);

/** flow_book_add() - list_del(&node->link) takes it out again, at any time */
void flow_book_add(struct flow_book *b, struct flow_node *node,
		   struct mono now);

/** flow_book_rewind() - begin a walk; there is one at a time */
void flow_book_rewind(struct flow_book *b);

/**
 * flow_book_page() - the next records of the walk
 *
 * A walk shows each flow that lives from its begin to its end once, and none
 * that is newer than its begin: it ends, however busy the pod is.
 *
 * Return: how many; fewer than @max: it was the last page
 */
size_t flow_book_page(struct flow_book *b, struct mono now,
		      struct flow_record *out, size_t max);

/**
 * flow_record_relay() - what the relay knows: path, state, bytes, host, rtt
 * @f: relayed; its end a is the remote's
 */
void flow_record_relay(const struct relay_flow *f, struct flow_record *out);

/** flow_record_local() - the host end, from a socket; -1 is fine */
void flow_record_local(int fd, struct flow_record *out);
