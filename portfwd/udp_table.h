/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* UDP flows by who asked whom, and by how long they have been idle. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/base/list.h"
#include "netstack/base/mono.h"

#define UDP_TABLE_BUCKETS 4096 /* a power of two */

/* What datagrams of one flow have in common. */
struct udp_key {
	const void *port; /* of the host, whatever stands for it */
	struct ip client, local;
	uint16_t client_port, pod_port;
};

/* Embedded in each flow. */
struct udp_node {
	struct udp_node *next;
	struct list age; /* on the table's, longest idle first */
	struct udp_key key;
	struct mono used;
	bool exact; /* the pod sees the client's address and port */
};

struct udp_table {
	uint64_t seed;
	size_t n;
	struct list ages;
	struct udp_node *buckets[UDP_TABLE_BUCKETS];
};

/** udp_table_init() - Return: 0 or -errno, logged */
int udp_table_init(struct udp_table *t);

/** udp_table_add() - @node: its key is set and not in the table */
void udp_table_add(struct udp_table *t, struct udp_node *node, struct mono now);

/** udp_table_del() - harmless for one that isn't in the table */
void udp_table_del(struct udp_table *t, struct udp_node *node);

/** udp_table_touch() - it was used @now: it is the last to go */
void udp_table_touch(struct udp_table *t, struct udp_node *node,
		     struct mono now);

/** udp_table_find() - Return: the flow, or NULL */
struct udp_node *udp_table_find(const struct udp_table *t,
				const struct udp_key *key);

/**
 * udp_table_taken() - is there an exact flow of that client to that port of the
 * pod? Then the pod couldn't tell another from it.
 */
bool udp_table_taken(const struct udp_table *t, const struct udp_key *key);

/**
 * udp_table_next() - the flows of one host port and client, whatever address
 * was asked
 * @after: NULL: the first one
 * Return: the next one, or NULL
 */
struct udp_node *udp_table_next(const struct udp_table *t,
				const struct udp_key *key,
				const struct udp_node *after);

/** udp_table_oldest() - Return: the longest idle, NULL when there is none */
struct udp_node *udp_table_oldest(const struct udp_table *t);
