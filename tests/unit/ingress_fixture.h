/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Published ports with a socket maker played by the test. Where the program
 * has a namespace of its own, world and pod are addresses of its loopback
 * device; else both are in 127/8 and ::1.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/ingress.h"
#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

struct ix {
	struct loop loop;
	struct relay relay;
	struct podnet plan;
	struct source source;
	struct pool *pool;
	struct ingress *in;
	struct loop_source maker;
	bool maker_silent; /* doesn't answer */
	int maker_errno;   /* answers without sockets */
	int maker_ns;	   /* makes them in there; -1: here */
	uint32_t asked[2]; /* requests while silent: IPv4, IPv6 */
	size_t made;
	uint32_t early_s;	 /* of what is published */
	uint16_t port, pod_port; /* the first ones published */
	int server[2];		 /* the pod's listeners: IPv4, IPv6 */
	size_t n_fds;
};

/* Of the whole program. */
struct netns *ix_netns(void);

/* One flow, as its two ends see it. */
struct conn {
	int client, pod;
	union endpoint seen; /* the client's address in the pod */
};

int ix_setup(void **state);  /* pod with IPv4 only */
int ix_setup6(void **state); /* with both */
int ix_teardown(void **state);

/* Use addresses that mean something else than loopback; needs the netns. */
void ix_plan_world(struct ix *ix);

/* Let the pod listen, publish a port, and start. @how is a SPEC's options. */
void ix_publish(struct ix *ix, const char *options, uint16_t count);
void ix_pod_listen(struct ix *ix, int family);
void ix_answer(struct ix *ix); /* what was asked while the maker was silent */

/* Connect from @src (NULL: any) to the published port plus @index. */
int ix_client(struct ix *ix, const char *src, uint16_t index, bool reuse);
/* The same, and accept in the pod. */
void ix_connect(struct ix *ix, struct conn *c, const char *src);
int ix_accept(struct ix *ix, int family, union endpoint *from);
void conn_close(struct conn *c);
/* A byte each way. */
void ix_check(struct ix *ix, const struct conn *c);
/* What reading from @fd ends with: 0 or -errno, after at most PATIENCE_MS. */
int ix_end_of(struct ix *ix, int fd);
bool ix_seen_as(const struct conn *c, const char *addr);
