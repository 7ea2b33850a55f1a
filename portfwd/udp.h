/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Published UDP ports: datagrams between the host's socket of a port and, for
 * each client, a socket of the hop that is connected to the pod.
 */

#include <stdint.h>

#include "netstack/base/podnet.h"
#include "portfwd/flows.h"
#include "portfwd/pool.h"
#include "portfwd/portfwd.h"
#include "portfwd/source.h"

struct udp;

/* How long a flow lives without a datagram, unless its SPEC has idle=. */
#define UDP_IDLE_S 180

struct udp_stats {
	uint64_t opened;
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint64_t refused; /* by the pod, in both families */
	struct source_stats source;
	uint64_t evicted;  /* flows that made room for others */
	uint64_t over_max; /* datagrams: the SPEC's max= */
	uint64_t shortage; /* datagrams: no socket for their flow */
	uint64_t unsent;   /* datagrams: refused by the kernel */
};

/**
 * udp_new() - all are borrowed
 * Return: 0 or -errno, logged
 */
int udp_new(struct udp **out, struct loop *loop, const struct source *source,
	    struct pool *pool);

/** udp_free() - closes everything; NULL is fine; Return: NULL */
struct udp *udp_free(struct udp *u);

/**
 * udp_publish() - add ports of a SPEC; nothing is read before udp_start()
 * @fds: @p->n sockets of listen_open(); those that are owned afterwards, all on
 *	 success, are -1
 * Return: 0 or -errno, logged
 */
int udp_publish(struct udp *u, const struct portfwd_publish *p, int *fds);

/**
 * udp_unpublish() - close the ports of SPEC @id, if there is one
 * Its flows end with it: they answer through the port's socket.
 */
void udp_unpublish(struct udp *u, uint32_t id);

/** udp_drop_flows() - all clients begin anew */
void udp_drop_flows(struct udp *u);

/** udp_ports_page() - publications_page() of its ports */
size_t udp_ports_page(struct udp *u, uint32_t after, struct port_record *out,
		      size_t max);

/** udp_start() - serve from now on; Return: 0 or -errno, logged */
int udp_start(struct udp *u);

const struct udp_stats *udp_stats(const struct udp *u);

/** udp_count() - flows open now */
size_t udp_count(const struct udp *u);

/** udp_book() - its flows */
struct flow_book *udp_book(struct udp *u);
