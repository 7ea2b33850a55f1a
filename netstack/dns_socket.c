// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sockets towards the servers.
 *
 * A UDP socket that has brought a reply is kept for the next query that the
 * same client (the pod's address and port) has for the same server, which saves
 * it half a dozen system calls. So a client that keeps its port keeps ours, and
 * one that asks each question from a port of its own has one of ours for each:
 * what it does against forgers (RFC 5452) is worth as much as without a helper.
 * An attempt has its socket for itself all the time; what comes to one that is
 * kept was asked for by nobody, and ends it.
 *
 * A kept socket has the source address that it was opened with. So that a host
 * that moves to another network isn't asked from the old one's for long, none
 * is taken over that is older than times.keep, and what is silent isn't asked
 * again by an old one. They are the first to go when sockets run short, and
 * all go when the servers change. No timer runs where none is kept.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/dns_internal.h"

bool dns_is_starved(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EAGAIN: /* connect(): no local port is free */
		return true;
	default:
		return false;
	}
}

/*
 * Unreachable hosts and networks are reported to a connected UDP socket only
 * with RECVERR. It isn't essential, so errors are ignored.
 */
static void want_errors(int fd, int family)
{
	const int on = 1;

	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
				 sizeof(on));
}

static void free_socket(struct dns_socket *s)
{
	struct dns *d = s->dns;
	int fd = s->src.fd;

	loop_forget(d->loop, &s->src);
	fd_drop(&fd);
	if (list_linked(&s->link)) {
		list_del(&s->link);
		d->n_kept--;
	}
	d->n_sockets--;
	free(s);
}

static void on_event(struct loop_source *src, uint32_t revents)
{
	struct dns_socket *s = container_of(src, struct dns_socket, src);

	(void)revents; /* errors are what send and recv return */
	if (s->user)
		s->on_event(s->user);
	else
		free_socket(s);
}

/* Return: 0, DNS_E_STARVED, or -errno */
static int open_socket(struct dns_socket *s, int type)
{
	const union endpoint *ep = &s->server;
	scoped_fd fd = -1;

	fd = socket(ep->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dns_is_starved(errno) ? DNS_E_STARVED : -errno;
	if (type == SOCK_DGRAM)
		want_errors(fd, ep->sa.sa_family);
	/* the kernel binds it to a random port */
	if (connect(fd, &ep->sa, endpoint_len(ep)) && errno != EINPROGRESS)
		return dns_is_starved(errno) ? DNS_E_STARVED : -errno;
	s->src.fd = fd;
	if (loop_add(s->dns->loop, &s->src))
		return DNS_E_STARVED;
	(void)fd_take(&fd);
	return 0;
}

int dns_socket_open(struct dns_attempt *a, int type, uint32_t events,
		    dns_event_fn fn)
{
	struct dns *d = a->query->dns;
	struct dns_socket *s = malloc(sizeof(*s));
	int rc;

	if (!s)
		return DNS_E_STARVED;
	*s = (struct dns_socket){
		.src = { .fd = -1, .events = events, .fn = on_event },
		.dns = d,
		.user = a,
		.on_event = fn,
		.server = a->server->ep,
		.opened = loop_now(d->loop),
	};
	list_init(&s->link);
	rc = open_socket(s, type);
	if (rc) {
		free(s);
		return rc;
	}
	a->socket = s;
	d->n_sockets++;
	return 0;
}

void dns_socket_close(struct dns_attempt *a)
{
	free_socket(a->socket);
	a->socket = NULL;
}

/* ---- kept ones ---- */

static bool is_old(const struct dns_socket *s)
{
	const struct dns *d = s->dns;

	return !mono_before(loop_now(d->loop),
			    mono_add(s->opened, d->times.keep));
}

bool dns_kept_drop(struct dns *d)
{
	bool any = !list_empty(&d->kept);

	list_for_each_safe (e, &d->kept)
		free_socket(container_of(e, struct dns_socket, link));
	loop_timer_stop(d->loop, &d->sweep);
	return any;
}

static void set_sweep(struct dns *d)
{
	if (loop_timer_set(d->loop, &d->sweep,
			   mono_add(loop_now(d->loop), d->times.keep)))
		(void)dns_kept_drop(d);
}

static void on_sweep(struct loop_timer *t)
{
	struct dns *d = container_of(t, struct dns, sweep);

	list_for_each_safe (e, &d->kept) {
		struct dns_socket *s = container_of(e, struct dns_socket, link);

		if (is_old(s))
			free_socket(s);
	}
	if (!list_empty(&d->kept))
		set_sweep(d);
}

void dns_kept_init(struct dns *d)
{
	list_init(&d->kept);
	d->sweep = (struct loop_timer){ .fn = on_sweep };
}

void dns_socket_keep(struct dns_attempt *a, const struct dns_peer *peer)
{
	struct dns_socket *s = a->socket;
	struct dns *d = s->dns;

	a->socket = NULL;
	if (a->query->set != d->set || is_old(s)) {
		free_socket(s);
		return;
	}
	if (d->n_kept >= DNS_KEPT_MAX)
		free_socket(
			container_of(d->kept.next, struct dns_socket, link));
	s->user = NULL;
	s->peer = *peer;
	list_append(&d->kept, &s->link);
	d->n_kept++;
	if (!d->sweep.pos)
		set_sweep(d);
}

bool dns_socket_take(struct dns_attempt *a, const struct dns_peer *peer)
{
	const union endpoint *ep = &a->server->ep;
	struct dns *d = a->query->dns;

	list_for_each (e, &d->kept) {
		struct dns_socket *s = container_of(e, struct dns_socket, link);

		if (memcmp(&s->peer, peer, sizeof(*peer)) != 0 ||
		    memcmp(&s->server, ep, endpoint_len(ep)) != 0 || is_old(s))
			continue;
		list_del(&s->link);
		d->n_kept--;
		s->user = a;
		s->was_kept = true;
		a->socket = s;
		return true;
	}
	return false;
}
