/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What all generators share: a run with its guard, and how sessions begin. */

#include "bench/generators.h"
#include "bench/pattern.h"
#include "bench/wire.h"
#include "netstack/loop.h"

/* One generator at work. */
struct run {
	struct loop loop;
	const struct load_config *cfg;
	const char *name; /* for messages */
	struct loop_timer guard;
	struct pattern *pattern;
	uint8_t *buf; /* PATTERN_CHUNK bytes, shared: nothing stays in it */
	bool failed;
};

/**
 * run_init() - buffers, loop, and a guard that fails the run in time
 * @limit: from now
 *
 * Return: 0 or -errno, logged; run_deinit() in both cases
 */
int run_init(struct run *run, const char *name, const struct load_config *cfg,
	     struct mono limit);
void run_deinit(struct run *run);

/** run_fail() - log the first failure, end the run with 1 */
void run_fail(struct run *run, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * load_connect() - a non-blocking socket on its way to the target
 * @type: SOCK_STREAM or SOCK_DGRAM
 * Return: the descriptor, or -errno, not logged
 */
int load_connect(const union endpoint *target, int type);

/** load_connected() - after EPOLLOUT; Return: 0 or -errno, not logged */
int load_connected(int fd);

struct session;
typedef void (*session_fn)(struct session *s);

enum session_state {
	SESSION_CONNECT, /* waits for EPOLLOUT */
	SESSION_HELLO,	 /* request sent, reads the hello */
	SESSION_OPEN,	 /* its owner's; src.fn may be replaced */
};

/* A connection that asked the server for a mode. */
struct session {
	struct loop_source src;
	struct run *run;
	enum session_state state;
	size_t n_hello;
	struct wire_request request;
	struct wire_hello hello;
	session_fn open; /* once, with EPOLLIN wanted: set src.fn here */
};

/**
 * session_start() - connect and ask; @s->request and @s->open are set
 * Failure ends the run.
 */
void session_start(struct session *s, struct run *run);

/** session_close() - idempotent, also on a zeroed one that never started */
void session_close(struct session *s);

/**
 * session_describe() - the members of a JSON object that tell the path taken:
 * "target":…,"peer":…,"mss":…,"congestion":…,"server_congestion":…
 */
void session_describe(const struct session *s);
