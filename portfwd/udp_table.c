// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client's flows to one port of the pod are in one bucket, whatever address
 * of the host they were sent to: who looks for one of them may know less than
 * the whole key. The hash is seeded: clients choose what is in it.
 */
#include "portfwd/udp_table.h"

#include <errno.h>

#include "netstack/base/log.h"
#include "netstack/base/tuple.h"

int udp_table_init(struct udp_table *t)
{
	*t = (struct udp_table){ 0 };
	list_init(&t->ages);
	return tuple_seed(&t->seed);
}

static size_t bucket(const struct udp_table *t, const struct udp_key *k)
{
	struct tuple ends = { k->client, k->client, k->client_port,
			      k->pod_port };

	return tuple_hash(&ends, t->seed) & (UDP_TABLE_BUCKETS - 1);
}

static bool same_ends(const struct udp_key *a, const struct udp_key *b)
{
	return a->client_port == b->client_port && a->pod_port == b->pod_port &&
	       ip_equal(&a->client, &b->client);
}

void udp_table_add(struct udp_table *t, struct udp_node *node, struct mono now)
{
	struct udp_node **head = &t->buckets[bucket(t, &node->key)];

	node->next = *head;
	*head = node;
	node->used = now;
	list_append(&t->ages, &node->age);
	t->n++;
}

void udp_table_del(struct udp_table *t, struct udp_node *node)
{
	struct udp_node **p = &t->buckets[bucket(t, &node->key)];

	while (*p && *p != node)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = node->next;
	list_del(&node->age);
	t->n--;
}

void udp_table_touch(struct udp_table *t, struct udp_node *node,
		     struct mono now)
{
	node->used = now;
	list_del(&node->age);
	list_append(&t->ages, &node->age);
}

struct udp_node *udp_table_find(const struct udp_table *t,
				const struct udp_key *key)
{
	struct udp_node *n = udp_table_next(t, key, NULL);

	while (n && !ip_equal(&n->key.local, &key->local))
		n = udp_table_next(t, key, n);
	return n;
}

bool udp_table_taken(const struct udp_table *t, const struct udp_key *key)
{
	const struct udp_node *n = t->buckets[bucket(t, key)];

	while (n && !(n->exact && same_ends(&n->key, key)))
		n = n->next;
	return n;
}

struct udp_node *udp_table_next(const struct udp_table *t,
				const struct udp_key *key,
				const struct udp_node *after)
{
	struct udp_node *n = after ? after->next : t->buckets[bucket(t, key)];

	while (n && !(n->key.port == key->port && same_ends(&n->key, key)))
		n = n->next;
	return n;
}

struct udp_node *udp_table_oldest(const struct udp_table *t)
{
	return list_empty(&t->ages)
		       ? NULL
		       : container_of(t->ages.next, struct udp_node, age);
}
