/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of published UDP ports share: udp.c, udp_flow.c, udp_error.c
 */

#include "netstack/base/hopudp.h"
#include "portfwd/publication.h"
#include "portfwd/udp.h"
#include "portfwd/udp_io.h"
#include "portfwd/udp_table.h"

/* The socket of a host's port. */
struct udp_port {
	struct loop_source src;
	struct list link;    /* on u->ports */
	struct list waiting; /* on u->waiting: may have more to read */
	struct udp *u;
	struct publication *pub;
	uint16_t host_port, pod_port;
	bool whole[2]; /* what it sends isn't fragmented: IPv4, IPv6 */
};

/*
 * A client of a port, at one of the host's addresses. It always has a socket;
 * the set of the pod's flows (nft_udp.c) has it from its first datagram to the
 * pod until udp_flow_close().
 */
struct udp_flow {
	struct loop_source src; /* in the hop, connected to the pod */
	struct udp_node node;
	struct flow_node book;
	struct udp_port *port;
	union endpoint to; /* the client as the port's socket has it */
	union endpoint as; /* the client as the pod sees it */
	enum source_rung rung;
	struct mono told; /* when a datagram was last sent to the pod */
	/* the first datagram, until it is known whether the pod takes it in
	 * this family; NULL: it is known, or there is no other */
	uint8_t *first;
	size_t first_len;
	size_t gso_in, gso_out; /* struct udp_way */
	uint64_t bytes_in, bytes_out;
};

struct udp {
	struct loop *loop;
	const struct source *source;
	const struct podnet *plan; /* its */
	struct pool *pool;
	struct pool_user sockets, icmp;
	int icmp_fds[2]; /* of the hop: IPv4, IPv6; -1: not there yet */
	struct list publications, ports;
	struct list waiting; /* ports that may have more to read */
	struct udp_table table;
	struct flow_book book;
	struct udp_io io;
	struct loop_job resume;
	struct loop_timer retry, sweep;
	size_t max_flows, n_first;
	bool started;
	bool short_of; /* the maker sends none: new clients are not served */
	struct udp_stats stats;
};

/**
 * udp_flow_open() - a socket in the hop for a new client
 * @first: what it sends
 * Return: 0; -EAGAIN: no socket now; or another -errno; not logged
 */
int udp_flow_open(struct udp_flow **out, struct udp_port *port,
		  const struct udp_key *key, const struct udp_msg *first);

/** udp_flow_close() - leaves the pod's set, then closes; frees @f */
void udp_flow_close(struct udp_flow *f);

/** udp_flow_keep() - stay in the pod's set without having sent anything */
void udp_flow_keep(struct udp_flow *f);

/** udp_flow_refused() - the pod has no such port, in this family */
void udp_flow_refused(struct udp_flow *f);

/** udp_flow_answered() - this is the family it has it in */
void udp_flow_answered(struct udp_flow *f);

/** udp_flow_readable() - the hop's socket, in udp.c */
void udp_flow_readable(struct loop_source *src, uint32_t revents);

/**
 * udp_errors() - tell the pod what became of what it sent from @port
 * @sender: whose datagram was just refused, or NULL: such errors name no flow
 */
void udp_errors(struct udp_port *port, const struct udp_flow *sender);
