/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The pod's IPv4 fragments, put together (RFC 791 3.2) before anybody looks at
 * them: what a packet is can be told by its bytes, and libslirp's own
 * reassembly never runs.
 */

#include <stddef.h>
#include <stdint.h>

#include "netstack/frame.h"
#include "netstack/loop.h"

/* Packets under way at once; one more ends the oldest. */
#define REASS_MAX 16
/* How long a packet's last fragment may take: as Linux' ipfrag_time. */
#define REASS_S 30

struct reass;

struct reass_stats {
	uint64_t whole;	  /* packets put together */
	uint64_t dropped; /* packets given up: late, overlapping, too many */
};

/** reass_new() - @loop borrowed; Return: 0 or -errno, logged */
int reass_new(struct reass **out, struct loop *loop);

/** reass_free() - NULL is fine; Return: NULL */
struct reass *reass_free(struct reass *r);

/**
 * reass_take() - a fragment of an IPv4 packet came from the pod
 * @len: set to the length of what is returned
 *
 * Return: the whole packet's frame, with the Ethernet and IP header of its
 *	   first fragment, valid until the next call; NULL: it isn't whole
 */
const uint8_t *reass_take(struct reass *r, const struct frame *f, size_t *len);

const struct reass_stats *reass_stats(const struct reass *r);
