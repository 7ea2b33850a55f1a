/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The sockets of `forward` that lead to its target. */

#include "netstack/base/podnet.h"
#include "portfwd/spec.h"

/* "ps" and a number: nobody else's, it is to be hoped */
#define OUTLET_MARK 0x70730001U

enum outlet_kind {
	OUTLET_HOP,   /* of a pod, not of `forward`: transparent ones */
	OUTLET_HOST,  /* of the host's network, for an address */
	OUTLET_NETNS, /* of the target's network namespace */
	OUTLET_UNIX,  /* connected ones, to a unix socket */
};

struct outlet {
	enum outlet_kind kind;
	const char *path; /* of the unix socket, borrowed; else NULL */
	/* of OUTLET_NETNS: inbound.h has set it up for transparent ones */
	bool transparent;
};

/** outlet_lead() - @ip is where @plan leads to in that family */
void outlet_lead(struct podnet *plan, const struct ip *ip);

/**
 * outlet_fit() - make @spec what can lead there
 *
 * Of `forward` no client's address is kept, unless @o is transparent.
 *
 * Return: 0 or -EINVAL, logged: nothing can
 */
int outlet_fit(const struct outlet *o, struct spec *spec);

/**
 * outlet_path_ok() - can @path be that of a unix socket?
 * Return: 0 or -EINVAL, logged
 */
int outlet_path_ok(const char *path);

/**
 * outlet_socket() - a socket of the network namespace we are in, or one that
 * is connected to @o->path
 * @family: AF_INET or AF_INET6
 * @type: SOCK_STREAM or SOCK_DGRAM
 *
 * Never blocks: a unix socket whose backlog is full gives -EAGAIN.
 *
 * Return: descriptor, non-blocking, CLOEXEC, ready for the relay; or -errno,
 *	   not logged
 */
int outlet_socket(const struct outlet *o, int family, int type);
