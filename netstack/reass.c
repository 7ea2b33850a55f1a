// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A packet under way has a buffer for the largest there is and a bit for each
 * eight bytes that have come. Fragments that overlap end the packet (RFC 5722
 * asks for it in IPv6, Linux does it in IPv4, too): no honest sender makes
 * them, and which of two versions counts is what attacks are about. For the
 * same reason a fragment that was sent twice ends it; UDP's user sends again.
 */
#include "netstack/reass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/checksum.h"

#define IP4_MIN	    20
#define HEAD_MAX    (FRAME_ETH_LEN + 60)
#define PAYLOAD_MAX (65535 - IP4_MIN)
#define UNITS	    (65536 / 8)
#define MORE	    0x2000
#define OFFSET	    0x1fff

/* Which packet a fragment is of. */
struct key {
	struct ip src, dst;
	uint16_t id;
	uint8_t proto;
};

struct packet {
	struct list link; /* oldest first */
	struct key key;
	struct mono until;
	size_t total;	 /* bytes of payload, 0: not known yet */
	size_t have;	 /* bytes that have come */
	size_t end;	 /* of the furthest that has come */
	size_t head_len; /* of the first fragment, 0: not there yet */
	uint8_t seen[UNITS / 8];
	/* the header stands right before the payload in the end */
	uint8_t head[HEAD_MAX];
	uint8_t payload[PAYLOAD_MAX];
};

struct reass {
	struct loop *loop;
	struct loop_timer timer;
	struct list packets;
	size_t n;
	struct reass_stats stats;
	uint8_t whole[FRAME_MAX];
};

static struct packet *oldest(struct reass *r)
{
	return container_of(r->packets.next, struct packet, link);
}

static void rearm(struct reass *r)
{
	loop_timer_stop(r->loop, &r->timer);
	/* without memory for it: until the next fragment */
	if (!list_empty(&r->packets))
		(void)loop_timer_set(r->loop, &r->timer, oldest(r)->until);
}

static void forget(struct reass *r, struct packet *p)
{
	list_del(&p->link);
	free(p);
	r->n--;
	rearm(r);
}

static void give_up(struct reass *r, struct packet *p)
{
	r->stats.dropped++;
	forget(r, p);
}

static void on_timer(struct loop_timer *t)
{
	struct reass *r = container_of(t, struct reass, timer);

	while (!list_empty(&r->packets) &&
	       !mono_before(loop_now(r->loop), oldest(r)->until))
		give_up(r, oldest(r));
	rearm(r);
}

int reass_new(struct reass **out, struct loop *loop)
{
	struct reass *r = calloc(1, sizeof(*r));

	if (!r)
		return log_errno(ENOMEM, "reassembly");
	r->loop = loop;
	r->timer.fn = on_timer;
	list_init(&r->packets);
	*out = r;
	return 0;
}

struct reass *reass_free(struct reass *r)
{
	if (!r)
		return NULL;
	while (!list_empty(&r->packets))
		forget(r, oldest(r));
	free(r);
	return NULL;
}

static struct packet *find(struct reass *r, const struct key *k)
{
	list_for_each (e, &r->packets) {
		struct packet *p = container_of(e, struct packet, link);

		if (p->key.id == k->id && p->key.proto == k->proto &&
		    ip_equal(&p->key.src, &k->src) &&
		    ip_equal(&p->key.dst, &k->dst))
			return p;
	}
	return NULL;
}

static struct packet *begin(struct reass *r, const struct key *k)
{
	struct packet *p;

	if (r->n == REASS_MAX)
		give_up(r, oldest(r));
	/* mapped, not written: a page counts when a fragment needs it */
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = *k;
	p->until = mono_add(loop_now(r->loop), mono_s(REASS_S));
	list_append(&r->packets, &p->link);
	r->n++;
	rearm(r);
	return p;
}

/* Mark [at, at + len); false when some of it is marked already. */
static bool mark(struct packet *p, size_t at, size_t len)
{
	for (size_t u = at / 8; u < (at + len + 7) / 8; u++) {
		uint8_t bit = (uint8_t)(1U << u % 8);

		if (p->seen[u / 8] & bit)
			return false;
		p->seen[u / 8] |= bit;
	}
	return true;
}

/* Put a fragment in its place; false: it contradicts the others. */
static bool add(struct packet *p, const struct frame *f, size_t hlen)
{
	const uint8_t *ip = f->eth + FRAME_ETH_LEN;
	size_t at = (size_t)(load16(ip + 6) & OFFSET) * 8;
	size_t len = load16(ip + 2) - hlen;
	bool more = load16(ip + 6) & MORE;

	if (!len || (more && len % 8) || at + len > PAYLOAD_MAX)
		return false;
	/* nothing lies behind the last fragment, and there is one last */
	if (more ? p->total && at + len > p->total
		 : p->total || at + len < p->end)
		return false;
	if (!mark(p, at, len))
		return false;
	memcpy(p->payload + at, ip + hlen, len);
	p->have += len;
	if (at + len > p->end)
		p->end = at + len;
	if (!more)
		p->total = at + len;
	if (at == 0) {
		p->head_len = FRAME_ETH_LEN + hlen;
		memcpy(p->head, f->eth, p->head_len);
	}
	return true;
}

static const uint8_t *finish(struct reass *r, struct packet *p, size_t *len)
{
	size_t ip_len = p->head_len - FRAME_ETH_LEN + p->total;
	uint8_t *ip = r->whole + FRAME_ETH_LEN;

	if (ip_len > 65535) {
		give_up(r, p);
		return NULL;
	}
	memcpy(r->whole, p->head, p->head_len);
	memcpy(r->whole + p->head_len, p->payload, p->total);
	store16(ip + 2, ip_len);
	store16(ip + 6, 0);
	store16(ip + 10, 0);
	store16(ip + 10, checksum_fold(checksum_add(
				 0, ip, p->head_len - FRAME_ETH_LEN)));
	*len = FRAME_ETH_LEN + ip_len;
	r->stats.whole++;
	forget(r, p);
	return r->whole;
}

const uint8_t *reass_take(struct reass *r, const struct frame *f, size_t *len)
{
	const uint8_t *ip = f->eth + FRAME_ETH_LEN;
	size_t hlen = (size_t)(ip[0] & 15) * 4;
	struct key k = { f->src, f->dst, load16(ip + 4), f->proto };
	struct packet *p;

	/* what was damaged on the way isn't mended by a new checksum */
	if (checksum_fold(checksum_add(0, ip, hlen)))
		return NULL;
	p = find(r, &k);
	if (!p)
		p = begin(r, &k);
	if (!p)
		return NULL;
	if (!add(p, f, hlen)) {
		give_up(r, p);
		return NULL;
	}
	if (!p->total || p->have < p->total)
		return NULL;
	return finish(r, p, len);
}

const struct reass_stats *reass_stats(const struct reass *r)
{
	return &r->stats;
}
