/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The port forwarder: a process that holds the published listeners and relays
 * TCP and UDP between them and the pod. It speaks to the supervisor (control),
 * the socket maker (transparent sockets of the hop) and netstack, each over a
 * SOCK_SEQPACKET socketpair (netstack/base/msg.h).
 */

#include <stdint.h>

#include "netstack/base/hostport.h"
#include "netstack/base/podnet.h"
#include "portfwd/spec.h"

/* Listeners in one PORTFWD_PUBLISH; longer ranges come in several. */
#define PORTFWD_BATCH 32

enum portfwd_msg {
	/* supervisor to portfwd */
	PORTFWD_CONFIG = 1, /* struct portfwd_config; fds: TPROXY listeners */
	PORTFWD_PUBLISH,    /* struct portfwd_publish; fds: n listeners */
	PORTFWD_START,	    /* everything is there: accept; reply READY */
	PORTFWD_PEER,	    /* a new netstack; fd: the socket to it */
	PORTFWD_MAKER,	    /* a new socket maker; fd: the socket to it */
	PORTFWD_ROUTE6,	    /* uint8_t: the new struct portfwd_config.route6 */
	PORTFWD_STATS,	    /* uint32_t cookie; reply STATS_ARE */
	PORTFWD_FLOWS,	    /* uint32_t cookie; reply FLOWS_ARE, to the last */
	PORTFWD_UNPUBLISH,  /* struct portfwd_unpublish */
	PORTFWD_PORTS,	    /* uint32_t cookie; reply PORTS_ARE, to the last */
	PORTFWD_TARGET,	    /* struct portfwd_target */
	/* portfwd to supervisor; the bodies are in report.h */
	PORTFWD_READY = 64,
	PORTFWD_STATS_ARE, /* struct portfwd_totals */
	PORTFWD_FLOWS_ARE, /* struct portfwd_flows, cut behind flows[n] */
	PORTFWD_PORTS_ARE, /* struct portfwd_ports, cut behind ports[n] */
	/* portfwd to the socket maker */
	MAKER_WANT = 128, /* struct maker_want */
	/* socket maker to portfwd */
	MAKER_SOCKETS = 192, /* struct maker_want; fds: 0 to MSG_FDS_MAX */
};

struct portfwd_config {
	struct podnet plan;
	bool host_loopback; /* the gateway's address is the host's loopback */
	struct hostports host_ports; /* or only these ports are */
	uint8_t route6; /* the pod has a way to IPv6 clients of the world */
	bool direct;	/* no pod: the plan's pod is a target of `forward` */
	bool connected; /* the maker's sockets are, already */
	bool lost[2];	/* struct source's */
	bool splice;	/* netstack asks about the pod's first SYNs */
	struct ip outbound4, outbound6; /* family 0: the host's choice */
	bool has_tproxy[2];		/* which listeners follow: IPv4, IPv6 */
};

/* Where new flows of `forward` lead to. */
struct portfwd_target {
	struct podnet plan;
	bool lost[2]; /* struct source's */
};

struct portfwd_publish {
	struct spec spec;
	uint32_t id;	/* of the SPEC, from 1 */
	uint16_t first; /* index in the range of the first listener here */
	uint16_t n;
	bool again; /* they take the places of those sent before */
	/* TCP: so long clients wait for a server of the pod that isn't there
	 * yet; 0: they are refused */
	uint32_t early_s;
	uint16_t host_ports[PORTFWD_BATCH]; /* as bound */
};

/* Its ports are closed when what is asked next is answered. */
struct portfwd_unpublish {
	uint32_t id;
	uint32_t drop; /* not 0: reset its open flows, too */
};

/* What portfwd knows of one SPEC. */
struct port_record {
	uint32_t id;
	uint32_t n_ports; /* fewer than the SPEC has: it couldn't take them */
	uint64_t flows;
	uint64_t bytes_in, bytes_out; /* in: towards the pod */
	uint64_t errors;  /* clients turned away: the pod refused, max= */
	uint64_t lost;	  /* clients whose address the pod didn't see */
	uint8_t lost_why; /* the last one's: enum source_lost */
};

/* Sockets of the hop: with IP_TRANSPARENT; SOCK_RAW: of ICMP, to send with. */
struct maker_want {
	int32_t family;
	int32_t type;	/* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW */
	uint32_t count; /* wanted; in the reply: errno when there are none */
};

/**
 * portfwd_main() - be the port forwarder
 * @ctl, @peer, @maker: owned: supervisor, netstack, socket maker
 *
 * @lock: called once, when all is opened and nothing was read from the pod or
 *	 the world; the process gives up its rights there; 0 or -errno
 *
 * Return: exit status: 0 when the supervisor closed @ctl, 1 after an error,
 *         logged
 */
int portfwd_main(int ctl, int peer, int maker, int (*lock)(void *arg),
		 void *lock_arg);
