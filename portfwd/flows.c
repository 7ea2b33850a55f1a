// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A walk over thousands of flows takes many turns, in which flows come and go.
 * So its place is an element of the list itself, which stays where it is when
 * its neighbours go. Nobody but this file follows the links, so nobody takes
 * the mark for a flow. New flows are put in front, where no walk comes again.
 */
#include "portfwd/flows.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/relay.h"

void flow_book_init(struct flow_book *b, flow_fill_fn fill)
{
	list_init(&b->flows);
	list_init(&b->mark);
	b->fill = fill;
}

void flow_book_add(struct flow_book *b, struct flow_node *node, struct mono now)
{
	node->since = now;
	list_append(b->flows.next, &node->link); /* before the first */
}

void flow_book_rewind(struct flow_book *b)
{
	list_del(&b->mark);
	list_append(b->flows.next, &b->mark);
}

size_t flow_book_page(struct flow_book *b, struct mono now,
		      struct flow_record *out, size_t max)
{
	size_t n = 0;

	if (!list_linked(&b->mark))
		return 0;
	while (n < max && b->mark.next != &b->flows) {
		struct list *e = b->mark.next;
		struct flow_node *node =
			container_of(e, struct flow_node, link);

		memset(&out[n], 0, sizeof(out[n]));
		out[n].rtt_us = FLOW_RTT_UNKNOWN;
		out[n].age_ms =
			(uint64_t)(mono_sub(now, node->since).ns / 1000000);
		b->fill(node, &out[n]);
		n++;
		list_del(&b->mark);
		list_append(e->next, &b->mark);
	}
	if (n < max)
		list_del(&b->mark);
	return n;
}

void flow_record_local(int fd, struct flow_record *out)
{
	union endpoint ep;
	socklen_t len = sizeof(ep);
	struct ip ip;

	if (fd < 0 || getsockname(fd, &ep.sa, &len))
		return;
	ip = endpoint_ip(&ep);
	out->host = endpoint_make(&ip, endpoint_port(&ep));
}

void flow_record_relay(const struct relay_flow *f, struct flow_record *out)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	out->path = f->relay->pipe[0] < 0 ? FLOW_COPY : FLOW_SPLICE;
	out->state = f->a.eof || f->b.eof ? FLOW_HALF_CLOSED : FLOW_OPEN;
	out->bytes_in = f->a.bytes;
	out->bytes_out = f->b.bytes;
	flow_record_local(f->a.src.fd, out);
	memset(&info, 0, sizeof(info));
	/* SOL_TCP's TCP_INFO doesn't touch the socket's pending error */
	if (!getsockopt(f->a.src.fd, SOL_TCP, TCP_INFO, &info, &len) &&
	    info.tcpi_rtt)
		out->rtt_us = info.tcpi_rtt;
}
