// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A round: everybody who is there is asked with the round's cookie; it ends
 * when all have answered, or when for QUERY_PATIENCE_MS nobody has said
 * anything that belongs to it. Answers of older rounds are thrown away: after a
 * walk over the flows was given up its first pages are lost.
 *
 * A process that is stopped reads nothing: after UNHEARD_MAX questions without
 * a word from it, it is asked no more until it speaks, so that its socket
 * never fills with questions (there are other messages for it, too).
 */
#include "setup/helper/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"

#define UNHEARD_MAX	8
#define MESSAGES_A_TURN 16

struct source {
	struct loop_source src; /* its fd is the supervisor's */
	struct query *q;
	unsigned int unheard;
};

struct round {
	struct query *q;
	struct loop_timer limit;
	struct loop_job end;
	bool active;
	uint32_t cookie;
	unsigned int waiting, missed; /* 1 << enum query_who */
};

struct query {
	struct loop *loop;
	struct query_ops ops;
	struct source sources[QUERY_N_WHO];
	struct round rounds[QUERY_N_WHAT];
	struct query_stats stats;
	uint32_t next_cookie;
};

static const struct {
	const char *name;
	uint32_t ask[QUERY_N_WHAT]; /* 0: has nothing to tell */
} whos[QUERY_N_WHO] = {
	[QUERY_NETSTACK] = { "netstack", { NETSTACK_STATS } },
	[QUERY_PORTFWD] = { "portfwd",
			    { PORTFWD_STATS, PORTFWD_FLOWS, PORTFWD_PORTS } },
	[QUERY_MAKER] = { "maker", { MAKER_STATS } },
};

const char *query_who_name(enum query_who who)
{
	return whos[who].name;
}

/* ---- rounds ---- */

static void on_end(struct loop_job *job)
{
	struct round *r = container_of(job, struct round, end);
	struct query *q = r->q;

	loop_timer_stop(q->loop, &r->limit);
	r->active = false;
	if (r == &q->rounds[QUERY_STATS])
		q->ops.stats(q->ops.arg, &q->stats);
	else if (r == &q->rounds[QUERY_FLOWS])
		q->ops.flows_end(q->ops.arg, !r->waiting && !r->missed);
	else
		q->ops.ports_end(q->ops.arg, !r->waiting && !r->missed);
}

static void on_limit(struct loop_timer *t)
{
	struct round *r = container_of(t, struct round, limit);

	loop_defer(r->q->loop, &r->end);
}

/* Somebody answered: the rest gets its time anew. */
static void progress(struct round *r)
{
	struct loop *loop = r->q->loop;

	if (r->waiting && !loop_timer_set(loop, &r->limit,
					  mono_add(loop_now(loop),
						   mono_ms(QUERY_PATIENCE_MS))))
		return;
	/* all are there; or no memory to wait: with what there is */
	loop_defer(loop, &r->end);
}

void query_begin(struct query *q, enum query_what what)
{
	struct round *r = &q->rounds[what];

	r->active = true;
	r->cookie = ++q->next_cookie;
	r->waiting = r->missed = 0;
	if (what == QUERY_STATS)
		memset(&q->stats, 0, sizeof(q->stats));
	for (size_t i = 0; i < QUERY_N_WHO; i++) {
		struct source *s = &q->sources[i];
		uint32_t type = whos[i].ask[what];

		if (!type)
			continue;
		if (s->src.fd < 0) {
			r->missed |= 1U << i;
			continue;
		}
		r->waiting |= 1U << i;
		if (s->unheard < UNHEARD_MAX &&
		    !msg_send(s->src.fd, type, &r->cookie, sizeof(r->cookie),
			      NULL, 0))
			s->unheard++;
	}
	progress(r);
}

/* @who has said all it has to say in round @r. */
static void answered(struct round *r, enum query_who who)
{
	r->waiting &= ~(1U << who);
	progress(r);
}

/* @who is gone: nobody needs to wait for it. */
static void lost(struct query *q, enum query_who who)
{
	for (size_t i = 0; i < QUERY_N_WHAT; i++) {
		struct round *r = &q->rounds[i];

		if (!r->active || !(r->waiting & 1U << who))
			continue;
		r->missed |= 1U << who;
		answered(r, who);
	}
}

/* ---- answers ---- */

/* Copy a body of a fixed size whose first field is the cookie. */
static void take_stats(struct query *q, enum query_who who, const struct msg *m,
		       void *out, size_t size)
{
	struct round *r = &q->rounds[QUERY_STATS];
	uint32_t cookie;

	if (m->len != size)
		return;
	memcpy(&cookie, m->body, sizeof(cookie));
	if (!r->active || cookie != r->cookie || !(r->waiting & 1U << who))
		return;
	memcpy(out, m->body, size);
	q->stats.has[who] = true;
	answered(r, who);
}

/* Is @m a page of this round, of at most @max records of @size behind @head? */
static bool is_page(const struct round *r, const struct msg *m, size_t head,
		    size_t size, size_t max)
{
	struct portfwd_page page;

	if (m->len < head)
		return false;
	memcpy(&page, m->body, sizeof(page));
	return page.n <= max && m->len == head + page.n * size && r->active &&
	       page.cookie == r->cookie;
}

static void page_taken(struct round *r, const struct portfwd_page *page)
{
	if (page->last)
		answered(r, QUERY_PORTFWD);
	else
		progress(r);
}

static void take_flows(struct query *q, const struct msg *m)
{
	struct round *r = &q->rounds[QUERY_FLOWS];
	struct portfwd_flows page;

	if (!is_page(r, m, offsetof(struct portfwd_flows, flows),
		     sizeof(page.flows[0]), FLOWS_A_PAGE))
		return;
	memcpy(&page, m->body, m->len);
	q->ops.flows(q->ops.arg, page.flows, page.head.n);
	page_taken(r, &page.head);
}

static void take_ports(struct query *q, const struct msg *m)
{
	struct round *r = &q->rounds[QUERY_PORTS];
	struct portfwd_ports page;

	if (!is_page(r, m, offsetof(struct portfwd_ports, ports),
		     sizeof(page.ports[0]), PORTS_A_PAGE))
		return;
	memcpy(&page, m->body, m->len);
	q->ops.ports(q->ops.arg, page.ports, page.head.n);
	page_taken(r, &page.head);
}

static void take(struct query *q, enum query_who who, const struct msg *m)
{
	if (who == QUERY_NETSTACK && m->type == NETSTACK_STATS_ARE)
		take_stats(q, who, m, &q->stats.netstack,
			   sizeof(q->stats.netstack));
	else if (who == QUERY_PORTFWD && m->type == PORTFWD_STATS_ARE)
		take_stats(q, who, m, &q->stats.portfwd,
			   sizeof(q->stats.portfwd));
	else if (who == QUERY_PORTFWD && m->type == PORTFWD_FLOWS_ARE)
		take_flows(q, m);
	else if (who == QUERY_PORTFWD && m->type == PORTFWD_PORTS_ARE)
		take_ports(q, m);
	else if (who == QUERY_MAKER && m->type == MAKER_STATS_ARE)
		take_stats(q, who, m, &q->stats.maker, sizeof(q->stats.maker));
}

static void on_source(struct loop_source *src, uint32_t revents)
{
	struct source *s = container_of(src, struct source, src);
	struct query *q = s->q;
	enum query_who who = (enum query_who)(s - q->sources);

	(void)revents;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		struct msg m;
		int rc = msg_recv(src->fd, &m);

		if (msg_again(rc))
			return;
		if (rc <= 0) {
			/* its end is its pidfd's business */
			loop_del(q->loop, src);
			lost(q, who);
			return;
		}
		s->unheard = 0;
		take(q, who, &m);
		msg_drop(&m);
	}
}

/* ---- set-up ---- */

int query_attach(struct query *q, enum query_who who, int fd)
{
	struct source *s = &q->sources[who];

	loop_del(q->loop, &s->src);
	lost(q, who);
	s->unheard = 0;
	if (fd < 0)
		return 0;
	s->src = (struct loop_source){ fd, EPOLLIN, on_source };
	return loop_add(q->loop, &s->src);
}

int query_new(struct query **out, struct loop *loop,
	      const struct query_ops *ops)
{
	struct query *q = calloc(1, sizeof(*q));

	if (!q)
		return log_errno(ENOMEM, "control socket");
	q->loop = loop;
	q->ops = *ops;
	for (size_t i = 0; i < QUERY_N_WHO; i++) {
		q->sources[i].q = q;
		q->sources[i].src = (struct loop_source)LOOP_SOURCE_NULL;
	}
	for (size_t i = 0; i < QUERY_N_WHAT; i++) {
		q->rounds[i].q = q;
		q->rounds[i].limit.fn = on_limit;
		q->rounds[i].end.fn = on_end;
		list_init(&q->rounds[i].end.link);
	}
	*out = q;
	return 0;
}

struct query *query_free(struct query *q)
{
	if (!q)
		return NULL;
	for (size_t i = 0; i < QUERY_N_WHO; i++)
		loop_del(q->loop, &q->sources[i].src);
	for (size_t i = 0; i < QUERY_N_WHAT; i++) {
		loop_timer_stop(q->loop, &q->rounds[i].limit);
		list_del(&q->rounds[i].end.link);
	}
	free(q);
	return NULL;
}
