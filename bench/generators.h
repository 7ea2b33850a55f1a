/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The generators behind load.c's command line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/base/mono.h"

#define LOAD_CONNS_MAX 20000
#define LOAD_SIZE_MAX  65536
/* How long anything may take beyond what was asked for. */
#define LOAD_GRACE_S 15

/* Filled from the command line, const afterwards. */
struct load_config {
	union endpoint target;
	struct mono duration; /* what is measured includes the warm-up */
	uint64_t bytes;	      /* bulk: instead of a duration */
	uint64_t conns;	      /* streams, clients, idle connections, ports */
	uint64_t size_bytes;  /* of a message, of a datagram */
	uint64_t mbits;	      /* udp-bulk: a second, 0: all that go */
	bool reverse;
	bool udp;   /* serve: too; ports: instead of TCP */
	bool wait;  /* ports: for the helper to come up */
	bool close; /* http: a connection for each request */
	/* delay */
	const char *interfaces[2];
	struct mono delay;
	uint32_t loss_ppm;
	uint64_t queue_bytes, seed;
	char *const *command; /* spawn */
};

/*
 * Each runs to its end and prints its JSON line.
 * Return: 0, or -errno / 1, logged
 */
int load_serve(const struct load_config *cfg);
int load_bulk(const struct load_config *cfg);
int load_rr(const struct load_config *cfg);
int load_crr(const struct load_config *cfg);
int load_idle(const struct load_config *cfg);
int load_ports(const struct load_config *cfg);
int load_udp_bulk(const struct load_config *cfg);
int load_udp_rr(const struct load_config *cfg);
int load_dns(const struct load_config *cfg);
int load_serve_dns(const struct load_config *cfg);
int load_http(const struct load_config *cfg);
int load_delay(const struct load_config *cfg);
int load_spawn(const struct load_config *cfg);
