/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * TCP out of the pod at the host's speed: netstack asks about each first SYN,
 * we connect on the host side and tell it what to do with the SYN; the hop's
 * kernel then hands us the pod's end, and both are relayed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "netstack/base/hostport.h"
#include "netstack/base/podnet.h"
#include "netstack/base/synmsg.h"
#include "portfwd/flows.h"
#include "portfwd/relay.h"

/* Flows being connected, and waiting for their other half, at once. */
#define EGRESS_PENDING_MAX 4096
/* How long a written-back SYN may take to become a connection. */
#define EGRESS_GIVE_UP_S 10

struct egress_config {
	const struct podnet *plan;
	bool host_loopback;
	const struct hostports *host_ports; /* NULL: none */
	struct ip outbound4, outbound6;	    /* family 0: the host's choice */
};

struct egress_stats {
	uint64_t asked, connected, paired;
	uint64_t verdicts[SYN_N_WHATS];
	uint64_t policy;   /* refused before connect() */
	uint64_t repeated; /* the same SYN again */
	uint64_t gave_up;  /* written back, but no connection came of it */
	uint64_t stray;	   /* accepted without a pending flow: reset */
	uint64_t over;	   /* declined or forgotten: a limit was reached */
	/* connect() on the host side failed, by cause */
	uint64_t refused, unreachable, timeout, shortage;
};

struct egress;

/**
 * egress_new() - @loop, @relay and what @cfg points to are borrowed
 * @peer:   owned: to netstack
 * @tproxy: owned: the listeners for written-back SYNs, IPv4 and IPv6; -1: none
 * Return: 0 or -errno, logged
 */
int egress_new(struct egress **out, struct loop *loop, struct relay *relay,
	       const struct egress_config *cfg, int peer, const int tproxy[2]);

/** egress_peer() - a new netstack, owned; Return: 0 or -errno, logged */
int egress_peer(struct egress *e, int peer);

/** egress_free() - resets all flows; NULL is fine; Return: NULL */
struct egress *egress_free(struct egress *e);

/**
 * egress_policy() - where may a SYN to @dst go? By its bytes, before any
 * connect(): 0.0.0.0, :: and IPv4-mapped addresses all reach the host's own
 * loopback there.
 * @to: set when allowed: the address to connect to
 * Return: true, or false with @verdict set
 */
bool egress_policy(const struct egress_config *cfg, const struct ip *dst,
		   struct ip *to, enum syn_what *verdict);

/** egress_loopback() - what the gateway's address stands for on the host */
struct ip egress_loopback(sa_family_t family);

const struct egress_stats *egress_stats(const struct egress *e);

/** egress_book() - its flows, pending ones included */
struct flow_book *egress_book(struct egress *e);
