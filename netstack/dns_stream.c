// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A query over TCP to a server: connect, write it behind its length, read the
 * length of the reply and the reply, close. One connection per attempt: the
 * pod asks by TCP rarely, and servers close idle connections as they like, so
 * keeping some would buy little and need a retry for each race.
 *
 * The first write is tried when the socket becomes writable, which is when
 * connect() has ended, either way: its error is what sendmsg() returns then.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "netstack/dns_internal.h"

#define FRAME_HEAD 4 /* length field, and the ID, which differs */

/* Return: 0 = go on later, 1 = all written, -errno */
static int push(struct dns_attempt *a)
{
	const struct dns_query *q = a->query;
	uint8_t head[FRAME_HEAD] = { (uint8_t)(q->len >> 8), (uint8_t)q->len,
				     (uint8_t)(a->id >> 8), (uint8_t)a->id };
	struct msghdr mh = { .msg_iovlen = 0 };
	struct iovec iov[2];
	size_t skip = a->n_written;
	ssize_t n;

	if (skip < FRAME_HEAD) {
		iov[mh.msg_iovlen++] =
			(struct iovec){ head + skip, FRAME_HEAD - skip };
		skip = FRAME_HEAD;
	}
	/* message byte @i is byte @i + 2 of the frame */
	iov[mh.msg_iovlen++] =
		(struct iovec){ (void *)(uintptr_t)(q->msg + skip - 2),
				q->len + 2 - skip };
	mh.msg_iov = iov;
	n = sendmsg(a->socket->src.fd, &mh, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	a->n_written += (size_t)n;
	return a->n_written == q->len + 2;
}

/* Return: bytes read, 0 = none there, -errno; the end is -ECONNRESET */
static ssize_t take(struct dns_attempt *a, void *to, size_t len)
{
	ssize_t n = recv(a->socket->src.fd, to, len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	a->n_read += (size_t)n;
	return n;
}

/* Return: 0 = go on later, 1 = the reply is whole, -errno */
static int pull(struct dns_attempt *a)
{
	ssize_t n;

	if (a->n_read < 2) {
		n = take(a, a->prefix + a->n_read, 2 - a->n_read);
		if (n <= 0 || a->n_read < 2)
			return (int)n < 0 ? (int)n : 0;
	}
	if (!a->reply) {
		size_t len = dns_msg_u16(a->prefix);

		if (len < DNS_HEADER_BYTES)
			return -EBADMSG;
		a->reply = dns_charge(a->query->dns, len);
		if (!a->reply)
			return -ENOMEM;
		a->reply_bytes = len;
	}
	n = take(a, a->reply + a->n_read - 2, a->reply_bytes + 2 - a->n_read);
	if (n < 0)
		return (int)n;
	return a->n_read == a->reply_bytes + 2;
}

static void read_reply(struct dns_attempt *a)
{
	const struct dns_query *q = a->query;
	struct dns *d = q->dns;
	size_t len;
	int rc = pull(a);

	if (rc < 0)
		dns_attempt_failed(a, -rc);
	if (rc <= 0)
		return;
	len = a->reply_bytes;
	if (!dns_msg_is_reply(a->reply, len, a->id, q->msg, q->qend)) {
		d->stats.dropped++;
		dns_attempt_failed(a, EBADMSG);
		return;
	}
	memcpy(d->buf, a->reply, len);
	dns_attempt_answered(a, d->buf, len);
}

static void on_stream(struct dns_attempt *a)
{
	int rc;

	if (a->n_written == a->query->len + 2) {
		read_reply(a);
		return;
	}
	rc = push(a);
	if (rc > 0)
		rc = loop_mod(a->query->dns->loop, &a->socket->src, EPOLLIN);
	if (rc < 0)
		dns_attempt_failed(a, -rc);
}

static int stream_start(struct dns_attempt *a)
{
	const int on = 1;
	int rc = dns_socket_open(a, SOCK_STREAM, EPOLLOUT, on_stream);

	/* only about speed */
	if (!rc)
		(void)setsockopt(a->socket->src.fd, IPPROTO_TCP, TCP_NODELAY,
				 &on, sizeof(on));
	return rc;
}

/* The kernel retransmits. */
static int stream_again(struct dns_attempt *a)
{
	(void)a;
	return 0;
}

const struct dns_transport dns_over_tcp = {
	.via = DNS_TCP,
	.start = stream_start,
	.again = stream_again,
};
