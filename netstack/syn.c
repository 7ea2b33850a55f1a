// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A slot per SYN, found by its number (in portfwd's verdicts) and by its
 * 4-tuple (a SYN sent again while its question is out is the same SYN). The
 * number carries the slot's generation, so that a late verdict can't hit the
 * slot's next owner.
 *
 * Questions of one turn go out in one message. When portfwd's socket is full
 * they wait in a queue of their own: what else the pod sends, DNS and pings
 * among it, goes on. A full table drops: what nobody answers must not fill
 * libslirp's, too. While portfwd is gone, SYNs are kept for the next one, which
 * is asked about all of them.
 */
#include "netstack/syn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/answer.h"
#include "netstack/base/msg.h"

#define BUCKETS	  4096 /* a power of two */
#define SLOT_BITS 13
#define NO_SLOT	  UINT16_MAX
/* A SYN that is longer is kept without its data (Fast Open): TCP sends that
 * again behind the handshake, and 8,192 of 64 KiB would be much to keep. */
#define KEEP_MAX 2048

_Static_assert(1 << SLOT_BITS == SYN_PENDING_MAX, "an id holds a slot number");
_Static_assert(sizeof(struct syn_ask) * SYN_BATCH <= MSG_BODY_MAX,
	       "a batch fits in a message");

struct slot {
	uint8_t *frame; /* NULL: free */
	size_t len;
	uint32_t generation;
	uint16_t next; /* in its bucket, or on the free list */
	bool asked;    /* or it is in the queue */
	struct tuple flow;
};

struct syn_table {
	struct loop *loop;
	const struct podnet *plan;
	struct syn_ops ops;
	struct loop_source peer;
	uint64_t seed;
	/* a ring of slots that portfwd is to be asked about; each is in it
	 * once at most */
	uint16_t queue[SYN_PENDING_MAX];
	size_t queue_head, queue_n;
	bool waits;	       /* for room in the socket */
	uint16_t free, n_used; /* slots from n_used on were never touched */
	uint16_t buckets[BUCKETS];
	struct slot slots[SYN_PENDING_MAX];
	struct syn_stats stats;
};

static void on_peer(struct loop_source *src, uint32_t revents);

int syn_new(struct syn_table **out, struct loop *loop,
	    const struct podnet *plan, int peer, const struct syn_ops *ops)
{
	struct syn_table *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return log_errno(ENOMEM, "table of SYNs");
	rc = tuple_seed(&t->seed);
	if (rc) {
		free(t);
		return rc;
	}
	t->loop = loop;
	t->plan = plan;
	t->ops = *ops;
	for (size_t i = 0; i < BUCKETS; i++)
		t->buckets[i] = NO_SLOT;
	t->free = NO_SLOT;
	t->peer = (struct loop_source){ peer, EPOLLIN, on_peer };
	rc = fd_nonblock(peer);
	if (!rc)
		rc = loop_add(loop, &t->peer);
	if (rc) {
		free(t);
		return rc;
	}
	*out = t;
	return 0;
}

/* ---- slots ---- */

static size_t bucket(const struct syn_table *t, const struct tuple *k)
{
	return tuple_hash(k, t->seed) & (BUCKETS - 1);
}

static uint16_t find(const struct syn_table *t, const struct tuple *k)
{
	uint16_t i = t->buckets[bucket(t, k)];

	while (i != NO_SLOT && !tuple_equal(&t->slots[i].flow, k))
		i = t->slots[i].next;
	return i;
}

static uint16_t slot_open(struct syn_table *t, const void *frame, size_t len,
			  const struct tuple *k)
{
	bool fresh = t->free == NO_SLOT;
	uint16_t i = fresh ? t->n_used : t->free;
	struct slot *s;
	size_t b;

	if (i == SYN_PENDING_MAX)
		return NO_SLOT;
	s = &t->slots[i];
	s->frame = malloc(len);
	if (!s->frame)
		return NO_SLOT;
	memcpy(s->frame, frame, len);
	if (fresh)
		t->n_used++;
	else
		t->free = s->next;
	s->len = len;
	s->flow = *k;
	s->asked = false;
	b = bucket(t, k);
	s->next = t->buckets[b];
	t->buckets[b] = i;
	return i;
}

static void slot_close(struct syn_table *t, uint16_t i)
{
	struct slot *s = &t->slots[i];
	uint16_t *p = &t->buckets[bucket(t, &s->flow)];

	while (*p != i)
		p = &t->slots[*p].next;
	*p = s->next;
	free(s->frame);
	s->frame = NULL;
	s->generation++;
	s->next = t->free;
	t->free = i;
}

/* The seed is in it: verdicts for a netstack that died hit nobody here. */
static uint32_t slot_id(const struct syn_table *t, uint16_t i)
{
	return (t->slots[i].generation + (uint32_t)t->seed) << SLOT_BITS | i;
}

/* ---- questions ---- */

static void ask_later(struct syn_table *t, uint16_t i)
{
	t->queue[(t->queue_head + t->queue_n++) & (SYN_PENDING_MAX - 1)] = i;
}

/* Be told when there is room in the socket again, or no more. */
static void set_waits(struct syn_table *t, bool waits)
{
	if (t->waits == waits || t->peer.fd < 0)
		return;
	t->waits = waits;
	(void)loop_mod(t->loop, &t->peer,
		       EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0));
}

bool syn_take(struct syn_table *t, const struct frame *f)
{
	struct tuple k = { f->src, f->dst, f->sport, f->dport };
	uint8_t bare[FRAME_SYN_MAX];
	const uint8_t *keep = f->eth;
	size_t len = f->len;
	uint16_t i;

	if (len > KEEP_MAX) {
		keep = bare;
		len = frame_bare_syn(bare, f);
		if (!len)
			return false;
	}
	i = find(t, &k);
	if (i != NO_SLOT) {
		struct slot *s = &t->slots[i];

		t->stats.repeated++;
		/* with another sequence number it is a new attempt from the
		 * same port: the newest is the one to write back (a SYN's
		 * length doesn't change between attempts of one kernel) */
		if (len == s->len)
			memcpy(s->frame, keep, len);
		return true;
	}
	i = slot_open(t, keep, len, &k);
	if (i == NO_SLOT)
		t->stats.full++; /* TCP asks again */
	else
		ask_later(t, i);
	return true;
}

static void lost_peer(struct syn_table *t)
{
	loop_close(t->loop, &t->peer);
	t->waits = false;
}

/* The first of the queue as questions. Return: how many */
static size_t next_batch(const struct syn_table *t, struct syn_ask *out)
{
	size_t n = t->queue_n < SYN_BATCH ? t->queue_n : SYN_BATCH;

	for (size_t k = 0; k < n; k++) {
		uint16_t i =
			t->queue[(t->queue_head + k) & (SYN_PENDING_MAX - 1)];

		out[k] = (struct syn_ask){ slot_id(t, i), t->slots[i].flow };
	}
	return n;
}

static void batch_sent(struct syn_table *t, size_t n)
{
	for (size_t k = 0; k < n; k++)
		t->slots[t->queue[(t->queue_head + k) & (SYN_PENDING_MAX - 1)]]
			.asked = true;
	t->queue_head += n;
	t->queue_n -= n;
	t->stats.asked += n;
}

void syn_flush(struct syn_table *t)
{
	struct syn_ask batch[SYN_BATCH];

	while (t->peer.fd >= 0 && t->queue_n) {
		size_t n = next_batch(t, batch);
		int rc = msg_send(t->peer.fd, SYN_ASK, batch,
				  n * sizeof(batch[0]), NULL, 0);

		if (msg_again(rc)) {
			set_waits(t, true);
			return;
		}
		if (rc) {
			lost_peer(t);
			return;
		}
		batch_sent(t, n);
	}
	set_waits(t, false);
}

int syn_attach(struct syn_table *t, int peer)
{
	int rc = fd_nonblock(peer);

	if (t->peer.fd >= 0)
		lost_peer(t);
	t->peer = (struct loop_source){ peer, EPOLLIN, on_peer };
	if (!rc)
		rc = loop_add(t->loop, &t->peer);
	if (rc) {
		fd_drop(&peer);
		t->peer.fd = -1;
		return rc;
	}
	t->queue_n = 0;
	for (uint16_t i = 0; i < t->n_used; i++) {
		if (!t->slots[i].frame)
			continue;
		t->slots[i].asked = false;
		ask_later(t, i);
	}
	syn_flush(t);
	return 0;
}

/* ---- verdicts ---- */

static void refuse(struct syn_table *t, const struct slot *s,
		   enum syn_what what)
{
	static const enum answer_why whys[] = {
		[SYN_NET] = ANSWER_NET,
		[SYN_HOST] = ANSWER_HOST,
		[SYN_DOWN] = ANSWER_DOWN,
		[SYN_NO_TCP] = ANSWER_NO_TCP,
		[SYN_PROHIBITED] = ANSWER_PROHIBITED,
	};
	uint8_t out[ANSWER_MAX];
	struct frame f;
	size_t n;

	if (!frame_parse(s->frame, s->len, &f))
		return; /* it was parsed when it came */
	if (what == SYN_RESET)
		n = answer_reset(out, &f);
	else
		n = answer_unreachable(out, &f, t->plan, whys[what]);
	if (n)
		t->ops.to_tap(t->ops.arg, out, n);
}

static void write_back(struct syn_table *t, struct slot *s)
{
	/* the nftables rule knows it by the pod's address as source */
	memcpy(s->frame, t->plan->gw_mac, 6);
	memcpy(s->frame + 6, t->plan->pod_mac, 6);
	t->ops.to_tap(t->ops.arg, s->frame, s->len);
}

static void carry_out(struct syn_table *t, const struct syn_verdict *v)
{
	uint16_t i = v->id & (SYN_PENDING_MAX - 1);
	struct slot *s = &t->slots[i];

	if (!s->frame || !s->asked || slot_id(t, i) != v->id ||
	    v->what > SYN_DECLINE)
		return;
	t->stats.verdicts[v->what]++;
	switch ((enum syn_what)v->what) {
	case SYN_WRITE_BACK:
		write_back(t, s);
		break;
	case SYN_RESET:
	case SYN_NET:
	case SYN_HOST:
	case SYN_DOWN:
	case SYN_NO_TCP:
	case SYN_PROHIBITED:
		refuse(t, s, (enum syn_what)v->what);
		break;
	case SYN_SILENCE:
		break;
	case SYN_DECLINE:
		t->ops.to_stack(t->ops.arg, s->frame, s->len);
		break;
	}
	slot_close(t, i);
}

static void on_peer(struct loop_source *src, uint32_t revents)
{
	struct syn_table *t = container_of(src, struct syn_table, peer);
	struct syn_verdict v[SYN_BATCH];

	if (revents & EPOLLOUT)
		syn_flush(t);
	for (int turns = 0; turns < 16 && t->peer.fd >= 0; turns++) {
		struct msg m;
		size_t n;
		int rc = msg_recv(t->peer.fd, &m);

		if (msg_again(rc))
			return;
		if (rc <= 0) {
			lost_peer(t);
			return;
		}
		msg_drop(&m);
		if (m.type != SYN_VERDICT || m.len > sizeof(v))
			continue;
		memcpy(v, m.body, m.len);
		n = m.len / sizeof(v[0]);
		for (size_t i = 0; i < n; i++)
			carry_out(t, &v[i]);
		if (n < SYN_BATCH)
			return; /* hardly more behind it, and if, an event */
	}
}

const struct syn_stats *syn_stats(const struct syn_table *t)
{
	return &t->stats;
}

struct syn_table *syn_free(struct syn_table *t)
{
	if (!t)
		return NULL;
	loop_close(t->loop, &t->peer);
	for (uint16_t i = 0; i < t->n_used; i++)
		free(t->slots[i].frame);
	free(t);
	return NULL;
}
