// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accepting the pod's TCP connections, a bounded number each turn.
 *
 * When all places are taken listeners are not watched, and connections wait in
 * the kernel's backlog; idle clients make place sooner then (RFC 7766 6.2.3).
 * When accept() fails for want of descriptors or memory, or in a way nobody
 * has thought of, listeners rest for times.accept_pause: the connection stays
 * in the backlog, and a level-triggered loop would spin on it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/dns_internal.h"

#define ACCEPTS_PER_TURN 16

struct listener {
	struct list link;
	struct loop_source src;
	struct dns *dns;
};

static void listener_free(struct listener *l)
{
	list_del(&l->link);
	loop_close(l->dns->loop, &l->src);
	free(l);
}

static void watch_all(struct dns *d, uint32_t events)
{
	list_for_each (e, &d->listeners) {
		struct listener *l = container_of(e, struct listener, link);

		if (l->src.events != events)
			(void)loop_mod(d->loop, &l->src, events); /* logged */
	}
}

void dns_listen_more(struct dns *d)
{
	/* when paused, the timer comes back here */
	if (!dns_tcp_full(d) && !d->resume.pos)
		watch_all(d, EPOLLIN);
}

static void on_resume(struct loop_timer *t)
{
	dns_listen_more(container_of(t, struct dns, resume));
}

static void pause_accept(struct dns *d, int err)
{
	log_debug("accept DNS over TCP: %s", strerror(err));
	d->stats.starved++;
	if (!loop_timer_set(d->loop, &d->resume,
			    mono_add(loop_now(d->loop), d->times.accept_pause)))
		watch_all(d, 0);
}

static void on_accept(struct loop_source *src, uint32_t revents)
{
	struct listener *l = container_of(src, struct listener, src);
	struct dns *d = l->dns;

	if (revents & (EPOLLERR | EPOLLHUP)) {
		/* shut down; these two can't be masked, so it must go */
		log_warn("DNS over TCP: the listening socket was closed");
		listener_free(l);
		return;
	}
	for (int i = 0; i < ACCEPTS_PER_TURN && !dns_tcp_full(d); i++) {
		int fd = accept4(src->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		int rc = fd < 0 ? -errno : dns_client_new(d, fd);

		if (rc == -EAGAIN)
			return;
		if (rc < 0 && rc != -ECONNABORTED && rc != -EINTR) {
			pause_accept(d, -rc);
			return;
		}
	}
	if (dns_tcp_full(d)) {
		watch_all(d, 0);
		dns_clients_hurry(d);
	}
}

void dns_listen_init(struct dns *d)
{
	list_init(&d->listeners);
	list_init(&d->clients);
	d->resume = (struct loop_timer){ .fn = on_resume };
}

int dns_tcp_listen(struct dns *d, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));
	int rc;

	if (!l) {
		fd_drop(&fd);
		return log_errno(ENOMEM, "DNS over TCP");
	}
	l->dns = d;
	l->src = (struct loop_source){ .fd = fd,
				       .events = EPOLLIN,
				       .fn = on_accept };
	rc = loop_add(d->loop, &l->src);
	if (rc) {
		fd_drop(&fd);
		free(l);
		return rc;
	}
	list_append(&d->listeners, &l->link);
	return 0;
}

void dns_listen_free(struct dns *d)
{
	list_for_each_safe (e, &d->listeners)
		listener_free(container_of(e, struct listener, link));
	loop_timer_stop(d->loop, &d->resume);
}
