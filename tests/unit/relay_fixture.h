/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A relay between pairs of real TCP sockets on loopback. Each test runs in all
 * variants: over IPv4 and IPv6, through a big pipe, one of a single page, and
 * without any.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "portfwd/relay.h"
#include "tests/unit/harness.h"

struct variant {
	const char *name;
	int family;
	int pipe_bytes; /* -1: none, so data is copied */
};

/* One flow and the applications' sockets at its ends. */
struct wire {
	int a, b;
	struct relay_flow flow;
	bool ended, clean;
};

struct rx {
	const struct variant *variant;
	struct loop loop;
	struct relay relay;
	size_t n_fds; /* before anything was opened */
};

/* What went into one socket and came out of another. */
struct stream {
	int from, to;
	unsigned int seed;
	uint64_t total, sent, got;
	bool eof;
	int err; /* of the reading end */
};

void wire_open(struct rx *rx, struct wire *w);
void wire_start(struct rx *rx, struct wire *w, int fd_a, int fd_b);
void wire_close(struct wire *w); /* the applications' sockets */

/* Write what goes; Return: bytes */
size_t stream_feed(struct stream *s);
/* Read and check at most @max bytes; Return: bytes */
size_t stream_drain(struct stream *s, size_t max);
/* Move all of @s through the relay. */
void stream_run(struct rx *rx, struct stream *s);

/* Read until nothing comes; Return: bytes, with -errno or 0 in @end */
size_t read_to_end(struct rx *rx, int fd, uint8_t *buf, size_t cap, int *end);

struct rx_test {
	const char *name;
	void (*fn)(void **state);
};

#define RX_TEST(fn)                                                            \
	{                                                                      \
#fn, fn                                                        \
	}

/* Run @tests once in each variant; Return: failures */
int rx_main(const struct rx_test *tests, size_t n);
