/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of published TCP ports share: ingress.c, ingress_ports.c */

#include "portfwd/ingress.h"
#include "portfwd/publication.h"

struct ingress_port {
	struct loop_source src; /* the listener */
	struct list link;	/* on in->ports */
	struct list waiting;	/* on in->waiting: may have more to accept */
	struct ingress *in;
	struct publication *pub;
	uint32_t n_flows;
	uint16_t pod_port;
	uint16_t n_connecting; /* flows not yet relayed */
	bool full;	       /* too many: another may come when one goes */
	struct mono early;     /* until then the pod's server isn't there yet */
};

struct ingress_flow {
	struct relay_flow relay;
	struct flow_node node;
	struct list link; /* on one of the lists of flows of struct ingress */
	struct ingress_port *port;
	union endpoint client;
	int client_fd;
	enum source_rung rung;
	bool unanswered; /* on the rung of the client's own address */
};

struct ingress {
	struct loop *loop;
	struct relay *relay;
	const struct source *source;
	const struct podnet *plan; /* its */
	struct pool *pool;
	struct pool_user sockets;
	struct list publications, ports;
	struct list waiting; /* ports that may have more to accept */
	struct list connecting, relaying;
	struct list starved;   /* flows that wait for a hop socket */
	struct list early;     /* flows that were refused: in->retry */
	struct flow_book book; /* all of them */
	struct loop_job resume;
	struct loop_timer retry;
	bool started;
	/* clients start at the gateway until then: `forward`'s target didn't
	 * answer one, but it did answer us */
	struct mono unanswered_until;
	struct ingress_stats stats;
};

/** ingress_acceptable() - a listener's event */
void ingress_acceptable(struct loop_source *src, uint32_t revents);

/** ingress_flow_free() - one that isn't relayed, or not any more; resets what
 * is open of it */
void ingress_flow_free(struct ingress_flow *f);

/** ingress_port_unref() - a closed port goes with its last flow, and a removed
 * SPEC with its last port: this may have been it */
void ingress_port_unref(struct ingress_port *p);
