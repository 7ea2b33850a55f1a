/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The server's side of datagrams: echoes, and runs that a session asked for. */

#include "bench/dgram.h"

struct dgram_run;

/* What all UDP ports of a server have in common. */
struct dgram_server {
	struct loop *loop;
	const struct pattern *pattern;
	struct dgram_box *box;
	struct list runs;
};

/* A UDP port. One at a time of its runs sends. */
struct dgram_port {
	struct loop_source src;
	struct dgram_server *srv;
	struct dgram_run *sends;
};

/**
 * dgram_server_init() - both are borrowed
 * Return: 0 or -errno, logged; dgram_server_deinit() in both cases
 */
int dgram_server_init(struct dgram_server *srv, struct loop *loop,
		      const struct pattern *pattern);
void dgram_server_deinit(struct dgram_server *srv);

/** dgram_port_open() - Return: 0 or -errno, logged */
int dgram_port_open(struct dgram_port *port, struct dgram_server *srv,
		    const union endpoint *at);
void dgram_port_close(struct dgram_port *port); /* idempotent */

/** dgram_run_new() - Return: NULL: no memory, or no such run is possible */
struct dgram_run *dgram_run_new(struct dgram_server *srv,
				const struct wire_request *request);
void dgram_run_free(struct dgram_run *run);

/** dgram_run_report() - end it, and say what became of it */
struct wire_dgram_report dgram_run_report(struct dgram_run *run);
