// SPDX-License-Identifier: GPL-2.0-or-later
/* Ports of TCP come and go, and what is told of them. */
#include <errno.h>
#include <stdlib.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/ingress_internal.h"
#include "portfwd/relay_socket.h"

static struct ingress_port *
port_find(struct ingress *in, const struct publication *pub, uint16_t pod_port)
{
	list_for_each (e, &in->ports) {
		struct ingress_port *p =
			container_of(e, struct ingress_port, link);

		if (p->pub == pub && p->pod_port == pod_port)
			return p;
	}
	return NULL;
}

static struct ingress_port *port_add(struct ingress *in,
				     struct publication *pub, uint16_t pod_port,
				     uint32_t early_s)
{
	struct ingress_port *p = calloc(1, sizeof(*p));

	if (!p) {
		(void)log_errno(ENOMEM, "published port");
		return NULL;
	}
	p->in = in;
	p->pub = pub;
	p->pod_port = pod_port;
	/* nobody waits for a target of `forward`: we don't start it */
	if (!in->source->direct)
		p->early = mono_add(loop_now(in->loop), mono_s(early_s));
	p->src = (struct loop_source)LOOP_SOURCE_NULL;
	list_init(&p->waiting);
	list_append(&in->ports, &p->link);
	pub->n_ports++;
	return p;
}

/* In place of the one it has, if any. @fd: taken */
static int set_listener(struct ingress_port *p, int *fd)
{
	int rc = relay_socket_prepare_host(*fd);

	if (rc)
		return log_errno(-rc, "listener: socket options");
	loop_close(p->in->loop, &p->src);
	p->src = (struct loop_source){ fd_take(fd), EPOLLIN | EPOLLET,
				       ingress_acceptable };
	return p->in->started ? loop_add(p->in->loop, &p->src) : 0;
}

int ingress_publish(struct ingress *in, const struct portfwd_publish *p,
		    int *fds)
{
	struct publication *pub = publication_get(&in->publications, p);
	int rc = 0;

	if (!pub)
		return -ENOMEM;
	for (uint16_t i = 0; i < p->n && !rc; i++) {
		uint16_t pod_port = (uint16_t)(p->spec.pod_port + p->first + i);
		struct ingress_port *port =
			p->again ? port_find(in, pub, pod_port) : NULL;

		if (!port)
			port = port_add(in, pub, pod_port, p->early_s);
		rc = port ? set_listener(port, &fds[i]) : -ENOMEM;
	}
	return rc;
}

static void drop_flows(struct list *flows, const struct publication *pub)
{
	list_for_each_safe (e, flows) {
		struct ingress_flow *f =
			container_of(e, struct ingress_flow, link);

		if (f->port->pub != pub)
			continue;
		if (f->client_fd < 0)
			relay_abort(&f->relay);
		else
			ingress_flow_free(f);
	}
}

void ingress_unpublish(struct ingress *in, uint32_t id, bool drop)
{
	struct publication *pub = publication_find(&in->publications, id);

	if (!pub)
		return;
	if (drop) {
		drop_flows(&in->relaying, pub);
		drop_flows(&in->connecting, pub);
		drop_flows(&in->starved, pub);
		drop_flows(&in->early, pub);
	}
	pub->n_ports++; /* it stays until we are done */
	list_for_each_safe (e, &in->ports) {
		struct ingress_port *p =
			container_of(e, struct ingress_port, link);

		if (p->pub != pub)
			continue;
		loop_close(in->loop, &p->src);
		list_del(&p->waiting);
		ingress_port_unref(p);
	}
	pub->removed = true;
	if (--pub->n_ports)
		return;
	list_del(&pub->link);
	free(pub);
}

static void tally(struct ingress *in)
{
	publications_clear_live(&in->publications);
	list_for_each (e, &in->relaying) {
		const struct ingress_flow *f =
			container_of(e, struct ingress_flow, link);

		f->port->pub->live_in += f->relay.a.bytes;
		f->port->pub->live_out += f->relay.b.bytes;
	}
}

size_t ingress_ports_page(struct ingress *in, uint32_t after,
			  struct port_record *out, size_t max)
{
	tally(in);
	return publications_page(&in->publications, after, out, max);
}

int ingress_start(struct ingress *in)
{
	int rc = 0;

	in->started = true;
	if (!list_empty(&in->ports))
		pool_fill(in->pool, &in->sockets);
	list_for_each (e, &in->ports) {
		struct ingress_port *p =
			container_of(e, struct ingress_port, link);

		rc = loop_add(in->loop, &p->src);
		if (rc)
			break;
	}
	return rc;
}
