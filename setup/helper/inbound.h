/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Clients' own addresses, in a network namespace that somebody else made and
 * that has a way to the world of its own.
 */

#include <stdbool.h>

#include "netstack/base/addr.h"

#define INBOUND_WHY_MAX 256

struct inbound {
	/* does what is sent to a client's address come back to us? */
	bool tcp, udp;
	char why_tcp[INBOUND_WHY_MAX], why_udp[INBOUND_WHY_MAX]; /* if not */
};

/**
 * inbound_prepare() - let servers at @to see clients' addresses, if they can
 * @ns_user, @ns_net: as helpers_forward() wants them, borrowed
 * @to: where `forward` leads to in there
 * @udp: for UDP, too
 *
 * Sets sysctls, adds a rule and a table of routes, and for UDP a table of
 * nftables. All of it stays, and serves the next forwarder, too. Blocks for
 * three seconds at most.
 */
void inbound_prepare(int ns_user, int ns_net, const struct ip *to, bool udp,
		     struct inbound *out);
