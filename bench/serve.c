// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One process, one loop, every connection a small state machine:
 *
 *	accept -> HEAD -> SINK | SOURCE | ECHO | DGRAM | DRAIN -> closed
 *
 * The first byte decides (wire.h); datagrams are serve_dgram.c's. Nothing is
 *allocated for a connection but itself, so that thousands may idle; an echo
 *that the socket doesn't take at once is the exception. A corrupt payload is
 *reported to the client, which fails; the server goes on serving.
 *
 * Handlers return false when the connection is over; conn_event() alone frees.
 */
#include "bench/generators.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/pattern.h"
#include "bench/serve_dgram.h"
#include "bench/stats.h"
#include "bench/wire.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/loop.h"

#define TURN_CHUNKS    8 /* reads or writes of one connection in one turn */
#define TURN_ACCEPTS   64
#define ACCEPT_REST_MS 50 /* when descriptors ran out */

struct server;

struct listener {
	struct loop_source src;
	struct loop_timer rest;
	struct server *srv;
	struct dgram_port dgrams; /* with --udp: of the same number */
};

struct server {
	struct loop loop;
	struct loop_source signals;
	struct listener *listeners;
	uint64_t n_listeners;
	struct dgram_server dgrams;
	struct list conns;
	struct pattern *pattern;
	uint8_t *buf; /* PATTERN_CHUNK bytes, shared: nothing stays in it */
};

enum conn_state {
	CONN_HEAD,   /* reading the request */
	CONN_SINK,   /* checking payload; ends with FIN */
	CONN_SOURCE, /* sending payload until all is sent or the client ends */
	CONN_ECHO,   /* reads only while nothing waits to be written */
	CONN_DGRAM,  /* a run of datagrams; reports at FIN */
	CONN_DRAIN,  /* all is said: discard until FIN */
};

struct conn {
	struct loop_source src;
	struct list link;
	struct server *srv;
	enum conn_state state;
	size_t n_head;
	struct wire_request head;
	union {
		struct {
			struct meter meter;
			bool corrupt;
			uint64_t bad_offset;
		} sink;
		uint64_t sent;
		struct {
			uint8_t *data; /* NULL: nothing waits */
			size_t len, pos;
		} echo;
		struct dgram_run *run;
	};
};

static uint32_t conn_wanted(const struct conn *c)
{
	switch (c->state) {
	case CONN_SOURCE:
		return EPOLLIN | EPOLLOUT;
	case CONN_ECHO:
		return c->echo.data ? EPOLLOUT : EPOLLIN;
	case CONN_HEAD:
	case CONN_SINK:
	case CONN_DGRAM:
	case CONN_DRAIN:
		break;
	}
	return EPOLLIN;
}

static void conn_free(struct conn *c)
{
	if (c->state == CONN_ECHO)
		free(c->echo.data);
	else if (c->state == CONN_DGRAM)
		dgram_run_free(c->run);
	loop_close(&c->srv->loop, &c->src);
	list_del(&c->link);
	free(c);
}

/* Small and first in their direction: the socket takes them whole. */
static bool send_whole(struct conn *c, const void *data, size_t len)
{
	return send(c->src.fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_hello(struct conn *c)
{
	struct wire_hello hello = { .magic = WIRE_MAGIC };
	union endpoint peer = { 0 };
	socklen_t len = sizeof(peer);
	int mss = 0;

	if (getpeername(c->src.fd, &peer.sa, &len))
		return false;
	(void)endpoint_format(&peer, hello.peer);
	/* both are for the record only: left empty when they fail */
	len = sizeof(hello.congestion) - 1;
	(void)getsockopt(c->src.fd, IPPROTO_TCP, TCP_CONGESTION,
			 hello.congestion, &len);
	len = sizeof(mss);
	(void)getsockopt(c->src.fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
	hello.mss_bytes = (uint32_t)mss;
	return send_whole(c, &hello, sizeof(hello));
}

static bool conn_begin(struct conn *c)
{
	if (c->head.magic != WIRE_MAGIC || !send_hello(c))
		return false;
	switch (c->head.mode) {
	case WIRE_SINK:
		c->state = CONN_SINK;
		meter_start(&c->sink.meter, mono_now(),
			    (struct mono){ (int64_t)c->head.warm_ns },
			    (struct mono){ (int64_t)c->head.run_ns });
		return true;
	case WIRE_SOURCE:
		c->state = CONN_SOURCE;
		return true;
	case WIRE_ECHO:
		c->state = CONN_ECHO;
		return true;
	case WIRE_DGRAM_SINK:
	case WIRE_DGRAM_SOURCE:
		c->run = dgram_run_new(&c->srv->dgrams, &c->head);
		if (c->run)
			c->state = CONN_DGRAM;
		return c->run != NULL;
	}
	return false;
}

static bool conn_head(struct conn *c)
{
	uint8_t *head = (uint8_t *)&c->head;
	ssize_t n = recv(c->src.fd, head + c->n_head,
			 sizeof(c->head) - c->n_head, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->n_head += (size_t)n;
	if (c->head.kind == WIRE_QUICK) {
		c->state = CONN_DRAIN;
		return send_whole(c, &(uint8_t){ WIRE_ANSWER }, 1);
	}
	if (c->head.kind != WIRE_SESSION)
		return false;
	return c->n_head < sizeof(c->head) || conn_begin(c);
}

static bool sink_end(struct conn *c)
{
	const struct meter *m = &c->sink.meter;
	struct wire_report report = {
		.magic = WIRE_MAGIC,
		.status = c->sink.corrupt ? WIRE_CORRUPT : WIRE_OK,
		.bytes = m->bytes,
		.steady_bytes = meter_steady_bytes(m),
		.steady_ns = meter_steady_ns(m),
		.bad_offset = c->sink.bad_offset,
	};

	(void)send_whole(c, &report, sizeof(report)); /* closing anyway */
	return false;
}

static bool conn_sink(struct conn *c)
{
	uint8_t *buf = c->srv->buf;
	struct meter *m = &c->sink.meter;

	for (int i = 0; i < TURN_CHUNKS; i++) {
		ssize_t n = recv(c->src.fd, buf, PATTERN_CHUNK, 0);

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return sink_end(c);
		/* once wrong, everything behind it is too */
		if (!c->sink.corrupt)
			c->sink.corrupt =
				!pattern_check(c->srv->pattern, m->bytes, buf,
					       (size_t)n, &c->sink.bad_offset);
		meter_add(m, mono_now(), (size_t)n);
	}
	return true;
}

static bool conn_source(struct conn *c)
{
	uint64_t left = c->head.bytes ? c->head.bytes - c->sent : UINT64_MAX;

	for (int i = 0; i < TURN_CHUNKS && left; i++) {
		size_t len = left < PATTERN_CHUNK ? left : PATTERN_CHUNK;
		ssize_t n =
			send(c->src.fd, pattern_at(c->srv->pattern, c->sent),
			     len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		c->sent += (uint64_t)n;
		left -= (uint64_t)n;
	}
	if (left)
		return true;
	c->state = CONN_DRAIN;
	return shutdown(c->src.fd, SHUT_WR) == 0;
}

/* The client of a source says nothing, but may end the transfer. */
static bool source_heard(struct conn *c)
{
	ssize_t n = recv(c->src.fd, c->srv->buf, PATTERN_CHUNK, 0);

	return n < 0 && errno == EAGAIN;
}

static bool echo_flush(struct conn *c)
{
	ssize_t n = send(c->src.fd, c->echo.data + c->echo.pos,
			 c->echo.len - c->echo.pos, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	c->echo.pos += (size_t)n;
	if (c->echo.pos == c->echo.len) {
		free(c->echo.data);
		c->echo.data = NULL;
	}
	return true;
}

static bool conn_echo(struct conn *c)
{
	ssize_t n = recv(c->src.fd, c->srv->buf, LOAD_SIZE_MAX, 0);
	ssize_t sent;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	sent = send(c->src.fd, c->srv->buf, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return false;
	if (sent < 0)
		sent = 0;
	if (sent == n)
		return true;
	c->echo.len = (size_t)(n - sent);
	c->echo.pos = 0;
	c->echo.data = malloc(c->echo.len);
	if (!c->echo.data)
		return false;
	memcpy(c->echo.data, c->srv->buf + sent, c->echo.len);
	return true;
}

static bool conn_dgram(struct conn *c)
{
	struct wire_dgram_report report;
	ssize_t n = recv(c->src.fd, c->srv->buf, 1, 0);

	if (n == 0) {
		report = dgram_run_report(c->run);
		(void)send_whole(c, &report, sizeof(report)); /* closing */
	}
	return n < 0 && errno == EAGAIN;
}

static bool conn_drain(struct conn *c)
{
	ssize_t n = recv(c->src.fd, c->srv->buf, PATTERN_CHUNK, 0);

	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool conn_turn(struct conn *c, uint32_t revents)
{
	switch (c->state) {
	case CONN_HEAD:
		return conn_head(c);
	case CONN_SINK:
		return conn_sink(c);
	case CONN_SOURCE:
		if ((revents & ~(uint32_t)EPOLLOUT) && !source_heard(c))
			return false;
		return !(revents & EPOLLOUT) || conn_source(c);
	case CONN_ECHO:
		return c->echo.data ? echo_flush(c) : conn_echo(c);
	case CONN_DGRAM:
		return conn_dgram(c);
	case CONN_DRAIN:
		break;
	}
	return conn_drain(c);
}

static void conn_event(struct loop_source *src, uint32_t revents)
{
	struct conn *c = container_of(src, struct conn, src);
	uint32_t wanted;

	if (!conn_turn(c, revents)) {
		conn_free(c);
		return;
	}
	wanted = conn_wanted(c);
	if (wanted != src->events && loop_mod(&c->srv->loop, src, wanted))
		conn_free(c);
}

static int conn_new(struct server *srv, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return log_errno(ENOMEM, "connection");
	/* ignored: no delay is a wish, the figure shows it */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			 sizeof(int));
	c->srv = srv;
	c->src = (struct loop_source){ fd, EPOLLIN, conn_event };
	if (loop_add(&srv->loop, &c->src)) {
		free(c);
		return -EIO;
	}
	list_append(&srv->conns, &c->link);
	return 0;
}

static void on_accept(struct loop_source *src, uint32_t revents)
{
	struct listener *l = container_of(src, struct listener, src);
	struct server *srv = l->srv;

	(void)revents;
	for (int i = 0; i < TURN_ACCEPTS; i++) {
		scoped_fd fd = accept4(src->fd, NULL, NULL,
				       SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd < 0 || conn_new(srv, fd)) {
			(void)log_errno(errno, "accept");
			/* else the loop would spin on the listener */
			(void)loop_mod(&srv->loop, src, 0);
			(void)loop_timer_set(&srv->loop, &l->rest,
					     mono_add(loop_now(&srv->loop),
						      mono_ms(ACCEPT_REST_MS)));
			return;
		}
		(void)fd_take(&fd);
	}
}

static void on_rested(struct loop_timer *t)
{
	struct listener *l = container_of(t, struct listener, rest);

	(void)loop_mod(&l->srv->loop, &l->src, EPOLLIN);
}

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct server *srv = container_of(src, struct server, signals);

	(void)revents;
	loop_stop(&srv->loop, 0);
}

/* @at: on return with the port that the kernel chose in place of 0 */
static int listener_open(struct listener *l, struct server *srv,
			 union endpoint *at)
{
	scoped_fd fd = -1;
	char text[ADDR_TEXT_MAX];
	socklen_t len = sizeof(*at);

	(void)endpoint_format(at, text);
	fd = socket(at->sa.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return log_errno(errno, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)))
		return log_errno(errno, "SO_REUSEADDR");
	/* "::" serves IPv4 too, whatever net.ipv6.bindv6only says */
	if (at->sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int)))
		return log_errno(errno, "IPV6_V6ONLY");
	if (bind(fd, &at->sa, endpoint_len(at)) || listen(fd, 4096) ||
	    getsockname(fd, &at->sa, &len))
		return log_errno(errno, "%s: listen", text);
	*l = (struct listener){
		.src = { fd, EPOLLIN, on_accept },
		.rest.fn = on_rested,
		.srv = srv,
	};
	if (loop_add(&srv->loop, &l->src))
		return -EIO;
	(void)fd_take(&fd);
	return 0;
}

/* Listens; says from where on, since port 0 lets the kernel choose. */
static int server_listen(struct server *srv, const struct load_config *cfg)
{
	struct ip ip = endpoint_ip(&cfg->target);
	uint16_t port = endpoint_port(&cfg->target);
	union endpoint at;
	char text[ADDR_TEXT_MAX];

	srv->listeners = calloc(cfg->conns, sizeof(*srv->listeners));
	if (!srv->listeners)
		return log_errno(ENOMEM, "ports");
	while (srv->n_listeners < cfg->conns) {
		struct listener *l = &srv->listeners[srv->n_listeners];
		int rc;

		at = endpoint_make(&ip, (uint16_t)(port + srv->n_listeners));
		rc = listener_open(l, srv, &at);
		if (rc)
			return rc;
		if (srv->n_listeners++ == 0)
			port = endpoint_port(&at);
		rc = cfg->udp ? dgram_port_open(&l->dgrams, &srv->dgrams, &at)
			      : 0;
		if (rc)
			return rc;
	}
	at = endpoint_make(&ip, port);
	printf("{\"schema\":1,\"test\":\"serve\",\"addr\":\"%s\","
	       "\"port\":%u}\n",
	       endpoint_format(&at, text), port);
	return fflush(stdout) ? log_errno(errno, "stdout") : 0;
}

static int server_init(struct server *srv, const struct load_config *cfg)
{
	static const int signals[] = { SIGTERM, SIGINT };
	int rc;

	srv->pattern = malloc(sizeof(*srv->pattern));
	srv->buf = malloc(PATTERN_CHUNK);
	if (!srv->pattern || !srv->buf)
		return log_errno(ENOMEM, "buffers");
	pattern_fill(srv->pattern);
	rc = loop_init(&srv->loop);
	if (rc)
		return rc;
	rc = dgram_server_init(&srv->dgrams, &srv->loop, srv->pattern);
	if (rc)
		return rc;
	/* blocked signals reach even pid 1 of a pid namespace */
	rc = loop_signals(&srv->loop, &srv->signals, signals,
			  ARRAY_SIZE(signals), on_signal);
	if (rc)
		return rc;
	return server_listen(srv, cfg);
}

static void server_deinit(struct server *srv)
{
	list_for_each_safe (e, &srv->conns)
		conn_free(container_of(e, struct conn, link));
	for (uint64_t i = 0; i < srv->n_listeners; i++) {
		loop_close(&srv->loop, &srv->listeners[i].src);
		dgram_port_close(&srv->listeners[i].dgrams);
	}
	free(srv->listeners);
	dgram_server_deinit(&srv->dgrams);
	fd_drop(&srv->signals.fd);
	loop_deinit(&srv->loop);
	free(srv->pattern);
	free(srv->buf);
}

int load_serve(const struct load_config *cfg)
{
	struct server srv = {
		.loop = LOOP_NULL,
		.signals = LOOP_SOURCE_NULL,
	};
	int rc;

	list_init(&srv.conns);
	/* ignored: there is none, then; pasta hands its ports down to us */
	(void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	/* ignored: only makes the server easy to tell from what it measures */
	(void)prctl(PR_SET_NAME, "bench-server");
	rc = server_init(&srv, cfg);
	if (!rc)
		rc = loop_run(&srv.loop);
	server_deinit(&srv);
	return rc;
}
