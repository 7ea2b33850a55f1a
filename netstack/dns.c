// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parts of the DNS service:
 *
 *	dns_udp.c      the pod's UDP queries, and UDP to a server
 *	dns_listen.c   accepting the pod's TCP connections
 *	dns_tcp.c      serving them
 *	dns_stream.c   a query over TCP to a server; one connection per attempt
 *	dns_query.c    which server is asked when, over either
 *	dns_socket.c   sockets towards servers, and those that are kept
 *	dns_msg.c      the bytes
 *
 * This file holds the object they hang on, and the servers. A list of servers
 * is counted: each query keeps the one it began with, and what is learnt about
 * a server (down, heard of) is shared by all queries of that list. A list that
 * changes keeps what is known about the servers that stay.
 *
 * Nothing is opened by path and no name is resolved after dns_new(): only
 * socket, connect, send, recv, accept, setsockopt, getrandom and epoll_ctl are
 * called, which is what the process is left with.
 */
#include "netstack/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"
#include "netstack/dns_internal.h"

static struct dns_set *set_new(const union endpoint *servers, size_t n,
			       const struct dns_set *old)
{
	struct dns_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->refs = 1;
	set->n = n < DNS_SERVERS_MAX ? n : DNS_SERVERS_MAX;
	for (size_t i = 0; i < set->n; i++) {
		struct dns_server *s = &set->server[i];

		s->ep = servers[i];
		/* sin_port and sin6_port are in the same place */
		if (s->ep.v4.sin_port == 0)
			s->ep.v4.sin_port = htons(53);
		for (size_t j = 0; old && j < old->n; j++)
			if (memcmp(&old->server[j].ep, &s->ep,
				   endpoint_len(&s->ep)) == 0)
				*s = old->server[j];
	}
	return set;
}

struct dns_set *dns_set_ref(struct dns_set *set)
{
	set->refs++;
	return set;
}

struct dns_set *dns_set_unref(struct dns_set *set)
{
	if (set && --set->refs == 0)
		free(set);
	return NULL;
}

int dns_set_servers(struct dns *d, const union endpoint *servers, size_t n)
{
	struct dns_set *set = set_new(servers, n, d->set);

	if (!set)
		return log_errno(ENOMEM, "DNS servers");
	(void)dns_kept_drop(d);
	dns_set_unref(d->set);
	d->set = set;
	return 0;
}

void dns_set_times(struct dns *d, const struct dns_times *times)
{
	d->times = *times;
}

int dns_new(struct dns **out, struct loop *loop, dns_reply_fn reply, void *arg)
{
	struct dns *d = malloc(sizeof(*d)); /* not calloc: buf stays untouched
					     */

	if (!d)
		return log_errno(ENOMEM, "DNS");
	memset(d, 0, offsetof(struct dns, buf));
	d->loop = loop;
	d->reply = reply;
	d->arg = arg;
	d->times = (struct dns_times){
		.attempt = mono_ms(1500),
		.total = mono_s(6),
		.down = mono_s(30),
		.keep = mono_s(2),
		.idle = mono_s(10),
		.idle_full = mono_s(2),
		.accept_pause = mono_ms(250),
	};
	list_init(&d->pending);
	dns_kept_init(d);
	dns_listen_init(d);
	d->set = set_new(NULL, 0, NULL);
	if (!d->set) {
		free(d);
		return log_errno(ENOMEM, "DNS");
	}
	*out = d;
	return 0;
}

struct dns *dns_free(struct dns *d)
{
	if (!d)
		return NULL;
	dns_udp_free(d);
	dns_listen_free(d);
	dns_clients_free(d);
	(void)dns_kept_drop(d);
	dns_set_unref(d->set);
	free(d);
	return NULL;
}

const struct dns_stats *dns_stats(const struct dns *d)
{
	return &d->stats;
}

void *dns_charge(struct dns *d, size_t bytes)
{
	void *p;

	if (bytes > DNS_TCP_BYTES_MAX - d->tcp_bytes)
		return NULL;
	p = malloc(bytes);
	if (p)
		d->tcp_bytes += bytes;
	return p;
}

void dns_uncharge(struct dns *d, void *p, size_t bytes)
{
	if (!p)
		return;
	free(p);
	d->tcp_bytes -= bytes;
}
