// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ladder of source.h for datagrams: nothing tells that the pod takes them
 * but an answer, and nothing that it doesn't but an ICMP error. So the first
 * datagram is kept until then, for the other family; a small one, and only so
 * many at once: clients repeat what isn't answered.
 *
 * Two flows of one client can look the same to the pod: when it uses one socket
 * for two addresses of the host, or for two host ports of one pod port. UDP
 * sockets may share addresses and ports here, so the kernel would not refuse;
 * the second flow gets another port of the client's address.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/udp_internal.h"

#define FIRST_BYTES 1500
#define FIRST_MAX   256

/* A datagram that doesn't get into the pod: nft_udp.c, netstack/switch.c. */
static void send_mark(const struct udp_flow *f, int ttl)
{
	_Alignas(struct cmsghdr) uint8_t ctl[CMSG_SPACE(sizeof(ttl))] = { 0 };
	struct msghdr h = { .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	bool v4 = f->as.sa.sa_family == AF_INET;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	if (f->port->u->source->direct)
		return;
	c->cmsg_level = v4 ? SOL_IP : SOL_IPV6;
	c->cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT;
	c->cmsg_len = CMSG_LEN(sizeof(ttl));
	memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
	/* the first try may only tell of an earlier datagram's error */
	if (sendmsg(f->src.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		(void)sendmsg(f->src.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void udp_flow_keep(struct udp_flow *f)
{
	send_mark(f, HOP_UDP_TTL_KEEP);
	f->told = loop_now(f->port->u->loop);
}

/* ---- the ladder ---- */

static int try_rung(struct udp_flow *f)
{
	static const int off;
	struct udp *u = f->port->u;
	const struct udp_key *key = &f->node.key;
	union endpoint client = endpoint_make(&key->client, key->client_port);
	int family = source_family(u->plan, f->rung, &key->client);
	int fd = pool_get(u->pool, &u->sockets, family);
	socklen_t len = sizeof(f->as);
	int rc = 0;

	if (fd < 0)
		return fd;
	/* a free port must be nobody else's */
	if (f->rung != SOURCE_CLIENT &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)))
		rc = -errno;
	if (!rc)
		rc = source_connect(fd, u->plan, &f->port->pub->spec, f->rung,
				    &client, key->pod_port);
	if (!rc && getsockname(fd, &f->as.sa, &len))
		rc = -errno;
	if (!rc) {
		f->src = (struct loop_source){ fd, EPOLLIN, udp_flow_readable };
		rc = loop_add(u->loop, &f->src);
	}
	if (rc) {
		f->src = (struct loop_source)LOOP_SOURCE_NULL;
		fd_drop(&fd);
	}
	return rc;
}

static int climb(struct udp_flow *f)
{
	const struct podnet *plan = f->port->u->plan;

	for (;;) {
		int rc = try_rung(f);

		if (rc == 0 || rc == -EAGAIN)
			return rc;
		f->rung = source_next(plan, f->rung, -rc);
		if (f->rung == SOURCE_NONE)
			return rc;
	}
}

static void count_source(const struct udp_flow *f)
{
	struct udp *u = f->port->u;

	publication_served(f->port->pub, u->source, &f->node.key.client,
			   f->rung, &u->stats.source);
}

static void keep_first(struct udp_flow *f, const struct udp_msg *m)
{
	struct udp *u = f->port->u;

	if (m->seg || m->len > FIRST_BYTES || u->n_first >= FIRST_MAX ||
	    source_next(u->plan, f->rung, ECONNREFUSED) == SOURCE_NONE)
		return;
	/* malloc(0) may be NULL */
	f->first = malloc(m->len + 1);
	if (!f->first)
		return;
	memcpy(f->first, m->data, m->len);
	f->first_len = m->len;
	u->n_first++;
}

static void forget_first(struct udp_flow *f)
{
	if (!f->first)
		return;
	free(f->first);
	f->first = NULL;
	f->port->u->n_first--;
}

static enum source_rung begin_at(const struct udp_port *port,
				 const struct udp_key *key)
{
	struct udp *u = port->u;

	if (source_why_lost(u->source, &port->pub->spec, &key->client))
		return SOURCE_GATEWAY;
	return udp_table_taken(&u->table, key) ? SOURCE_CLIENT_ADDR
					       : SOURCE_CLIENT;
}

int udp_flow_open(struct udp_flow **out, struct udp_port *port,
		  const struct udp_key *key, const struct udp_msg *first)
{
	struct udp_flow *f = calloc(1, sizeof(*f));
	struct udp *u = port->u;
	int rc;

	if (!f)
		return -ENOMEM;
	f->port = port;
	f->node.key = *key;
	f->to = first->from;
	f->gso_in = f->gso_out = UDP_GSO_ANY;
	f->rung = begin_at(port, key);
	rc = climb(f);
	if (rc) {
		free(f);
		return rc;
	}
	f->node.exact = f->rung == SOURCE_CLIENT;
	f->told = loop_now(u->loop);
	keep_first(f, first);
	udp_table_add(&u->table, &f->node, loop_now(u->loop));
	flow_book_add(&u->book, &f->book, loop_now(u->loop));
	port->pub->n_flows++;
	u->stats.opened++;
	count_source(f);
	*out = f;
	return 0;
}

static void leave_hop(struct udp_flow *f)
{
	if (f->src.fd < 0)
		return;
	send_mark(f, HOP_UDP_TTL_DROP);
	loop_close(f->port->u->loop, &f->src);
}

void udp_flow_close(struct udp_flow *f)
{
	leave_hop(f);
	forget_first(f);
	udp_table_del(&f->port->u->table, &f->node);
	list_del(&f->book.link);
	f->port->pub->n_flows--;
	f->port->pub->bytes_in += f->bytes_in;
	f->port->pub->bytes_out += f->bytes_out;
	free(f);
}

void udp_flow_answered(struct udp_flow *f)
{
	forget_first(f);
}

/* The other family, with the same datagram. */
static int go_on(struct udp_flow *f)
{
	bool counted = f->rung == SOURCE_GATEWAY; /* as lost, already */

	f->rung = source_next(f->port->u->plan, f->rung, ECONNREFUSED);
	leave_hop(f);
	if (f->rung == SOURCE_NONE || climb(f))
		return -ECONNREFUSED;
	f->node.exact = false;
	if (!counted)
		count_source(f);
	(void)send(f->src.fd, f->first, f->first_len, MSG_NOSIGNAL);
	forget_first(f);
	return 0;
}

/* A client that is refused begins anew with its next datagram: the pod's server
 * may be there then. */
void udp_flow_refused(struct udp_flow *f)
{
	if (f->first && !go_on(f))
		return;
	f->port->u->stats.refused++;
	f->port->pub->errors++;
	udp_flow_close(f);
}
