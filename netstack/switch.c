// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of 4-tuples. A SYN that comes from the hop opens an entry (a
 * published port is being connected to); frames of the pod that match it go to
 * the hop. A RST ends it. When both sides have sent a FIN the entry moves to a
 * second list, whose oldest members make room first; then the longest idle.
 *
 * UDP flows have no end that could be seen: the hop says when it gives one up,
 * and an entry it hasn't refreshed for a while doesn't count. Later fragments
 * have no ports: the datagrams whose first fragment went to the hop are
 * remembered, the last few of them.
 *
 * The hash is seeded: clients choose the addresses and ports in it.
 */
#include "netstack/switch.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/checksum.h"
#include "netstack/base/hopudp.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/tuple.h"

#define BUCKETS 16384 /* a power of two */
#define PIECES	64

enum { FIN_POD = 1, FIN_HOP = 2 };

struct entry {
	struct list age; /* on live or closing, longest idle first */
	struct entry *next;
	struct tuple key; /* src is the pod's */
	unsigned int fins;
	uint8_t proto;
	struct mono used; /* UDP: when the hop last sent something */
};

/* A datagram of the pod that comes in pieces. */
struct pieces {
	struct ip src, dst;
	uint32_t id;
};

struct flow_switch {
	const struct podnet *plan;
	bool serve_dns;
	uint64_t seed;
	size_t n;
	struct list live, closing;
	struct pieces pieces[PIECES];
	size_t next_piece;
	struct entry *buckets[BUCKETS];
};

int switch_new(struct flow_switch **out, const struct podnet *plan,
	       bool serve_dns)
{
	struct flow_switch *sw = calloc(1, sizeof(*sw));
	int rc;

	if (!sw)
		return log_errno(ENOMEM, "switch");
	rc = tuple_seed(&sw->seed);
	if (rc) {
		free(sw);
		return rc;
	}
	sw->plan = plan;
	sw->serve_dns = serve_dns;
	list_init(&sw->live);
	list_init(&sw->closing);
	*out = sw;
	return 0;
}

static size_t bucket(const struct flow_switch *sw, const struct tuple *k)
{
	return tuple_hash(k, sw->seed) & (BUCKETS - 1);
}

static struct tuple key_of(const struct frame *f, bool from_pod)
{
	struct tuple k = { f->src, f->dst, f->sport, f->dport };

	return from_pod ? k : tuple_reverse(&k);
}

static struct entry *find(struct flow_switch *sw, uint8_t proto,
			  const struct tuple *k)
{
	struct entry *e = sw->buckets[bucket(sw, k)];

	while (e && !(e->proto == proto && tuple_equal(&e->key, k)))
		e = e->next;
	return e;
}

static void drop(struct flow_switch *sw, struct entry *e)
{
	struct entry **p = &sw->buckets[bucket(sw, &e->key)];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	list_del(&e->age);
	free(e);
	sw->n--;
}

static void make_room(struct flow_switch *sw)
{
	struct list *from = list_empty(&sw->closing) ? &sw->live : &sw->closing;

	if (sw->n >= SWITCH_FLOWS_MAX)
		drop(sw, container_of(from->next, struct entry, age));
}

static struct entry *open_entry(struct flow_switch *sw, uint8_t proto,
				const struct tuple *k)
{
	struct entry *e;
	size_t b = bucket(sw, k);

	make_room(sw);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = *k;
	e->proto = proto;
	e->next = sw->buckets[b];
	sw->buckets[b] = e;
	list_append(&sw->live, &e->age);
	sw->n++;
	return e;
}

static void touch(struct flow_switch *sw, struct entry *e, uint8_t flags,
		  unsigned int side)
{
	if (flags & FRAME_TCP_RST) {
		drop(sw, e);
		return;
	}
	if (flags & FRAME_TCP_FIN)
		e->fins |= side;
	list_del(&e->age);
	list_append(e->fins == (FIN_POD | FIN_HOP) ? &sw->closing : &sw->live,
		    &e->age);
}

/* Errors that answer the hop's own packets: RFC 792, RFC 4443. */
static bool is_icmp_error(const struct frame *f)
{
	size_t at = FRAME_ETH_LEN + (f->src.family == AF_INET ? 20 : 40);
	uint8_t type;

	if (f->is_fragment || f->len <= at)
		return false;
	type = f->eth[at];
	if (f->src.family == AF_INET)
		return f->proto == IPPROTO_ICMP &&
		       (type == 3 || type == 11 || type == 12);
	return f->proto == IPPROTO_ICMPV6 && type >= 1 && type <= 4;
}

/* ---- UDP ---- */

/* The fragment's place, and the identification that its pieces share. */
static bool fragment_of(const struct frame *f, uint16_t *offset, uint32_t *id)
{
	const uint8_t *p = f->eth + FRAME_ETH_LEN;

	if (f->src.family == AF_INET) {
		*offset = load16(p + 6) & 0x1fff;
		*id = load16(p + 4);
		return true;
	}
	/* Linux puts nothing before it; another one's are libslirp's */
	if (p[6] != IPPROTO_FRAGMENT || f->len < FRAME_ETH_LEN + 48)
		return false;
	*offset = load16(p + 42) >> 3;
	*id = load32(p + 44);
	return true;
}

/* The ports of a first fragment. Return: false: they aren't there */
static bool ports_of_first(const struct frame *f, struct tuple *k)
{
	size_t at = FRAME_ETH_LEN;

	at += f->src.family == AF_INET ? (size_t)(f->eth[at] & 15) * 4 : 48;
	if (f->len < at + 4)
		return false;
	*k = (struct tuple){ f->src, f->dst, load16(f->eth + at),
			     load16(f->eth + at + 2) };
	return true;
}

static bool alive(const struct entry *e, struct mono now)
{
	return e && mono_before(now, mono_add(e->used, mono_s(HOP_UDP_KEEP_S)));
}

static bool piece_known(const struct flow_switch *sw, const struct pieces *p)
{
	for (size_t i = 0; i < PIECES; i++)
		if (sw->pieces[i].id == p->id &&
		    ip_equal(&sw->pieces[i].src, &p->src) &&
		    ip_equal(&sw->pieces[i].dst, &p->dst))
			return true;
	return false;
}

static bool udp_fragment_from_pod(struct flow_switch *sw, const struct frame *f,
				  struct mono now)
{
	struct pieces p = { .src = f->src, .dst = f->dst };
	uint16_t offset;
	struct tuple k;

	if (!fragment_of(f, &offset, &p.id))
		return false;
	if (offset)
		return piece_known(sw, &p);
	if (!ports_of_first(f, &k) || !alive(find(sw, IPPROTO_UDP, &k), now))
		return false;
	sw->pieces[sw->next_piece++ % PIECES] = p;
	return true;
}

static bool udp_from_pod(struct flow_switch *sw, const struct frame *f,
			 struct mono now)
{
	struct tuple k;

	if (f->is_fragment)
		return udp_fragment_from_pod(sw, f, now);
	k = key_of(f, true);
	return alive(find(sw, IPPROTO_UDP, &k), now);
}

static bool udp_from_hop(struct flow_switch *sw, const struct frame *f,
			 struct mono now)
{
	const uint8_t *p = f->eth + FRAME_ETH_LEN;
	uint8_t ttl = f->src.family == AF_INET ? p[8] : p[7];
	struct tuple k = { f->src, f->dst, f->sport, f->dport };
	uint16_t offset;
	struct entry *e;
	uint32_t id;

	if (f->is_fragment &&
	    (!fragment_of(f, &offset, &id) || offset || !ports_of_first(f, &k)))
		return true;
	k = tuple_reverse(&k);
	e = find(sw, IPPROTO_UDP, &k);
	if (ttl == HOP_UDP_TTL_DROP) {
		if (e)
			drop(sw, e);
		return false;
	}
	if (!e)
		e = open_entry(sw, IPPROTO_UDP, &k);
	if (e) {
		e->used = now;
		touch(sw, e, 0, 0);
	}
	return ttl != HOP_UDP_TTL_KEEP;
}

/* ---- both ---- */

bool switch_from_pod(struct flow_switch *sw, const struct frame *f,
		     struct mono now)
{
	struct entry *e;
	struct tuple k;

	if (!f->is_ip)
		return false;
	if (is_icmp_error(f))
		return true;
	if (f->proto == IPPROTO_UDP)
		return udp_from_pod(sw, f, now);
	if (!f->has_ports || f->proto != IPPROTO_TCP)
		return false;
	if (sw->serve_dns && f->dport == 53 &&
	    (ip_equal(&f->dst, &sw->plan->dns4) ||
	     (sw->plan->has_ipv6 && ip_equal(&f->dst, &sw->plan->dns6))))
		return true;
	k = key_of(f, true);
	e = find(sw, IPPROTO_TCP, &k);
	/* a first SYN with an old flow's ports is a new flow of the pod's */
	if (!e || frame_is_first_syn(f))
		return false;
	touch(sw, e, f->tcp_flags, FIN_POD);
	return true;
}

bool switch_from_hop(struct flow_switch *sw, const struct frame *f,
		     struct mono now)
{
	struct entry *e;
	struct tuple k;

	if (f->is_ip && f->proto == IPPROTO_UDP)
		return udp_from_hop(sw, f, now);
	if (!f->has_ports || f->proto != IPPROTO_TCP)
		return true;
	k = key_of(f, false);
	e = find(sw, IPPROTO_TCP, &k);
	if (frame_is_first_syn(f)) {
		if (e)
			drop(sw, e);
		e = open_entry(sw, IPPROTO_TCP, &k);
	}
	if (e)
		touch(sw, e, f->tcp_flags, FIN_HOP);
	return true;
}

size_t switch_count(const struct flow_switch *sw)
{
	return sw->n;
}

struct flow_switch *switch_free(struct flow_switch *sw)
{
	if (!sw)
		return NULL;
	while (!list_empty(&sw->live))
		drop(sw, container_of(sw->live.next, struct entry, age));
	while (!list_empty(&sw->closing))
		drop(sw, container_of(sw->closing.next, struct entry, age));
	free(sw);
	return NULL;
}
