// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See dns_fixture.h. Servers answer with the query, made a reply, and one A
 * record behind it, or with what their mode says.
 */
#include "dns_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

static const uint8_t opt_rr[] = { 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0 };

size_t fx_query(uint8_t *out, uint16_t id, const char *name, uint16_t qtype)
{
	uint8_t head[DNS_HEADER_BYTES] = {
		(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1
	};
	size_t pos = sizeof(head);

	memcpy(out, head, sizeof(head));
	while (*name) {
		size_t len = strcspn(name, ".");

		out[pos++] = (uint8_t)len;
		memcpy(out + pos, name, len);
		pos += len;
		name += len + (name[len] == '.');
	}
	out[pos++] = 0;
	out[pos++] = (uint8_t)(qtype >> 8);
	out[pos++] = (uint8_t)qtype;
	out[pos++] = 0;
	out[pos++] = 1;
	return pos;
}

size_t fx_answer(uint8_t *out, const uint8_t *query, size_t len, size_t size)
{
	static const uint8_t rr[] = { 0xc0, 12, 0, 1, 0,   1, 0, 0,
				      0,    9,	0, 4, 192, 0, 2, 1 };
	size_t qend = 0;

	assert_int_equal(dns_msg_query(query, len, &qend), 0);
	memcpy(out, query, qend);
	out[2] |= 0x80;
	out[3] = 0x80;
	memset(out + 6, 0, 6);
	out[7] = 1;
	memcpy(out + qend, rr, sizeof(rr));
	len = qend + sizeof(rr);
	if (size <= len + sizeof(opt_rr))
		return len;
	/* one TXT-like record fills it up, OPT ends it */
	size_t fill = size - sizeof(opt_rr) - qend - 12;

	out[qend + 3] = 16;
	out[qend + 10] = (uint8_t)(fill >> 8);
	out[qend + 11] = (uint8_t)fill;
	memset(out + qend + 12, 'x', fill);
	memcpy(out + size - sizeof(opt_rr), opt_rr, sizeof(opt_rr));
	out[11] = 1;
	return size;
}

static void send_udp(struct fx_server *s, const uint8_t *msg, size_t len)
{
	assert_int_equal(sendto(s->udp.fd, msg, len, 0, &s->from.sa,
				endpoint_len(&s->from)),
			 len);
}

void fx_answer_now(struct fx_server *s)
{
	uint8_t out[DNS_UDP_QUERY_MAX + 64];

	send_udp(s, out, fx_answer(out, s->query, s->query_len, 0));
}

/* Wrong ID, wrong name, other case, no QR, cut off, empty, QDCOUNT 0 */
static void send_forged(struct fx_server *s)
{
	uint8_t out[DNS_UDP_QUERY_MAX + 64];
	size_t len = fx_answer(out, s->query, s->query_len, 0);

	out[0] ^= 1;
	send_udp(s, out, len);
	out[0] ^= 1;
	out[13] ^= 1;
	send_udp(s, out, len);
	out[13] ^= 1 ^ 0x20;
	send_udp(s, out, len);
	out[13] ^= 0x20;
	out[2] ^= 0x80;
	send_udp(s, out, len);
	out[2] ^= 0x80;
	send_udp(s, out, 20);
	send_udp(s, out, 0);
	out[5] = 0;
	send_udp(s, out, len);
	out[5] = 1;
	send_udp(s, out, len);
}

static size_t make_reply(struct fx_server *s, enum fx_mode mode,
			 const uint8_t *query, size_t len, uint8_t *out)
{
	size_t qend = 0;

	assert_int_equal(dns_msg_query(query, len, &qend), 0);
	switch (mode) {
	case FX_RCODE:
		return dns_msg_error(out, query, qend, s->rcode);
	case FX_BARE_RCODE:
		(void)dns_msg_error(out, query, qend, s->rcode);
		out[5] = 0;
		return DNS_HEADER_BYTES;
	case FX_BIG:
		return fx_answer(out, query, len, s->big);
	default:
		return fx_answer(out, query, len, 0);
	}
}

static void on_udp(struct loop_source *src, uint32_t revents)
{
	struct fx_server *s = container_of(src, struct fx_server, udp);
	static uint8_t out[DNS_MSG_MAX];
	socklen_t size = sizeof(s->from);
	ssize_t n = recvfrom(src->fd, s->query, sizeof(s->query), 0,
			     &s->from.sa, &size);

	(void)revents;
	if (n < 0)
		return;
	s->query_len = (size_t)n;
	s->n_udp++;
	if (s->mode == FX_SILENT)
		return;
	if (s->mode == FX_FORGED)
		send_forged(s);
	else
		send_udp(s, out,
			 make_reply(s, s->mode, s->query, s->query_len, out));
}

static void drop_source(struct loop *loop, struct loop_source *src)
{
	int fd = src->fd;

	loop_del(loop, src);
	fd_drop(&fd);
}

static void conn_write(struct fx_conn *c)
{
	struct fx_server *s = c->server;
	size_t len = c->n_out - c->n_sent;
	ssize_t n;

	if (s->tcp_mode == FX_TRICKLE && len > 1)
		len = 1;
	n = send(c->src.fd, c->out + c->n_sent, len, MSG_NOSIGNAL);
	if (n > 0)
		c->n_sent += (size_t)n;
	(void)loop_mod(&s->fx->loop, &c->src,
		       EPOLLIN | (c->n_sent < c->n_out ? EPOLLOUT : 0));
}

static void conn_query(struct fx_conn *c)
{
	struct fx_server *s = c->server;
	size_t len;

	s->n_tcp++;
	if (s->tcp_mode == FX_SILENT)
		return;
	if (s->tcp_mode == FX_CLOSE) {
		drop_source(&s->fx->loop, &c->src);
		return;
	}
	len = make_reply(s, s->tcp_mode, c->in + 2, c->n_in - 2, c->out + 2);
	c->out[0] = (uint8_t)(len >> 8);
	c->out[1] = (uint8_t)len;
	c->n_out = len + 2;
	conn_write(c);
}

static void on_conn(struct loop_source *src, uint32_t revents)
{
	struct fx_conn *c = container_of(src, struct fx_conn, src);
	ssize_t n;

	if (revents & EPOLLOUT)
		conn_write(c);
	if (!(revents & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	n = recv(src->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop_source(&c->server->fx->loop, src);
		return;
	}
	c->n_in += (size_t)n;
	if (c->n_in > 2 && c->n_in == 2 + (size_t)dns_msg_u16(c->in))
		conn_query(c);
}

/* A free place, or that of a connection that has ended. */
static struct fx_conn **conn_place(struct fx_server *s)
{
	for (size_t i = 0; i < s->n_conns; i++)
		if (s->conn[i]->src.fd < 0) {
			free(s->conn[i]);
			return &s->conn[i];
		}
	return s->n_conns < FX_CONNS ? &s->conn[s->n_conns++] : NULL;
}

static void on_accept(struct loop_source *src, uint32_t revents)
{
	struct fx_server *s = container_of(src, struct fx_server, tcp);
	int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct fx_conn **place;

	(void)revents;
	if (fd < 0)
		return;
	place = conn_place(s);
	if (!place) {
		close(fd);
		return;
	}
	*place = malloc(sizeof(**place));
	assert_non_null(*place);
	memset(*place, 0, offsetof(struct fx_conn, in));
	(*place)->n_in = (*place)->n_out = (*place)->n_sent = 0;
	(*place)->server = s;
	(*place)->src = (struct loop_source){ fd, EPOLLIN, on_conn };
	assert_int_equal(loop_add(&s->fx->loop, &(*place)->src), 0);
}

/* Return: false when the port that was free for TCP isn't for UDP */
static bool bind_pair(union endpoint *ep, int udp, int tcp)
{
	socklen_t size = sizeof(*ep);

	ep->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
				       .sin_addr.s_addr =
					       htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(tcp, &ep->sa, sizeof(ep->v4)), 0);
	assert_int_equal(getsockname(tcp, &ep->sa, &size), 0);
	return bind(udp, &ep->sa, sizeof(ep->v4)) == 0;
}

static void open_server(struct fx *f, struct fx_server *s)
{
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int udp = -1, tcp = -1;

	s->fx = f;
	do {
		fd_drop(&udp);
		fd_drop(&tcp);
		udp = socket(AF_INET, SOCK_DGRAM | flags, 0);
		tcp = socket(AF_INET, SOCK_STREAM | flags, 0);
		assert_true(udp >= 0 && tcp >= 0);
	} while (!bind_pair(&s->ep, udp, tcp));
	assert_int_equal(listen(tcp, 128), 0);
	s->udp = (struct loop_source){ udp, EPOLLIN, on_udp };
	s->tcp = (struct loop_source){ tcp, EPOLLIN, on_accept };
	assert_int_equal(loop_add(&f->loop, &s->udp), 0);
	assert_int_equal(loop_add(&f->loop, &s->tcp), 0);
}

void fx_close(struct fx_server *s)
{
	drop_source(&s->fx->loop, &s->udp);
	drop_source(&s->fx->loop, &s->tcp);
}

void fx_reopen(struct fx_server *s)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &s->ep.sa, sizeof(s->ep.v4)), 0);
	s->udp = (struct loop_source){ fd, EPOLLIN, on_udp };
	assert_int_equal(loop_add(&s->fx->loop, &s->udp), 0);
}

void fx_use(struct fx *f, size_t n)
{
	union endpoint ep[FX_SERVERS];

	for (size_t i = 0; i < FX_SERVERS; i++)
		ep[i] = f->server[i].ep;
	dns_set_servers(f->dns, ep, n);
}

static void on_reply(void *arg, const struct dns_peer *peer, const void *msg,
		     size_t len)
{
	struct fx *f = arg;

	f->n_replies++;
	f->reply_peer = *peer;
	memcpy(f->reply, msg, len);
	f->reply_len = len;
	if (f->n_replies == f->want)
		fx_done(f);
}

static void on_guard(struct loop_timer *t)
{
	struct fx *f = container_of(t, struct fx, guard);

	f->timed_out = true;
	loop_stop(&f->loop, 0);
}

void fx_done(struct fx *f)
{
	loop_stop(&f->loop, 0);
}

void fx_run(struct fx *f, size_t replies, int ms)
{
	f->timed_out = false;
	f->want = replies;
	if (replies && f->n_replies >= replies)
		return;
	f->loop.stopped = false;
	assert_int_equal(loop_timer_set(&f->loop, &f->guard,
					mono_add(mono_now(), mono_ms(ms))),
			 0);
	assert_int_equal(loop_run(&f->loop), 0);
	loop_timer_stop(&f->loop, &f->guard);
}

void fx_ask(struct fx *f, uint8_t peer, uint16_t id, const char *name)
{
	uint8_t msg[512];
	struct dns_peer who = { { peer } };

	f->loop.now = mono_now();
	dns_udp_query(f->dns, &who, msg, fx_query(msg, id, name, 1), 1232);
}

int fx_setup(void **state)
{
	static const struct dns_times times = {
		.attempt = { 40000000 },
		.total = { 200000000 },
		.down = { 10000000000 },
		.keep = { 60000000000 },
		.idle = { 200000000 },
		.idle_full = { 50000000 },
		.accept_pause = { 20000000 },
	};
	struct fx *f = calloc(1, sizeof(*f));

	log_init(LOG_ERROR, 2);
	assert_non_null(f);
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(dns_new(&f->dns, &f->loop, on_reply, f), 0);
	dns_set_times(f->dns, &times);
	f->guard.fn = on_guard;
	for (size_t i = 0; i < FX_SERVERS; i++)
		open_server(f, &f->server[i]);
	*state = f;
	return 0;
}

int fx_teardown(void **state)
{
	struct fx *f = *state;

	f->dns = dns_free(f->dns);
	for (size_t i = 0; i < FX_SERVERS; i++) {
		struct fx_server *s = &f->server[i];

		fx_close(s);
		for (size_t j = 0; j < s->n_conns; j++) {
			drop_source(&f->loop, &s->conn[j]->src);
			free(s->conn[j]);
		}
	}
	loop_deinit(&f->loop);
	free(f);
	return 0;
}

size_t fx_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
