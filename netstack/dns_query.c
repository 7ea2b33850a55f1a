// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which server is asked when, for UDP and TCP alike.
 *
 * Servers are asked in the order of the list, those that failed lately last.
 * One that gives an error at once (refused, unreachable) is passed over at
 * once; one that is silent has times.attempt until the next is asked as well.
 * Its socket stays open: a late reply is as good as any. When the list is at
 * its end, another round begins with the same sockets, the same port and the
 * same ID, which gives a forger no second chance to guess; it ends with the
 * pod's SERVFAIL after times.total. When in one round every server failed
 * outright there is nothing to wait for: the pod hears SERVFAIL at once, as an
 * application on the host hears ECONNREFUSED from each.
 *
 * SERVFAIL, REFUSED and NOTIMP of a server are what glibc takes for "ask
 * another": the first such reply is kept, and given to the pod when the round
 * ends without a better one.
 *
 * A server is down when it failed, or was silent for an attempt in which it
 * answered nobody else either: one that thinks long about one name isn't down.
 *
 * No descriptor, memory or port left: the kept sockets are closed, and then the
 * attempts of this query that could only bring a late reply give theirs back;
 * if that isn't enough the query waits for a fraction of an attempt and tries
 * again. No server is blamed.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/dns_internal.h"

#define KEPT_MAX 1232 /* of an error reply; a longer one is cut */

static void close_attempt(struct dns_attempt *a)
{
	if (!a->socket)
		return;
	dns_socket_close(a);
	dns_uncharge(a->query->dns, a->reply, a->reply_bytes);
	a->reply = NULL;
}

static void close_all(struct dns_query *q)
{
	for (size_t i = 0; i < q->set->n; i++)
		close_attempt(&q->attempt[i]);
}

static bool any_open(const struct dns_query *q)
{
	for (size_t i = 0; i < q->set->n; i++)
		if (q->attempt[i].socket)
			return true;
	return false;
}

void dns_query_end(struct dns_query *q)
{
	if (!q->set)
		return;
	loop_timer_stop(q->dns->loop, &q->timer);
	close_all(q);
	q->set = dns_set_unref(q->set);
	free(q->kept);
	q->kept = NULL;
}

/* @reply NULL: the kept one, or SERVFAIL. @q is gone afterwards. */
static void finish(struct dns_query *q, uint8_t *reply, size_t len)
{
	struct dns *d = q->dns;
	scoped_free uint8_t *kept = q->kept;

	q->kept = NULL;
	if (!reply && kept) {
		reply = kept;
		len = q->kept_bytes;
	} else if (!reply) {
		d->stats.failures++;
		reply = d->buf;
		len = dns_msg_error(reply, q->msg, q->qend, DNS_SERVFAIL);
	}
	memcpy(reply, q->msg, 2); /* the pod's ID */
	d->stats.replies++;
	dns_query_end(q);
	q->done(q, reply, len);
}

/* Return: 0, or -ENOMEM after which @q is gone */
static int wait_for(struct dns_query *q, struct mono time)
{
	struct mono at = mono_add(loop_now(q->dns->loop), time);
	int rc;

	if (mono_before(q->deadline, at))
		at = q->deadline;
	rc = loop_timer_set(q->dns->loop, &q->timer, at);
	if (rc)
		finish(q, NULL, 0);
	return rc;
}

/* A random one each; the kernel is asked for many at once, which costs no more
 * than one does. Return: 0 or DNS_E_STARVED */
static int next_id(struct dns *d, uint16_t *out)
{
	if (!d->n_ids) {
		/* can't be short or interrupted: not more than 256 bytes */
		if (getrandom(d->ids, sizeof(d->ids), 0) != sizeof(d->ids))
			return DNS_E_STARVED;
		d->n_ids = DNS_IDS;
	}
	*out = d->ids[--d->n_ids];
	return 0;
}

static int start(struct dns_attempt *a)
{
	struct dns *d = a->query->dns;

	if (d->n_sockets >= DNS_SOCKETS_MAX || next_id(d, &a->id))
		return DNS_E_STARVED;
	a->n_written = a->n_read = 0;
	return a->query->over->start(a);
}

static int ask(struct dns_attempt *a)
{
	int rc;

	a->sent = loop_now(a->query->dns->loop);
	if (a->socket)
		return a->query->over->again(a);
	rc = start(a);
	if (rc == DNS_E_STARVED && dns_kept_drop(a->query->dns))
		rc = start(a);
	if (rc == DNS_E_STARVED && any_open(a->query)) {
		close_all(a->query);
		rc = start(a);
	}
	return rc;
}

/* The server of @a didn't do; is there another that might? */
static void pass_over(struct dns_attempt *a, bool down, const char *why)
{
	struct dns_query *q = a->query;
	struct dns *d = q->dns;
	char text[ADDR_TEXT_MAX];

	if (down)
		a->server->down_until[q->over->via] =
			mono_add(loop_now(d->loop), d->times.down);
	if (q->set->n > 1)
		d->stats.failovers++;
	if (log_wants(LOG_DEBUG))
		log_debug("DNS server %s: %s",
			  endpoint_format(&a->server->ep, text), why);
}

/* Ask until a server has to be waited for. @q may be gone afterwards. */
static void ask_next(struct dns_query *q)
{
	struct dns *d = q->dns;

	q->cur = NULL;
	for (;;) {
		struct dns_attempt *a;
		int rc;

		if (q->next == q->set->n) {
			if (q->kept || !any_open(q)) {
				finish(q, NULL, 0);
				return;
			}
			q->next = 0;
		}
		a = &q->attempt[q->next];
		rc = ask(a);
		if (rc == DNS_E_STARVED) {
			d->stats.starved++;
			(void)wait_for(
				q, (struct mono){ d->times.attempt.ns / 8 });
			return;
		}
		q->next++;
		if (rc == 0) {
			q->cur = a;
			(void)wait_for(q, d->times.attempt);
			return;
		}
		close_attempt(a);
		pass_over(a, true, strerror(-rc));
	}
}

static void on_timer(struct loop_timer *t)
{
	struct dns_query *q = container_of(t, struct dns_query, timer);
	struct dns_attempt *a = q->cur;

	if (a)
		pass_over(a,
			  mono_before(a->server->heard[q->over->via], a->sent),
			  "no reply");
	if (mono_before(loop_now(q->dns->loop), q->deadline))
		ask_next(q);
	else
		finish(q, NULL, 0);
}

void dns_attempt_failed(struct dns_attempt *a, int err)
{
	struct dns_query *q = a->query;

	close_attempt(a);
	if (a != q->cur) /* passed over long ago */
		return;
	pass_over(a, !dns_is_starved(err), strerror(err));
	ask_next(q);
}

static void keep(struct dns_query *q, uint8_t *msg, size_t len)
{
	if (q->kept)
		return;
	if (len > KEPT_MAX)
		len = dns_msg_cut(msg, len, KEPT_MAX);
	q->kept = malloc(len);
	if (!q->kept)
		return; /* our own SERVFAIL will do */
	memcpy(q->kept, msg, len);
	q->kept_bytes = len;
}

void dns_attempt_answered(struct dns_attempt *a, uint8_t *msg, size_t len)
{
	struct dns_query *q = a->query;
	enum dns_rcode rcode = dns_msg_rcode(msg);
	enum dns_via via = q->over->via;

	a->server->heard[via] = loop_now(q->dns->loop);
	a->server->down_until[via] = MONO_ZERO;
	if (rcode != DNS_SERVFAIL && rcode != DNS_REFUSED &&
	    rcode != DNS_NOTIMP) {
		finish(q, msg, len);
		return;
	}
	keep(q, msg, len);
	close_attempt(a);
	if (a != q->cur)
		return;
	pass_over(a, false, "error reply");
	ask_next(q);
}

static void add_attempt(struct dns_query *q, size_t *n, struct dns_server *s)
{
	q->attempt[(*n)++] = (struct dns_attempt){
		.query = q,
		.server = s,
	};
}

void dns_query_begin(struct dns_query *q)
{
	struct dns *d = q->dns;
	struct mono now = loop_now(d->loop);
	size_t n = 0;

	q->set = dns_set_ref(d->set);
	q->timer = (struct loop_timer){ .fn = on_timer };
	q->deadline = mono_add(now, d->times.total);
	q->next = 0;
	q->kept = NULL;
	for (int down = 0; down < 2; down++)
		for (size_t i = 0; i < q->set->n; i++) {
			struct dns_server *s = &q->set->server[i];

			if (mono_before(now, s->down_until[q->over->via]) ==
			    (down == 1))
				add_attempt(q, &n, s);
		}
	d->stats.queries++;
	ask_next(q);
}
