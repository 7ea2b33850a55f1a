/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The pod's DNS service: forwards queries (RFC 1035, over UDP and TCP) to the
 * host's resolvers with failover, and never caches, so that what the host's
 * resolver decides (VPN, split DNS) is what the pod gets.
 */

#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/loop.h"

#define DNS_SERVERS_MAX 8
#define DNS_UDP_PENDING_MAX                                                    \
	512	       /* waiting at once; one more ends the oldest            \
			*/
#define DNS_TCP_MAX 64 /* clients at once; more wait in the backlog */

struct dns;

/*
 * Who asked, opaque to this module: handed back with the reply. Two queries are
 * of the same peer when all bytes are equal, so unused ones must be zero.
 */
struct dns_peer {
	_Alignas(8) uint8_t opaque[72];
};

/**
 * Sends a UDP reply to the pod. Called from the loop, also from within
 * dns_udp_query().
 */
typedef void (*dns_reply_fn)(void *arg, const struct dns_peer *peer,
			     const void *msg, size_t len);

struct dns_stats {
	uint64_t queries;   /* taken, UDP and TCP */
	uint64_t replies;   /* given, SERVFAIL included */
	uint64_t failures;  /* answered SERVFAIL by us: no server did */
	uint64_t failovers; /* a server was passed over for the next */
	uint64_t truncated; /* UDP replies cut for the pod's MTU (TC set) */
	uint64_t dropped;   /* malformed, forged or over a limit */
	uint64_t starved;   /* had to wait for a descriptor or memory */
};

/** dns_new() - @loop borrowed; Return: 0 or -errno, logged */
int dns_new(struct dns **out, struct loop *loop, dns_reply_fn reply, void *arg);

/** dns_free() - closes everything, listeners included; Return: NULL */
struct dns *dns_free(struct dns *d);

/**
 * dns_set_servers() - replace the upstreams, in order of preference
 * @servers: copied; port 0 means 53; at most DNS_SERVERS_MAX are used
 *
 * Queries under way go on with the servers they have.
 *
 * Return: 0 or -ENOMEM, logged: it has the servers that it had
 */
int dns_set_servers(struct dns *d, const union endpoint *servers, size_t n);

/**
 * dns_udp_query() - a query from the pod
 * @msg:       the DNS message, untrusted, borrowed
 * @max_reply: the largest reply that fits the pod's MTU in one packet; a
 *             longer one is answered with TC set, so that the pod asks by TCP
 */
void dns_udp_query(struct dns *d, const struct dns_peer *peer, const void *msg,
		   size_t len, size_t max_reply);

/**
 * dns_tcp_listen() - serve DNS over TCP on a listening socket
 * @fd: non-blocking, owned by @d from here on
 * Return: 0 or -errno, logged
 */
int dns_tcp_listen(struct dns *d, int fd);

const struct dns_stats *dns_stats(const struct dns *d);
