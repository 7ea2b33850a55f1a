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

struct ingress;

/* Why a pod saw the gateway's address instead of the client's. */
enum ingress_lost {
	INGRESS_LOST_NONE,
	INGRESS_LOST_OFF,     /* source=off */
	INGRESS_LOST_LOCAL,   /* loopback or link-local client */
	INGRESS_LOST_POD,     /* client in the pod's own subnets */
	INGRESS_LOST_FAMILY,  /* the pod has or takes only the other family */
	INGRESS_LOST_ROUTE,   /* IPv6 client, pod without an IPv6 route */
	INGRESS_LOST_ADDRESS, /* the hop wouldn't bind it */
	INGRESS_LOST_N,
};

struct ingress_stats {
	uint64_t accepted;
	uint64_t refused, unreachable; /* by the pod: clients were reset */
	uint64_t lost[INGRESS_LOST_N]; /* source address lost, by reason */
	uint64_t port_changed;	       /* address kept, port not */
	uint64_t paused_fds, paused_pool;
	uint64_t over_max;
};

/**
 * ingress_new() - @loop, @relay, @plan are borrowed
 * @maker: owned: to the socket maker
 * Return: 0 or -errno, logged
 */
int ingress_new(struct ingress **out, struct loop *loop, struct relay *relay,
		const struct podnet *plan, int maker);

/** ingress_free() - resets all flows, closes all listeners; Return: NULL */
struct ingress *ingress_free(struct ingress *in);

/**
 * ingress_route6() - has the pod a route to IPv6 clients of the world?
 * It has, until this says otherwise. Without one it couldn't answer them, so
 * they come from the gateway.
 */
void ingress_route6(struct ingress *in, bool has);

/**
 * ingress_publish() - add listeners of a SPEC; nothing is accepted before
 * ingress_start()
 * @fds: @p->n listening sockets, owned on success
 * Return: 0 or -errno, logged
 */
int ingress_publish(struct ingress *in, const struct portfwd_publish *p,
		    const int *fds);

/** ingress_maker() - a new socket maker, owned; Return: 0 or -errno, logged */
int ingress_maker(struct ingress *in, int maker);

/** ingress_start() - accept from now on; Return: 0 or -errno, logged */
int ingress_start(struct ingress *in);

const struct ingress_stats *ingress_stats(const struct ingress *in);

/** ingress_book() - its flows, those included that wait for the pod */
struct flow_book *ingress_book(struct ingress *in);
