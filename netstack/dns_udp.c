// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pod's UDP queries, and UDP towards the servers.
 *
 * Each attempt has a socket to itself, connected, so that the kernel has picked
 * a random port and lets in what comes from the server's address and port
 * alone; with the random ID that is what RFC 5452 asks for. It is kept for the
 * client's next query (dns_socket.c). What doesn't match on top is counted and
 * ignored, and the attempt goes on waiting.
 *
 * Pending queries are on a list, oldest first. It is searched linearly for the
 * pod's retransmissions: 512 comparisons of an ID cost less than the system
 * calls of one query. When the list is full the oldest one goes: it is the one
 * whose client has most likely given up, and a flood can't keep others out.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/dns_internal.h"

#define READS_PER_TURN 8 /* of one socket; forgers don't get more time */

struct udp_query {
	struct dns_query q;
	struct list link;
	struct dns_peer peer;
	size_t max_reply;
	uint8_t msg[];
};

static const struct dns_peer *peer_of(const struct dns_attempt *a)
{
	return &container_of(a->query, struct udp_query, q)->peer;
}

/* Without path MTU discovery a long query is fragmented, instead of failing
 * with EMSGSIZE. It isn't essential, so errors are ignored. */
static void allow_fragments(const struct dns_socket *s)
{
	const int v4 = IP_PMTUDISC_DONT, v6 = IPV6_PMTUDISC_DONT;

	if (s->server.sa.sa_family == AF_INET)
		(void)setsockopt(s->src.fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4,
				 sizeof(v4));
	else
		(void)setsockopt(s->src.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
				 &v6, sizeof(v6));
}

static int send_attempt(struct dns_attempt *a)
{
	const struct dns_query *q = a->query;
	uint8_t msg[DNS_UDP_QUERY_MAX];

	memcpy(msg, q->msg, q->len);
	msg[0] = (uint8_t)(a->id >> 8);
	msg[1] = (uint8_t)a->id;
	if (q->len > DNS_UDP_MIN) /* no link's MTU is that small */
		allow_fragments(a->socket);
	if (send(a->socket->src.fd, msg, q->len, MSG_NOSIGNAL) >= 0)
		return 0;
	/* full queues: as good as lost on the way, the timer knows what to do
	 */
	return dns_is_starved(errno) || errno == EINTR ? 0 : -errno;
}

static void on_readable(struct dns_attempt *a)
{
	struct dns_query *q = a->query;
	struct dns *d = q->dns;

	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = recv(a->socket->src.fd, d->buf, sizeof(d->buf), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			dns_attempt_failed(a, errno);
			return;
		}
		if (dns_msg_is_reply(d->buf, (size_t)n, a->id, q->msg,
				     q->qend)) {
			dns_socket_keep(a, peer_of(a));
			dns_attempt_answered(a, d->buf, (size_t)n);
			return;
		}
		d->stats.dropped++;
	}
}

static int ask_anew(struct dns_attempt *a)
{
	int rc = dns_socket_open(a, SOCK_DGRAM, EPOLLIN, on_readable);

	return rc ? rc : send_attempt(a);
}

static int udp_start(struct dns_attempt *a)
{
	if (!dns_socket_take(a, peer_of(a)))
		return ask_anew(a);
	if (!send_attempt(a))
		return 0;
	/* its address is gone, or it had an old error to tell */
	dns_socket_close(a);
	return ask_anew(a);
}

static int udp_again(struct dns_attempt *a)
{
	if (!a->socket->was_kept)
		return send_attempt(a);
	/* perhaps its address isn't the one to ask from any more */
	dns_socket_close(a);
	return ask_anew(a);
}

const struct dns_transport dns_over_udp = {
	.via = DNS_UDP,
	.start = udp_start,
	.again = udp_again,
};

static void unlink_query(struct udp_query *u)
{
	list_del(&u->link);
	u->q.dns->n_pending--;
}

static void on_done(struct dns_query *q, uint8_t *reply, size_t len)
{
	struct udp_query *u = container_of(q, struct udp_query, q);
	struct dns *d = q->dns;

	unlink_query(u);
	if (len > u->max_reply) {
		len = dns_msg_cut(reply, len, u->max_reply);
		dns_msg_set_tc(reply);
		d->stats.truncated++;
	}
	d->reply(d->arg, &u->peer, reply, len);
	free(u);
}

static bool is_pending(const struct dns *d, const struct dns_peer *peer,
		       const uint8_t *msg, size_t qend)
{
	list_for_each (e, &d->pending) {
		struct udp_query *u = container_of(e, struct udp_query, link);

		if (memcmp(u->msg, msg, 2) == 0 && u->q.qend == qend &&
		    memcmp(&u->peer, peer, sizeof(*peer)) == 0 &&
		    memcmp(u->msg + DNS_HEADER_BYTES, msg + DNS_HEADER_BYTES,
			   qend - DNS_HEADER_BYTES) == 0)
			return true;
	}
	return false;
}

static void drop_oldest(struct dns *d)
{
	struct udp_query *u =
		container_of(d->pending.next, struct udp_query, link);

	unlink_query(u);
	dns_query_end(&u->q);
	free(u);
	d->stats.dropped++;
}

void dns_udp_query(struct dns *d, const struct dns_peer *peer, const void *msg,
		   size_t len, size_t max_reply)
{
	struct udp_query *u;
	size_t qend;

	if (len > DNS_UDP_QUERY_MAX || dns_msg_query(msg, len, &qend)) {
		d->stats.dropped++;
		return;
	}
	if (is_pending(d, peer, msg, qend))
		return; /* it is being asked, again and again */
	u = malloc(sizeof(*u) + len);
	if (!u) {
		d->stats.dropped++;
		return;
	}
	if (d->n_pending >= DNS_UDP_PENDING_MAX)
		drop_oldest(d);
	memcpy(u->msg, msg, len);
	u->peer = *peer;
	u->max_reply = max_reply < DNS_UDP_MIN ? DNS_UDP_MIN : max_reply;
	u->q = (struct dns_query){
		.dns = d,
		.over = &dns_over_udp,
		.msg = u->msg,
		.len = len,
		.qend = qend,
		.done = on_done,
	};
	list_append(&d->pending, &u->link);
	d->n_pending++;
	dns_query_begin(&u->q);
}

void dns_udp_free(struct dns *d)
{
	while (!list_empty(&d->pending)) {
		struct udp_query *u =
			container_of(d->pending.next, struct udp_query, link);

		unlink_query(u);
		dns_query_end(&u->q);
		free(u);
	}
}
