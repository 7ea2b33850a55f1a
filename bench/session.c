// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session is open when the server's hello is here: until then a helper in
 * between may have accepted without having reached anybody, and a figure
 * taken from there on would be its own.
 *
 * Nothing may hang: each run has one timer, set beyond all that was asked for.
 */
#include "bench/session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

static void on_guard(struct loop_timer *t)
{
	struct run *run = container_of(t, struct run, guard);

	run_fail(run, "no end in sight, given up");
}

int run_init(struct run *run, const char *name, const struct load_config *cfg,
	     struct mono limit)
{
	int rc;

	*run = (struct run){
		.loop = LOOP_NULL,
		.cfg = cfg,
		.name = name,
		.guard.fn = on_guard,
		.pattern = malloc(sizeof(struct pattern)),
		.buf = malloc(PATTERN_CHUNK),
	};
	if (!run->pattern || !run->buf)
		return log_errno(ENOMEM, "buffers");
	pattern_fill(run->pattern);
	rc = loop_init(&run->loop);
	if (rc)
		return rc;
	return loop_timer_set(&run->loop, &run->guard,
			      mono_add(mono_now(), limit));
}

void run_deinit(struct run *run)
{
	loop_deinit(&run->loop);
	free(run->pattern);
	free(run->buf);
	run->pattern = NULL;
	run->buf = NULL;
}

void run_fail(struct run *run, const char *fmt, ...)
{
	char text[256], target[ADDR_TEXT_MAX];
	va_list ap;

	if (!run->failed) {
		va_start(ap, fmt);
		(void)vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		log_error("bench-load %s %s: %s", run->name,
			  endpoint_format(&run->cfg->target, target), text);
	}
	run->failed = true;
	loop_stop(&run->loop, 1);
}

int load_connect(const union endpoint *target, int type)
{
	scoped_fd fd = socket(target->sa.sa_family,
			      type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
		return -errno;
	if (connect(fd, &target->sa, endpoint_len(target)) &&
	    errno != EINPROGRESS)
		return -errno;
	return fd_take(&fd);
}

int load_connected(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static void session_ask(struct session *s)
{
	int rc = load_connected(s->src.fd);

	if (rc) {
		run_fail(s->run, "connect: %s", strerror(-rc));
		return;
	}
	if (send(s->src.fd, &s->request, sizeof(s->request), MSG_NOSIGNAL) !=
	    sizeof(s->request)) {
		run_fail(s->run, "send: %s", strerror(errno));
		return;
	}
	s->state = SESSION_HELLO;
	if (loop_mod(&s->run->loop, &s->src, EPOLLIN))
		run_fail(s->run, "epoll");
}

static void session_hear(struct session *s)
{
	uint8_t *hello = (uint8_t *)&s->hello;
	ssize_t n = recv(s->src.fd, hello + s->n_hello,
			 sizeof(s->hello) - s->n_hello, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		run_fail(s->run, "no hello: %s",
			 n ? strerror(errno) : "closed by the other end");
		return;
	}
	s->n_hello += (size_t)n;
	if (s->n_hello < sizeof(s->hello))
		return;
	if (s->hello.magic != WIRE_MAGIC) {
		run_fail(s->run, "that is no bench-load server");
		return;
	}
	s->hello.congestion[sizeof(s->hello.congestion) - 1] = '\0';
	s->hello.peer[sizeof(s->hello.peer) - 1] = '\0';
	s->state = SESSION_OPEN;
	s->open(s);
}

static void session_event(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);

	(void)revents;
	if (s->state == SESSION_CONNECT)
		session_ask(s);
	else
		session_hear(s);
}

void session_start(struct session *s, struct run *run)
{
	int fd = load_connect(&run->cfg->target, SOCK_STREAM);

	s->run = run;
	s->state = SESSION_CONNECT;
	s->n_hello = 0;
	s->request.kind = WIRE_SESSION;
	s->request.magic = WIRE_MAGIC;
	s->src = (struct loop_source){ fd, EPOLLOUT, session_event };
	if (fd < 0) {
		run_fail(run, "connect: %s", strerror(-fd));
		s->src.fd = -1;
	} else if (loop_add(&run->loop, &s->src)) {
		run_fail(run, "epoll");
	}
}

void session_close(struct session *s)
{
	if (!s->run) /* never started: src.fd is no descriptor */
		return;
	loop_close(&s->run->loop, &s->src);
}

void session_describe(const struct session *s)
{
	char target[ADDR_TEXT_MAX], congestion[16] = "";
	socklen_t len = sizeof(congestion) - 1;

	/* ignored: left empty, for the record only */
	(void)getsockopt(s->src.fd, IPPROTO_TCP, TCP_CONGESTION, congestion,
			 &len);
	printf("\"target\":\"%s\",\"peer\":\"%s\",\"server_mss\":%u,"
	       "\"congestion\":\"%s\",\"server_congestion\":\"%s\"",
	       endpoint_format(&s->run->cfg->target, target), s->hello.peer,
	       s->hello.mss_bytes, congestion, s->hello.congestion);
}
