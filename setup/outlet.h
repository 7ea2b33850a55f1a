/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The sockets of `forward` that lead to its target. */

/* What they are. */
enum outlet_kind {
	OUTLET_HOP,   /* of a pod, not of `forward`: transparent ones */
	OUTLET_HOST,  /* of the host's network, for an address */
	OUTLET_NETNS, /* of the target's network namespace */
};

/**
 * outlet_socket() - a socket of the network namespace we are in
 * @family: AF_INET or AF_INET6
 * @type: SOCK_STREAM or SOCK_DGRAM
 *
 * Return: descriptor, non-blocking, CLOEXEC, ready for the relay; or -errno,
 *	   not logged
 */
int outlet_socket(int family, int type);
