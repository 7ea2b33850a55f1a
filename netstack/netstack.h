/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The user-space network: a process that drives libslirp over the TAP, answers
 * DNS, and hands TCP's first SYNs to portfwd. It speaks to the supervisor
 * (control) and portfwd (@peer), each over a SOCK_SEQPACKET socketpair.
 */

#include <stdbool.h>
#include <stdint.h>

#include "netstack/base/hostport.h"
#include "netstack/base/podnet.h"
#include "netstack/base/procmem.h"
#include "netstack/dns.h"
#include "netstack/stack.h"

#define NETSTACK_SERVERS_MAX 8

/* Exit status: the TAP was deleted, another netstack would be no help. */
#define NETSTACK_EXIT_TAP 2

enum netstack_msg {
	/* supervisor to netstack */
	NETSTACK_CONFIG = 1, /* struct netstack_config; fds: netstack_fd */
	NETSTACK_SERVERS,    /* struct netstack_servers: DNS upstreams */
	NETSTACK_PEER,	     /* a new portfwd; fd: the socket to it */
	NETSTACK_STATS,	     /* uint32_t cookie; reply STATS_ARE */
	/* netstack to supervisor */
	NETSTACK_READY = 64, /* frames are served from here on */
	NETSTACK_STATS_ARE,  /* struct netstack_totals */
};

struct netstack_config {
	struct podnet plan;
	bool host_loopback; /* the gateway's address is the host's loopback */
	struct hostports host_ports; /* or only these ports are */
	bool serve_dns;
	bool splice; /* ask portfwd about the pod's first SYNs */
	struct ip outbound4, outbound6; /* family 0: the host's choice */
	/* which descriptors follow, in this order */
	bool has_tap_hop; /* TAP first, always; then the hop's TAP */
	bool has_dns[2];  /* DNS listeners: IPv4, IPv6 */
};

struct netstack_servers {
	uint32_t n;
	union endpoint servers[NETSTACK_SERVERS_MAX];
};

struct netstack_totals {
	uint32_t cookie; /* the asker's */
	struct procmem mem;
	struct stack_stats stack;
	struct dns_stats dns;	 /* zero where none is served */
	uint64_t parse, refused; /* frames dropped: malformed, by policy */
	uint64_t shed; /* SYNs, UDP, pings dropped: nothing left for them */
};

/**
 * netstack_main() - be the user-space network
 * @ctl, @peer: owned
 *
 * @lock: called once, when all is opened and nothing was read from the pod or
 *	 the world; the process gives up its rights there; 0 or -errno
 *
 * Return: exit status: 0 when the supervisor closed @ctl, NETSTACK_EXIT_TAP,
 *         or 1 after an error, logged
 */
int netstack_main(int ctl, int peer, int (*lock)(void *arg), void *lock_arg);
