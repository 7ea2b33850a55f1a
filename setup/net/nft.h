/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The hop's nftables ruleset: which frame goes down the TAP to user space and
 * which goes up the hop's own TCP. Written in one transaction.
 */

#include <stdbool.h>

#include "netstack/base/podnet.h"

struct nft_hop {
	const struct podnet *plan;
	const char *p0, *tap; /* device names in the hop */
	int p0_index, tap_index;
	bool serve_dns;	      /* TCP to the DNS address goes up */
	uint16_t tproxy_port; /* of the listeners on the gateway's addresses */
};

/**
 * nft_hop_install() - load the ruleset into the caller's network namespace
 * Return: 0 or -errno, logged
 */
int nft_hop_install(const struct nft_hop *hop);

/**
 * nft_hop_forget() - empty the sets of flows that libslirp has
 * Of the ruleset in the caller's network namespace. `closing` stays.
 * Return: 0 or -errno, logged
 */
int nft_hop_forget(void);

/**
 * nft_inbound_install() - in a namespace that isn't the hop: UDP from it that
 * answers what has @mark gets @mark
 * Return: 0 or -errno, logged
 */
int nft_inbound_install(uint32_t mark);
