/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which source address the pod sees, of TCP and of UDP: a ladder, tried from
 * the top until something works.
 */

#include "netstack/base/podnet.h"
#include "portfwd/spec.h"

/* Of the pod, as it is now. */
struct source {
	const struct podnet *plan;
	/* it couldn't answer IPv6 clients of the world */
	bool no_route6;
	/* no hop before it, but a target of `forward` */
	bool direct;
	/* that is a unix socket: what comes from the maker is connected */
	bool connected;
	/* by enum spec_proto: what is sent to a client's address doesn't come
	 * back from there */
	bool lost[2];
};

enum source_rung {
	SOURCE_CLIENT,	    /* the client's address and port */
	SOURCE_CLIENT_ADDR, /* the client's address, any port */
	SOURCE_GATEWAY,	    /* the gateway's address, the client's family */
	SOURCE_OTHER,	    /* the gateway's address, the other family */
	SOURCE_NONE,
};

/* Why a pod saw the gateway's address instead of the client's. */
enum source_lost {
	SOURCE_LOST_NONE,
	SOURCE_LOST_OFF,     /* source=off */
	SOURCE_LOST_LOCAL,   /* loopback or link-local client */
	SOURCE_LOST_POD,     /* client in the pod's own subnets */
	SOURCE_LOST_FAMILY,  /* the pod has or takes only the other family */
	SOURCE_LOST_ROUTE,   /* IPv6 client, pod without an IPv6 route */
	SOURCE_LOST_ADDRESS, /* the hop wouldn't bind it */
	SOURCE_LOST_ANSWER,  /* `forward`: answers to it don't come back */
	SOURCE_LOST_N,
};

/* Clients, by what the pod sees of them. */
struct source_stats {
	uint64_t lost[SOURCE_LOST_N]; /* the gateway, by reason */
	uint64_t port_changed;	      /* their address, but not their port */
};

/**
 * source_why_lost() - does this client start at the gateway?
 *
 * Addresses that mean something else inside the pod do (loopback, link-local,
 * the pod's own subnets): the pod would answer itself or its link.
 */
enum source_lost source_why_lost(const struct source *s,
				 const struct spec *spec,
				 const struct ip *client);

/** source_lost_at() - the reason, for a client that is served on @rung */
enum source_lost source_lost_at(const struct source *s, const struct spec *spec,
				const struct ip *client, enum source_rung rung);

/** source_family() - the family that a rung speaks to the pod */
int source_family(const struct podnet *plan, enum source_rung rung,
		  const struct ip *client);

/** source_pod_ip() - where a port leads to, in a family */
const struct ip *source_pod_ip(const struct podnet *plan,
			       const struct spec *spec, int family);

/** source_gw_ip() - the gateway's address of a family */
const struct ip *source_gw_ip(const struct podnet *plan, int family);

/**
 * source_connect() - bind @fd, a socket of the hop, as @rung says, and connect
 * it to the pod
 * @pod_port: one of @spec's
 *
 * Return: 0 (also when the connection is under way) or -errno, never -EAGAIN;
 *         not logged
 */
int source_connect(int fd, const struct podnet *plan, const struct spec *spec,
		   enum source_rung rung, const union endpoint *client,
		   uint16_t pod_port);

/**
 * source_next() - the rung to try when @rung has failed with @err
 *
 * When the pod refuses in the client's family, the other family is tried from
 * the gateway.
 */
enum source_rung source_next(const struct podnet *plan, enum source_rung rung,
			     int err);
