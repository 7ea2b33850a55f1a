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
#include "portfwd/udp.h"

_Static_assert(sizeof(struct portfwd_flows) <= MSG_BODY_MAX,
	       "a page fits in a message");
_Static_assert(sizeof(struct portfwd_ports) <= MSG_BODY_MAX,
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
	t->timeout += s->paused_pod;
	t->emfile += s->paused_fds;
	t->policy += s->over_max;
	for (size_t i = 0; i < SOURCE_LOST_N; i++)
		t->source_lost += s->source.lost[i];
}

static void add_udp(const struct udp *u, struct portfwd_totals *t)
{
	const struct udp_stats *s = udp_stats(u);

	t->open[FLOW_UDP] = udp_count(u);
	t->total[FLOW_UDP] = s->opened;
	t->bytes_in[FLOW_UDP] = s->bytes_in;
	t->bytes_out[FLOW_UDP] = s->bytes_out;
	t->udp_packets_in = s->packets_in;
	t->udp_packets_out = s->packets_out;
	t->refused += s->refused;
	t->unreachable += s->unsent;
	t->emfile += s->shortage;
	t->policy += s->over_max;
	t->evicted = s->evicted;
	for (size_t i = 0; i < SOURCE_LOST_N; i++)
		t->source_lost += s->source.lost[i];
}

static void add_relay(const struct relay *r, struct portfwd_totals *t)
{
	const struct relay_stats *s = &r->stats;

	/* the pipe is all flows' */
	t->open[r->pipe[0] < 0 ? FLOW_COPY : FLOW_SPLICE] = r->n_flows;
	t->total[FLOW_SPLICE] = s->opened - s->opened_copied;
	t->total[FLOW_COPY] = s->opened_copied;
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
	if (r->udp)
		add_udp(r->udp, &t);
	add_relay(r->relay, &t);
	/* no room: many questions were asked, and nobody reads the answers */
	(void)msg_send(r->ctl->fd, PORTFWD_STATS_ARE, &t, sizeof(t), NULL, 0);
}

#define N_BOOKS 3

/* NULL: there are no such flows */
static struct flow_book *book_at(const struct report *r, unsigned int at)
{
	if (at == 0)
		return r->egress ? egress_book(r->egress) : NULL;
	if (at == 1)
		return r->ingress ? ingress_book(r->ingress) : NULL;
	return r->udp ? udp_book(r->udp) : NULL;
}

/* The next page; an empty one may be the last. */
static void fill_page(struct report *r)
{
	struct mono now = loop_now(r->loop);
	struct portfwd_flows *p = &r->page;
	size_t n = 0;

	while (n < FLOWS_A_PAGE && r->at < N_BOOKS) {
		struct flow_book *b = book_at(r, r->at);

		if (b)
			n += flow_book_page(b, now, p->flows + n,
					    FLOWS_A_PAGE - n);
		if (n < FLOWS_A_PAGE)
			r->at++;
	}
	p->head.n = (uint16_t)n;
	p->head.last = n < FLOWS_A_PAGE;
}

static void watch_room(struct report *r, int rc)
{
	uint32_t events;

	r->full = msg_again(rc);
	events = EPOLLIN | (r->full ? (uint32_t)EPOLLOUT : 0);

	if (r->ctl->events != events)
		(void)loop_mod(r->loop, r->ctl, events);
}

static void send_page(struct report *r)
{
	size_t len = offsetof(struct portfwd_flows, flows);
	int rc;

	if (!r->held)
		fill_page(r);
	len += r->page.head.n * sizeof(r->page.flows[0]);
	rc = msg_send(r->ctl->fd, PORTFWD_FLOWS_ARE, &r->page, len, NULL, 0);
	watch_room(r, rc);
	r->held = r->full;
	/* any other error: the supervisor is gone, on_ctl() sees it */
	if (!r->held && (rc || r->page.head.last))
		r->wants_flows = false;
}

/* A page that waits for room is made anew: ids tell where the walk is. */
static void send_ports(struct report *r)
{
	struct portfwd_ports page = { .head.cookie = r->ports_cookie };
	size_t n = 0;
	int rc;

	if (r->ports_udp && r->udp)
		n = udp_ports_page(r->udp, r->ports_after, page.ports,
				   PORTS_A_PAGE);
	else if (!r->ports_udp && r->ingress)
		n = ingress_ports_page(r->ingress, r->ports_after, page.ports,
				       PORTS_A_PAGE);
	page.head.n = (uint16_t)n;
	page.head.last = r->ports_udp && n < PORTS_A_PAGE;
	rc = msg_send(r->ctl->fd, PORTFWD_PORTS_ARE, &page,
		      offsetof(struct portfwd_ports, ports) +
			      n * sizeof(page.ports[0]),
		      NULL, 0);
	watch_room(r, rc);
	if (!rc && n == PORTS_A_PAGE) {
		r->ports_after = page.ports[n - 1].id;
	} else if (!rc) {
		r->ports_udp = true;
		r->ports_after = 0;
	}
	if (!r->full && (rc || page.head.last))
		r->wants_ports = false;
}

static void send_next(struct loop_job *job)
{
	struct report *r = container_of(job, struct report, job);

	if (r->wants_stats) {
		r->wants_stats = false;
		send_stats(r);
	} else if (r->wants_ports) {
		send_ports(r);
	} else if (r->wants_flows) {
		send_page(r);
	}
	if ((r->wants_flows || r->wants_ports) && !r->full)
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
	r->page.head.cookie = cookie;
	r->wants_flows = true;
	r->held = false;
	r->at = 0;
	for (unsigned int i = 0; i < N_BOOKS; i++) {
		struct flow_book *b = book_at(r, i);

		if (b)
			flow_book_rewind(b);
	}
	loop_defer(r->loop, &r->job);
}

void report_ports(struct report *r, uint32_t cookie)
{
	r->ports_cookie = cookie;
	r->ports_after = 0;
	r->ports_udp = false;
	r->wants_ports = true;
	loop_defer(r->loop, &r->job);
}

void report_room(struct report *r)
{
	watch_room(r, 0);
	loop_defer(r->loop, &r->job);
}
