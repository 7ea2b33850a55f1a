/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Clients' own addresses, in a network namespace that somebody else made and
 * that has a way to the world of its own.
 */

#include "netstack/base/addr.h"
#include "setup/helper/outlet.h"

#define INBOUND_WHY_MAX 256

/**
 * inbound_prepare() - let servers at @to see clients' addresses, if they can
 * @ns_user, @ns_net: as helpers_forward() wants them, borrowed
 * @to: where `forward` leads to in there
 * @outlet: its last three fields are set
 * @why: INBOUND_WHY_MAX bytes, set when it isn't transparent
 *
 * Adds a rule, a table of routes and, where @to is an address behind that
 * namespace, one of nftables; else it sets sysctls that make answers have the
 * mark of the question. All of it stays, and serves the next forwarder, too.
 * Blocks for a second at most.
 */
void inbound_prepare(int ns_user, int ns_net, const struct ip *to,
		     struct outlet *outlet, char *why);
