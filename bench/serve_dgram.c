// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A run begins with the first WIRE_DGRAM_START of its name: that tells where
 * its client is, as seen from here, and on which port it wants to be served.
 *
 * A datagram that is not as it should be can't be told from another run's: it
 * spoils all that are under way.
 */
#include "bench/serve_dgram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define BUFFER_BYTES (4 << 20)

struct dgram_run {
	struct list link;
	struct dgram_server *srv;
	struct wire_request request;
	struct dgram_port *port; /* NULL: not begun */
	union endpoint client;
	struct dgram_sink sink;	    /* WIRE_DGRAM_SINK */
	struct dgram_source source; /* WIRE_DGRAM_SOURCE */
};

int dgram_server_init(struct dgram_server *srv, struct loop *loop,
		      const struct pattern *pattern)
{
	*srv = (struct dgram_server){
		.loop = loop,
		.pattern = pattern,
		.box = malloc(sizeof(*srv->box)),
	};
	list_init(&srv->runs);
	return srv->box ? 0 : log_errno(ENOMEM, "datagrams");
}

void dgram_server_deinit(struct dgram_server *srv)
{
	free(srv->box);
	srv->box = NULL;
}

static void run_begin(struct dgram_run *run, struct dgram_port *port,
		      const union endpoint *client)
{
	const struct wire_request *q = &run->request;

	if (run->port || (q->mode == WIRE_DGRAM_SOURCE && port->sends))
		return;
	run->port = port;
	run->client = *client;
	if (q->mode == WIRE_DGRAM_SINK) {
		meter_start(&run->sink.meter, mono_now(),
			    (struct mono){ (int64_t)q->warm_ns },
			    (struct mono){ (int64_t)q->run_ns });
		return;
	}
	run->source.loop = run->srv->loop;
	run->source.src = &port->src;
	run->source.pattern = run->srv->pattern;
	run->source.to = *client;
	run->source.run = q->run;
	run->source.size_bytes = q->size_bytes;
	run->source.gap = (struct mono){ (int64_t)q->gap_ns };
	port->sends = run;
	(void)dgram_source_start(&run->source); /* logged; nothing arrives */
}

static struct dgram_run *find_run(struct dgram_server *srv, uint64_t id)
{
	list_for_each_safe (e, &srv->runs) {
		struct dgram_run *run = container_of(e, struct dgram_run, link);

		if (run->request.run == id)
			return run;
	}
	return NULL;
}

static void spoil_runs(struct dgram_server *srv)
{
	list_for_each_safe (e, &srv->runs)
		container_of(e, struct dgram_run, link)->sink.corrupt = true;
}

/* Return: does it go back? */
static bool port_heard(struct dgram_port *port, size_t i, struct mono now)
{
	struct dgram_server *srv = port->srv;
	size_t len = srv->box->msgs[i].msg_len;
	struct dgram_run *run;
	struct wire_dgram head;

	if (!dgram_check(srv->pattern, srv->box->data[i], len, &head)) {
		spoil_runs(srv);
		return false;
	}
	if (head.kind == WIRE_DGRAM_ECHO)
		return true;
	run = find_run(srv, head.run);
	if (run && head.kind == WIRE_DGRAM_START)
		run_begin(run, port, &srv->box->from[i]);
	else if (run && run->request.mode == WIRE_DGRAM_SINK)
		dgram_sink_take(&run->sink, &head, len, now);
	return head.kind == WIRE_DGRAM_START;
}

static void port_receive(struct dgram_port *port)
{
	struct dgram_box *box = port->srv->box;
	int n = dgram_receive(box, port->src.fd);
	struct mono now = mono_now();
	int n_back = 0;

	/* an error is an ICMP message about an echo: its client is gone */
	for (int i = 0; i < n; i++) {
		if (!port_heard(port, (size_t)i, now))
			continue;
		box->iov[i].iov_len = box->msgs[i].msg_len;
		box->msgs[n_back++].msg_hdr = box->msgs[i].msg_hdr;
	}
	/* what doesn't fit is lost, as datagrams may be */
	if (n_back)
		(void)sendmmsg(port->src.fd, box->msgs, (unsigned int)n_back,
			       MSG_DONTWAIT);
}

static void port_event(struct loop_source *src, uint32_t revents)
{
	struct dgram_port *port = container_of(src, struct dgram_port, src);

	if (revents & ~(uint32_t)EPOLLOUT)
		port_receive(port);
	/* an error is told by what doesn't arrive */
	if ((revents & EPOLLOUT) && port->sends)
		(void)dgram_source_turn(&port->sends->source);
}

int dgram_port_open(struct dgram_port *port, struct dgram_server *srv,
		    const union endpoint *at)
{
	scoped_fd fd = socket(at->sa.sa_family,
			      SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_MAX];

	if (fd < 0)
		return log_errno(errno, "socket");
	/* as for TCP; and as many as the kernel allows may wait: what is lost
	 * shall be lost on the way */
	if (at->sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int)))
		return log_errno(errno, "IPV6_V6ONLY");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ BUFFER_BYTES },
		       sizeof(int)))
		return log_errno(errno, "SO_RCVBUF");
	if (bind(fd, &at->sa, endpoint_len(at)))
		return log_errno(errno, "%s/udp: bind",
				 endpoint_format(at, text));
	port->srv = srv;
	port->src = (struct loop_source){ fd, EPOLLIN, port_event };
	if (loop_add(srv->loop, &port->src)) {
		port->src.fd = -1;
		return -EIO;
	}
	(void)fd_take(&fd);
	return 0;
}

void dgram_port_close(struct dgram_port *port)
{
	if (port->srv) /* else it was never opened */
		loop_close(port->srv->loop, &port->src);
}

struct dgram_run *dgram_run_new(struct dgram_server *srv,
				const struct wire_request *request)
{
	struct dgram_run *run;

	if (request->size_bytes < DGRAM_MIN || request->size_bytes > DGRAM_MAX)
		return NULL;
	run = calloc(1, sizeof(*run));
	if (!run)
		return NULL;
	run->srv = srv;
	run->request = *request;
	list_append(&srv->runs, &run->link);
	if (request->mode == WIRE_DGRAM_SINK &&
	    dgram_sink_init(&run->sink, request->size_bytes)) {
		dgram_run_free(run);
		return NULL;
	}
	return run;
}

void dgram_run_free(struct dgram_run *run)
{
	dgram_source_stop(&run->source);
	if (run->port && run->port->sends == run)
		run->port->sends = NULL;
	dgram_sink_deinit(&run->sink);
	list_del(&run->link);
	free(run);
}

struct wire_dgram_report dgram_run_report(struct dgram_run *run)
{
	const struct dgram_sink *sink = &run->sink;
	struct wire_dgram_report report = {
		.magic = WIRE_MAGIC,
		.status = sink->corrupt ? WIRE_CORRUPT : WIRE_OK,
		.sent = run->source.sent,
		.received = sink->received,
		.twice = sink->twice,
		.late = sink->late,
		.steady_bytes = meter_steady_bytes(&sink->meter),
		.steady_ns = meter_steady_ns(&sink->meter),
	};

	dgram_source_stop(&run->source);
	if (run->port)
		(void)endpoint_format(&run->client, report.peer);
	return report;
}
