/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the ports of one SPEC have in common, in whoever serves them. */

#include <stdbool.h>
#include <stddef.h>

#include "netstack/base/list.h"
#include "portfwd/portfwd.h"
#include "portfwd/source.h"

struct publication {
	struct list link;
	struct spec spec;
	uint32_t id;
	/* its owner's to count: */
	bool removed;	  /* it is there for its open flows only */
	uint32_t n_ports; /* those with an open flow stay until its end */
	size_t n_flows;
	uint64_t bytes_in, bytes_out; /* of flows that have ended */
	/* of the others, counted for each page: one may end between two */
	uint64_t live_in, live_out;
	uint64_t errors;  /* clients turned away */
	uint64_t lost;	  /* clients not seen by the pod */
	uint8_t lost_why; /* the last one's enum source_lost */
};

/**
 * publication_get() - that of @p, made and put on @list when there is none yet
 *
 * All of a new SPEC comes before the next one, whose id is higher: the list is
 * sorted, and only its last one is looked at, or made.
 *
 * Return: it, or NULL: there is no memory, logged; or what is sent again was
 *         removed for want of descriptors
 */
struct publication *publication_get(struct list *list,
				    const struct portfwd_publish *p);

/** publication_find() - Return: the one of that id that isn't removed, or NULL
 */
struct publication *publication_find(struct list *list, uint32_t id);

/**
 * publications_page() - records of those behind id @after, by id
 * Return: how many; fewer than @max: there are no more
 */
size_t publications_page(const struct list *list, uint32_t after,
			 struct port_record *out, size_t max);

/**
 * publication_served() - the pod sees @client as @rung says: count it
 * @stats: the counters of @pub's owner
 */
void publication_served(struct publication *pub, const struct source *source,
			const struct ip *client, enum source_rung rung,
			struct source_stats *stats);

/** publications_clear_live() - live_in, live_out of all are 0 */
void publications_clear_live(struct list *list);

/** publications_free() - all of @list */
void publications_free(struct list *list);
