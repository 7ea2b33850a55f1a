/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The relay engine: moves bytes between two connected TCP sockets with
 * splice(2), in both directions, whoever opened them. FIN, half-close, reset
 * and urgent data cross over as what they are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/loop.h"

/* The pipe all flows of a process share, and how much one gets per turn. */
#define RELAY_PIPE_BYTES 1048576
#define RELAY_BUF_BYTES	 65536
/* A pipe that can't be had, or is too small, is asked for again after so long.
 */
#define RELAY_PIPE_AGAIN_MS 1000
/* Up to here a message is copied: two cheap calls instead of three. */
#define RELAY_SMALL_BYTES   16384
#define RELAY_CHUNKS_A_TURN 8

struct relay_flow;

/*
 * Called once, from the loop, when a flow has ended. Both sockets are closed;
 * the flow may be freed.
 * @clean: both directions ended in order; false: reset
 */
typedef void (*relay_ended_fn)(struct relay_flow *flow, bool clean);

/* Bytes that were taken from one side and found no room on the other. */
struct relay_stash;

/* One side of a flow. */
struct relay_end {
	struct loop_source src;
	struct relay_stash *stash; /* waiting to be written to this end */
	uint64_t bytes;		   /* read from this end */
	uint32_t seen;		   /* events before relay_start() */
	bool readable : 1;	   /* reading hasn't yet said EAGAIN */
	bool writable : 1;	   /* the last look found room */
	bool fresh : 1;	 /* its event has come, and nothing was read since */
	bool bulk : 1;	 /* its last turn was a long one: splice at once */
	bool hup : 1;	 /* it has said RDHUP: read until the end of file */
	bool urgent : 1; /* an urgent byte waits to be read */
	bool failed : 1; /* the kernel reported an error */
	bool eof : 1;	 /* its FIN was read */
	bool shut : 1;	 /* the other side's FIN was passed on to it */
};

struct relay_flow {
	struct relay *relay;
	struct relay_end a, b;
	struct list runnable; /* on relay->runnable: has more to do at once */
	relay_ended_fn ended;
};

/* Which way: from end a to b, or back; and how. */
enum relay_way { RELAY_A_TO_B, RELAY_B_TO_A, RELAY_N_WAYS };

struct relay_stats {
	uint64_t opened, ended_clean, ended_reset;
	uint64_t opened_copied; /* of the opened: while there was no pipe */
	uint64_t chunks_spliced, chunks_copied, stashed;
	uint64_t bytes_spliced[RELAY_N_WAYS], bytes_copied[RELAY_N_WAYS];
	uint64_t pipe_quota; /* no pipe any more, or a smaller one */
};

struct relay {
	struct loop *loop;
	int pipe[2];	      /* empty between turns; -1: copy instead */
	bool lacking;	      /* there is none, or a smaller one than wanted */
	struct mono again_at; /* then look whether that is over */
	uint8_t *buf;	      /* for copying and urgent data, RELAY_BUF_BYTES */
	struct list runnable;
	struct loop_job again;
	size_t n_flows;
	struct relay_stats stats;
};

/**
 * relay_init() - @loop is borrowed
 *
 * Without a pipe (quota, descriptors) flows are copied, which is told once, and
 * until there is one.
 *
 * Return: 0 or -errno, logged
 */
int relay_init(struct relay *relay, struct loop *loop);

/** relay_deinit() - all flows must have ended; idempotent */
void relay_deinit(struct relay *relay);

/* What a socket that waits for its connect() may be watched with already. */
#define RELAY_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/**
 * relay_start() - start relaying between @fd_a and @fd_b
 * @flow: zeroed by the caller but for @ended; must live until @ended is called
 * @fd_a, @fd_b: connected, non-blocking, without duplicates, prepared as in
 *	  relay_socket.h; owned by the flow on success, still the caller's on
 *	  failure
 *
 * An end whose src has an fn is in @relay's loop already (with RELAY_EVENTS, by
 * its owner, who waited for its connect()) and is taken over: its seen has all
 * events that came, EPOLLOUT among them. It stays watched on failure.
 *
 * With that linger a process that dies resets its flows: a cut-off transfer
 * must never look complete.
 *
 * Return: 0 or -errno, logged; @ended is not called then
 */
int relay_start(struct relay *relay, struct relay_flow *flow, int fd_a,
		int fd_b);

/** relay_abort() - reset both sides now; @ended is called */
void relay_abort(struct relay_flow *flow);
