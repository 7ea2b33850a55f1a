/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Published TCP ports: accept on the host side, connect to the pod with the
 * client's address as source, relay.
 */

#include <stdint.h>

#include "netstack/base/podnet.h"
#include "portfwd/flows.h"
#include "portfwd/pool.h"
#include "portfwd/portfwd.h"
#include "portfwd/relay.h"
#include "portfwd/source.h"

struct ingress;

struct ingress_stats {
	uint64_t accepted;
	uint64_t refused, unreachable; /* by the pod: clients were reset */
	struct source_stats source;
	uint64_t paused_fds, paused_pool;
	uint64_t paused_pod; /* too many wait for the pod's answer */
	uint64_t over_max;
};

/**
 * ingress_new() - all are borrowed
 * Return: 0 or -errno, logged
 */
int ingress_new(struct ingress **out, struct loop *loop, struct relay *relay,
		const struct source *source, struct pool *pool);

/** ingress_free() - resets all flows, closes all listeners; Return: NULL */
struct ingress *ingress_free(struct ingress *in);

/**
 * ingress_publish() - add listeners of a SPEC; nothing is accepted before
 * ingress_start()
 * @fds: @p->n listening sockets; those that are owned afterwards, all on
 *	 success, are -1
 * Return: 0 or -errno, logged
 */
int ingress_publish(struct ingress *in, const struct portfwd_publish *p,
		    int *fds);

/**
 * ingress_unpublish() - close the ports of SPEC @id, if there is one
 * @drop: reset its flows, too; else they go on to their end
 */
void ingress_unpublish(struct ingress *in, uint32_t id, bool drop);

/** ingress_ports_page() - publications_page() of its ports */
size_t ingress_ports_page(struct ingress *in, uint32_t after,
			  struct port_record *out, size_t max);

/** ingress_start() - accept from now on; Return: 0 or -errno, logged */
int ingress_start(struct ingress *in);

/** ingress_retarget() - the plan leads elsewhere: what was found out is void */
void ingress_retarget(struct ingress *in);

const struct ingress_stats *ingress_stats(const struct ingress *in);

/** ingress_book() - its flows, those included that wait for the pod */
struct flow_book *ingress_book(struct ingress *in);
