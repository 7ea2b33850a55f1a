// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A page of flows costs two system calls a flow, so there is one page a turn:
 * whoever asks, and however many flows there are, the relay goes on. The
 * socket to the supervisor may be full (the supervisor can be stopped, by ^Z
 * for one): a page then waits for room, and nothing else does.
 */
#include "portfwd/report.h"

#include <errno.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "portfwd/egress.h"
#include "portfwd/ingress.h"
#include "portfwd/portfwd.h"

_Static_assert(sizeof(struct portfwd_flows) <= MSG_BODY_MAX,
	       "a page fits in a message");

static void add_egress(const struct egress *e, struct portfwd_totals *t)
{
	const struct egress_stats *s = egress_stats(e);

	t->refused += s->refused;
	t->unreachable += s->unreachable;
	t->timeout += s->timeout + s->gave_up;
	t->emfile += s->shortage + s->over;
	t->policy += s->policy;
}

static void add_ingress(const struct ingress *in, struct portfwd_totals *t)
{
	const struct ingress_stats *s = ingress_stats(in);

	t->refused += s->refused;
	t->unreachable += s->unreachable;
	t->emfile += s->paused_fds;
	t->policy += s->over_max;
	for (size_t i = 0; i < SOURCE_LOST_N; i++)
		t->source_lost += s->lost[i];
}

static void add_relay(const struct relay *r, struct portfwd_totals *t)
{
	/* the pipe is all flows', made once */
	enum flow_path path = r->pipe[0] < 0 ? FLOW_COPY : FLOW_SPLICE;
	const struct relay_stats *s = &r->stats;

	t->open[path] = r->n_flows;
	t->total[path] = s->opened;
	t->bytes_in[FLOW_SPLICE] = s->bytes_spliced[RELAY_A_TO_B];
	t->bytes_out[FLOW_SPLICE] = s->bytes_spliced[RELAY_B_TO_A];
	t->bytes_in[FLOW_COPY] = s->bytes_copied[RELAY_A_TO_B];
	t->bytes_out[FLOW_COPY] = s->bytes_copied[RELAY_B_TO_A];
	t->pipe_quota = s->pipe_quota;
}

static void send_stats(struct report *r)
{
	struct portfwd_totals t = { .cookie = r->stats_cookie,
				    .mem = procmem_read(r->mem_fd) };

	if (r->egress)
		add_egress(r->egress, &t);
	if (r->ingress)
		add_ingress(r->ingress, &t);
	add_relay(r->relay, &t);
	/* no room: many questions were asked, and nobody reads the answers */
	(void)msg_send(r->ctl->fd, PORTFWD_STATS_ARE, &t, sizeof(t), NULL, 0);
}

/* The next page; an empty one may be the last. */
static void fill_page(struct report *r)
{
	struct mono now = loop_now(r->loop);
	struct portfwd_flows *p = &r->page;
	size_t n = 0;

	if (r->in_egress) {
		n = flow_book_page(egress_book(r->egress), now, p->flows,
				   FLOWS_A_PAGE);
		r->in_egress = n == FLOWS_A_PAGE;
	}
	if (!r->in_egress && r->ingress)
		n += flow_book_page(ingress_book(r->ingress), now, p->flows + n,
				    FLOWS_A_PAGE - n);
	p->n = (uint16_t)n;
	p->last = n < FLOWS_A_PAGE;
}

static void watch_room(struct report *r, bool on)
{
	uint32_t events = EPOLLIN | (on ? (uint32_t)EPOLLOUT : 0);

	if (r->ctl->events != events)
		(void)loop_mod(r->loop, r->ctl, events);
}

static void send_page(struct report *r)
{
	size_t len = offsetof(struct portfwd_flows, flows);
	int rc;

	if (!r->held)
		fill_page(r);
	len += r->page.n * sizeof(r->page.flows[0]);
	rc = msg_send(r->ctl->fd, PORTFWD_FLOWS_ARE, &r->page, len, NULL, 0);
	r->held = rc == -EAGAIN || rc == -ENOBUFS;
	watch_room(r, r->held);
	/* any other error: the supervisor is gone, on_ctl() sees it */
	if (!r->held && (rc || r->page.last))
		r->wants_flows = false;
}

static void send_next(struct loop_job *job)
{
	struct report *r = container_of(job, struct report, job);

	if (r->wants_stats) {
		r->wants_stats = false;
		send_stats(r);
	} else if (r->wants_flows) {
		send_page(r);
	}
	if (r->wants_flows && !r->held)
		loop_defer(r->loop, &r->job);
}

void report_init(struct report *r, struct loop *loop, struct loop_source *ctl,
		 const struct relay *relay)
{
	memset(r, 0, sizeof(*r));
	r->loop = loop;
	r->ctl = ctl;
	r->relay = relay;
	r->mem_fd = procmem_open();
	r->job.fn = send_next;
	list_init(&r->job.link);
}

void report_deinit(struct report *r)
{
	if (!r->loop)
		return;
	list_del(&r->job.link);
	fd_drop(&r->mem_fd);
	r->loop = NULL;
}

void report_stats(struct report *r, uint32_t cookie)
{
	r->stats_cookie = cookie;
	r->wants_stats = true;
	loop_defer(r->loop, &r->job);
}

void report_flows(struct report *r, uint32_t cookie)
{
	r->page.cookie = cookie;
	r->wants_flows = true;
	r->held = false;
	r->in_egress = r->egress != NULL;
	if (r->egress)
		flow_book_rewind(egress_book(r->egress));
	if (r->ingress)
		flow_book_rewind(ingress_book(r->ingress));
	loop_defer(r->loop, &r->job);
}

void report_room(struct report *r)
{
	watch_room(r, false);
	loop_defer(r->loop, &r->job);
}
