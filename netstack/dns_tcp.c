// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pod's TCP connections (RFC 7766): queries one behind the other, replies
 * in whatever order they come.
 *
 * A client is read while it has fewer than DNS_INFLIGHT_MAX queries that are
 * being asked or whose reply it hasn't read yet: one that doesn't read stops
 * being read, and what it can make us hold is bounded, for each client by that
 * number and for all by DNS_TCP_BYTES_MAX. A message is read as its length,
 * then as what is left of it, never more, so nothing has to be stored that
 * can't be worked on yet.
 *
 * Progress is a whole query read or bytes of a reply written; a client without
 * any for times.idle is closed, one that has a query being asked excepted. End
 * of file means no more queries: what was asked is still answered.
 *
 * Queries may be answered while they are being read, so nothing is written or
 * freed from within on_done(): it leaves that to a job after the batch.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/dns_internal.h"

#define READS_PER_TURN 16

/* A reply behind its length field, waiting to be written. */
struct reply {
	struct list link;
	size_t len, n_written;
	uint8_t bytes[];
};

struct client {
	struct list link;
	struct loop_source src;
	struct loop_timer idle;
	struct loop_job flush;
	struct dns *dns;
	bool eof;	   /* no more queries will come */
	size_t n_inflight; /* on both lists */
	struct list queries, replies;
	size_t n_read; /* of the message being read, with its length field */
	uint8_t prefix[2];
	uint8_t *msg; /* charged */
	size_t msg_bytes;
};

struct tcp_query {
	struct dns_query q;
	struct list link;
	struct client *client;
	uint8_t *msg; /* charged */
};

static void free_query(struct tcp_query *t)
{
	struct client *c = t->client;

	list_del(&t->link);
	c->n_inflight--;
	dns_query_end(&t->q);
	dns_uncharge(c->dns, t->msg, t->q.len);
	free(t);
}

static void free_reply(struct client *c, struct reply *r)
{
	list_del(&r->link);
	c->n_inflight--;
	dns_uncharge(c->dns, r, sizeof(*r) + r->len);
}

static void client_free(struct client *c)
{
	struct dns *d = c->dns;

	list_for_each_safe (e, &c->queries)
		free_query(container_of(e, struct tcp_query, link));
	list_for_each_safe (e, &c->replies)
		free_reply(c, container_of(e, struct reply, link));
	dns_uncharge(d, c->msg, c->msg_bytes);
	loop_timer_stop(d->loop, &c->idle);
	list_del(&c->flush.link);
	list_del(&c->link);
	loop_close(d->loop, &c->src);
	free(c);
	d->n_clients--;
	dns_listen_more(d);
}

/* Progress: the idle time begins anew. */
static int touch(struct client *c)
{
	struct dns *d = c->dns;
	struct mono time = dns_tcp_full(d) ? d->times.idle_full : d->times.idle;

	return loop_timer_set(d->loop, &c->idle,
			      mono_add(loop_now(d->loop), time));
}

static void on_idle(struct loop_timer *t)
{
	struct client *c = container_of(t, struct client, idle);

	/* queries end by themselves */
	if (list_empty(&c->queries) || touch(c))
		client_free(c);
}

static uint32_t wanted(const struct client *c)
{
	uint32_t events = 0;

	if (!c->eof && c->n_inflight < DNS_INFLIGHT_MAX)
		events |= EPOLLIN;
	if (!list_empty(&c->replies))
		events |= EPOLLOUT;
	return events;
}

/* Return: 0, or -errno when the client is lost */
static int write_replies(struct client *c)
{
	while (!list_empty(&c->replies)) {
		struct reply *r =
			container_of(c->replies.next, struct reply, link);
		ssize_t n = send(c->src.fd, r->bytes + r->n_written,
				 r->len - r->n_written, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		r->n_written += (size_t)n;
		if (r->n_written == r->len)
			free_reply(c, r);
		if (touch(c))
			return -ENOMEM;
	}
	return 0;
}

/* Write what there is, then close, or wait for what is wanted. */
static void settle(struct client *c)
{
	uint32_t events;

	if (write_replies(c)) {
		client_free(c);
		return;
	}
	if (c->eof && c->n_inflight == 0) {
		client_free(c);
		return;
	}
	events = wanted(c);
	if (events != c->src.events && loop_mod(c->dns->loop, &c->src, events))
		client_free(c);
}

static void on_flush(struct loop_job *job)
{
	settle(container_of(job, struct client, flush));
}

/* Queue @msg for @c; without memory for it the client is told to go. */
static void queue_reply(struct client *c, const uint8_t *msg, size_t len)
{
	struct dns *d = c->dns;
	struct reply *r = dns_charge(d, sizeof(*r) + 2 + len);

	loop_defer(d->loop, &c->flush);
	if (!r) {
		d->stats.starved++;
		c->eof = true;
		return;
	}
	r->len = 2 + len;
	r->n_written = 0;
	r->bytes[0] = (uint8_t)(len >> 8);
	r->bytes[1] = (uint8_t)len;
	memcpy(r->bytes + 2, msg, len);
	list_append(&c->replies, &r->link);
	c->n_inflight++;
}

static void on_done(struct dns_query *q, uint8_t *reply, size_t len)
{
	struct tcp_query *t = container_of(q, struct tcp_query, q);
	struct client *c = t->client;

	free_query(t); /* first: the reply may need its share of the budget */
	queue_reply(c, reply, len);
}

/*
 * A zone transfer is many messages, and no resolver does them for its clients:
 * better no transfer than the first message of one.
 */
static void refuse_transfer(struct client *c, size_t qend)
{
	struct dns *d = c->dns;

	d->stats.queries++;
	d->stats.replies++;
	queue_reply(c, d->buf, dns_msg_error(d->buf, c->msg, qend, DNS_NOTIMP));
}

/* The message in @c->msg becomes a query of its own, and moves into it. */
static void start_query(struct client *c, size_t qend)
{
	struct dns *d = c->dns;
	struct tcp_query *t = malloc(sizeof(*t));

	if (!t) {
		d->stats.dropped++;
		return;
	}
	t->client = c;
	t->msg = c->msg;
	c->msg = NULL;
	t->q = (struct dns_query){
		.dns = d,
		.over = &dns_over_tcp,
		.msg = t->msg,
		.len = c->msg_bytes,
		.qend = qend,
		.done = on_done,
	};
	list_append(&c->queries, &t->link);
	c->n_inflight++;
	dns_query_begin(&t->q);
}

/* A whole message is in @c->msg; it is taken or freed. */
static void on_message(struct client *c)
{
	size_t qend;
	uint16_t qtype;

	if (dns_msg_query(c->msg, c->msg_bytes, &qend)) {
		c->dns->stats.dropped++;
	} else {
		qtype = dns_msg_qtype(c->msg, qend);
		if (qtype == DNS_AXFR || qtype == DNS_IXFR)
			refuse_transfer(c, qend);
		else
			start_query(c, qend);
	}
	dns_uncharge(c->dns, c->msg, c->msg_bytes);
	c->msg = NULL;
}

/* Return: bytes read, 0 = nothing there, -errno; sets @c->eof at the end */
static ssize_t take(struct client *c, void *to, size_t len)
{
	ssize_t n = recv(c->src.fd, to, len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		c->eof = true;
	c->n_read += (size_t)n;
	return n;
}

/* Return: 1 = a message was read, 0 = no more there, -errno */
static int read_message(struct client *c)
{
	ssize_t n;

	if (c->n_read < 2) {
		n = take(c, c->prefix + c->n_read, 2 - c->n_read);
		if (n <= 0 || c->n_read < 2)
			return (int)n < 0 ? (int)n : 0;
		c->msg_bytes = dns_msg_u16(c->prefix);
	}
	if (!c->msg && c->msg_bytes > 0) {
		c->msg = dns_charge(c->dns, c->msg_bytes);
		if (!c->msg)
			return -ENOMEM;
	}
	if (c->n_read < c->msg_bytes + 2) {
		n = take(c, c->msg + c->n_read - 2,
			 c->msg_bytes + 2 - c->n_read);
		if (n <= 0 || c->n_read < c->msg_bytes + 2)
			return (int)n < 0 ? (int)n : 0;
	}
	c->n_read = 0;
	return 1;
}

static int read_messages(struct client *c)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		int rc;

		if (c->eof || c->n_inflight >= DNS_INFLIGHT_MAX)
			return 0;
		rc = read_message(c);
		if (rc == -ENOMEM)
			c->dns->stats.starved++;
		if (rc <= 0)
			return rc;
		if (c->msg)
			on_message(c);
		else
			c->dns->stats.dropped++; /* no bytes at all */
		if (touch(c))
			return -ENOMEM;
	}
	return 0;
}

static void on_client(struct loop_source *src, uint32_t revents)
{
	struct client *c = container_of(src, struct client, src);

	/* both ends are closed, or it was reset: nobody reads a reply */
	if (revents & (EPOLLERR | EPOLLHUP)) {
		client_free(c);
		return;
	}
	if ((revents & EPOLLIN) && read_messages(c)) {
		client_free(c);
		return;
	}
	settle(c);
}

int dns_client_new(struct dns *d, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	const int on = 1;

	if (!c) {
		fd_drop(&fd);
		return -ENOMEM;
	}
	/* only about speed */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->dns = d;
	c->src = (struct loop_source){ .fd = fd,
				       .events = EPOLLIN,
				       .fn = on_client };
	c->idle.fn = on_idle;
	c->flush.fn = on_flush;
	list_init(&c->flush.link);
	list_init(&c->queries);
	list_init(&c->replies);
	list_append(&d->clients, &c->link);
	d->n_clients++;
	if (touch(c) || loop_add(d->loop, &c->src)) {
		client_free(c);
		return -ENOMEM;
	}
	return 0;
}

void dns_clients_hurry(struct dns *d)
{
	list_for_each_safe (e, &d->clients) {
		struct client *c = container_of(e, struct client, link);

		if (c->n_inflight == 0 && touch(c))
			client_free(c);
	}
}

void dns_clients_free(struct dns *d)
{
	list_for_each_safe (e, &d->clients)
		client_free(container_of(e, struct client, link));
}
