/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Sockets of a network namespace as the kernel lists them: sock_diag(7). */

#include <stdint.h>

#include "netstack/base/addr.h"

struct sockdiag {
	int fd; /* of sockdiag_socket(); owned by who made it; -1: none */
	uint32_t seq;
};

/**
 * sockdiag_socket() - for the current network namespace
 *
 * It answers about that namespace wherever it is used, and needs no privilege.
 * User ids are those of the user namespace that the caller is in. Nobody but
 * the kernel can send to it, whatever power he has over the namespace.
 *
 * Return: a non-blocking descriptor or -errno, logged
 */
int sockdiag_socket(void);

/**
 * sockdiag_owner() - whose is the socket of a flow?
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @local, @remote: as the namespace sees them; either may be of no family
 *
 * Where no socket is of just this flow, but one takes what comes to @local,
 * that one's. Never blocks.
 *
 * Return: user id, or -1: there is no such socket, or nobody holds it
 */
int32_t sockdiag_owner(struct sockdiag *sd, int proto,
		       const union endpoint *local,
		       const union endpoint *remote);

typedef void (*sockdiag_fn)(void *arg, const union endpoint *local);

/**
 * sockdiag_listening() - call @fn for each socket that takes from anybody
 * @proto: IPPROTO_TCP: those that listen; IPPROTO_UDP: those that are bound and
 *	   not connected
 *
 * IPv4 and IPv6. Costs by the number of such sockets, not of all. A socket that
 * comes or goes meanwhile may make another one be missed.
 *
 * Return: 0 or -errno, not logged
 */
int sockdiag_listening(struct sockdiag *sd, int proto, sockdiag_fn fn,
		       void *arg);
