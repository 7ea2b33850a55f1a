// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of the sources that sent UDP, the one that is silent longest first.
 * It has room for twice as many as there may be sockets, and nothing is entered
 * while there is none left: a flood can push out those who are silent, never
 * those who go on.
 *
 * libslirp can't be asked whether it knows a source. An entry may outlive its
 * socket; its next packet makes a new one, so the sockets are at most @max and
 * the table together.
 */
#include "netstack/dgrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/tuple.h"

#define BUCKETS 2048 /* a power of two */

struct source {
	struct list age; /* on dgrams.all, longest silent first */
	struct source *next;
	struct tuple key; /* the pod's side; the rest is zero */
};

struct dgrams {
	size_t max, n;
	uint64_t seed;
	struct list all;
	struct source *buckets[BUCKETS];
};

int dgrams_new(struct dgrams **out, size_t max)
{
	struct dgrams *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return log_errno(ENOMEM, "table of UDP sources");
	rc = tuple_seed(&d->seed);
	if (rc) {
		free(d);
		return rc;
	}
	d->max = max;
	list_init(&d->all);
	*out = d;
	return 0;
}

static struct source **bucket(struct dgrams *d, const struct tuple *k)
{
	return &d->buckets[tuple_hash(k, d->seed) & (BUCKETS - 1)];
}

static struct source *find(struct dgrams *d, const struct tuple *k)
{
	struct source *s = *bucket(d, k);

	while (s && !tuple_equal(&s->key, k))
		s = s->next;
	return s;
}

static void drop(struct dgrams *d, struct source *s)
{
	struct source **p = bucket(d, &s->key);

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	list_del(&s->age);
	free(s);
	d->n--;
}

static void add(struct dgrams *d, const struct tuple *k)
{
	struct source *s, **p = bucket(d, k);

	if (d->n >= d->max * 2)
		drop(d, container_of(d->all.next, struct source, age));
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* unknown, as if it were new each time */
	s->key = *k;
	s->next = *p;
	*p = s;
	list_append(&d->all, &s->age);
	d->n++;
}

bool dgrams_allow(struct dgrams *d, const struct frame *f, size_t n_open)
{
	struct tuple k = { .src = f->src,
			   .dst.family = f->src.family,
			   .sport = f->sport };
	struct source *s;

	if (f->is_ip && f->proto == IPPROTO_ICMP)
		return n_open < d->max;
	if (!f->has_ports || f->proto != IPPROTO_UDP)
		return true;
	s = find(d, &k);
	if (s) {
		list_del(&s->age);
		list_append(&d->all, &s->age);
		return true;
	}
	if (n_open >= d->max)
		return false;
	add(d, &k);
	return true;
}

struct dgrams *dgrams_free(struct dgrams *d)
{
	if (!d)
		return NULL;
	while (!list_empty(&d->all))
		drop(d, container_of(d->all.next, struct source, age));
	free(d);
	return NULL;
}
