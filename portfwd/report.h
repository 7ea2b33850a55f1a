/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What portfwd tells the supervisor about itself, without ever waiting. */

#include <stdbool.h>

#include "netstack/base/procmem.h"
#include "netstack/loop.h"
#include "portfwd/flows.h"
#include "portfwd/portfwd.h"

struct egress;
struct ingress;
struct udp;
struct relay;

/* The bodies of PORTFWD_STATS_ARE, PORTFWD_FLOWS_ARE and PORTFWD_PORTS_ARE;
 * @cookie: the asker's */
struct portfwd_totals {
	uint32_t cookie;
	struct procmem mem;
	/* relayed flows; those still connecting are in none */
	uint64_t open[FLOW_N_PATHS], total[FLOW_N_PATHS];
	uint64_t bytes_in[FLOW_N_PATHS], bytes_out[FLOW_N_PATHS];
	uint64_t refused, unreachable, timeout, emfile, pipe_quota;
	uint64_t policy, source_lost, evicted;
	uint64_t udp_packets_in, udp_packets_out;
};

/* How a page of flows or ports begins. */
struct portfwd_page {
	uint32_t cookie;
	uint16_t n;
	uint8_t last; /* of this walk; no bool: a stranger may have sent it */
};

struct portfwd_flows {
	struct portfwd_page head;
	struct flow_record flows[FLOWS_A_PAGE];
};

#define PORTS_A_PAGE 128

struct portfwd_ports {
	struct portfwd_page head;
	struct port_record ports[PORTS_A_PAGE];
};

struct report {
	struct loop *loop;
	struct loop_source *ctl; /* to the supervisor; its events are ours */
	const struct relay *relay;
	struct egress *egress;	 /* NULL until, and unless, there is one */
	struct ingress *ingress; /* the same */
	struct udp *udp;	 /* the same */
	int mem_fd;
	struct loop_job job;
	bool wants_stats, wants_flows, wants_ports;
	uint32_t stats_cookie, ports_cookie;
	uint32_t ports_after; /* the id that the walk has come to */
	bool ports_udp;	      /* it has come to UDP */
	bool full;	      /* no room in the socket */
	bool held;	      /* page waits for it */
	unsigned int at;      /* the book that the walk has come to */
	struct portfwd_flows page;
};

/** report_init() - all but egress, ingress and udp; @ctl non-blocking */
void report_init(struct report *r, struct loop *loop, struct loop_source *ctl,
		 const struct relay *relay);

/** report_deinit() - idempotent */
void report_deinit(struct report *r);

/** report_stats(), report_flows(), report_ports() - the supervisor asks; a new
 * walk ends the one under way. Answers follow from the loop, one message a
 * turn. */
void report_stats(struct report *r, uint32_t cookie);
void report_flows(struct report *r, uint32_t cookie);
void report_ports(struct report *r, uint32_t cookie);

/** report_room() - EPOLLOUT on ctl */
void report_room(struct report *r);
