// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many connections that do nothing: each is opened through to the server and
 * proven by one byte there and back, then held. One JSON line says when all
 * are open; after end-of-file on stdin each has to carry a byte there and back
 * once more, and a second line says how many didn't. At most OPENING at a time
 * are under way, so that no listen queue overflows and retransmits for a
 * second.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/session.h"
#include "netstack/base/log.h"

#define OPENING	     64
#define OPEN_LIMIT_S 30
#define ECHO_LIMIT_S 10 /* for all of them */

struct idle;

struct idler {
	struct session session;
	struct idle *idle;
};

struct idle {
	struct run run;
	struct idler *idlers;
	uint64_t n_started, n_open;
};

static void idler_open(struct session *s);

static void idle_more(struct idle *idle)
{
	uint64_t n = idle->run.cfg->conns;

	assert(idle->idlers);
	while (idle->n_started < n && !idle->run.loop.stopped &&
	       idle->n_started - idle->n_open < OPENING) {
		struct idler *i = &idle->idlers[idle->n_started++];

		i->idle = idle;
		i->session.open = idler_open;
		i->session.request.mode = WIRE_ECHO;
		session_start(&i->session, &idle->run);
	}
}

static void idler_proven(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);
	struct idle *idle = container_of(s, struct idler, session)->idle;
	uint8_t byte = 0;
	ssize_t n = recv(src->fd, &byte, 1, 0);

	(void)revents;
	if (n != 1 || byte != WIRE_ANSWER) {
		run_fail(&idle->run, "connection %llu: no echo",
			 (unsigned long long)idle->n_open + 1);
		return;
	}
	/* from here on silent; a lost one is found at the end */
	if (loop_mod(&idle->run.loop, src, EPOLLET))
		run_fail(&idle->run, "epoll");
	if (++idle->n_open == idle->run.cfg->conns)
		loop_stop(&idle->run.loop, 0);
	idle_more(idle);
}

static void idler_ignored(struct loop_source *src, uint32_t revents)
{
	(void)src;
	(void)revents;
}

static void idler_event(struct loop_source *src, uint32_t revents)
{
	src->fn = idler_ignored;
	idler_proven(src, revents);
}

static void idler_open(struct session *s)
{
	s->src.fn = idler_event;
	if (send(s->src.fd, &(uint8_t){ WIRE_ANSWER }, 1, MSG_NOSIGNAL) != 1)
		run_fail(s->run, "send: %s", strerror(errno));
}

/* One that has to answer until @limit. */
static bool echoes(int fd, struct mono limit)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct mono left = mono_sub(limit, mono_now());
	uint8_t byte = 0;

	if (poll(&pfd, 1, left.ns > 0 ? (int)mono_to_ms(left) : 0) != 1)
		return false;
	return recv(fd, &byte, 1, MSG_DONTWAIT) == 1 && byte == WIRE_ANSWER;
}

/* Return: how many don't carry a byte any more */
static uint64_t count_lost(const struct idle *idle)
{
	uint64_t n_lost = 0;
	struct mono limit;

	/* all at once; what can't be sent isn't answered */
	for (uint64_t i = 0; i < idle->n_open; i++)
		(void)send(idle->idlers[i].session.src.fd,
			   &(uint8_t){ WIRE_ANSWER }, 1, MSG_NOSIGNAL);
	limit = mono_add(mono_now(), mono_s(ECHO_LIMIT_S));
	for (uint64_t i = 0; i < idle->n_open; i++)
		n_lost += !echoes(idle->idlers[i].session.src.fd, limit);
	return n_lost;
}

/* All are open: hold them until nobody holds the other end of stdin. */
static void idle_hold(const struct idle *idle, struct mono took)
{
	uint64_t n_lost;
	char buf[256];

	printf("{\"schema\":1,\"test\":\"idle\",\"open\":%llu,"
	       "\"seconds\":%.3f}\n",
	       (unsigned long long)idle->n_open, (double)took.ns / 1e9);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	n_lost = count_lost(idle);
	printf("{\"schema\":1,\"test\":\"idle\",\"held\":%llu,"
	       "\"lost\":%llu}\n",
	       (unsigned long long)(idle->n_open - n_lost),
	       (unsigned long long)n_lost);
}

int load_idle(const struct load_config *cfg)
{
	struct idle idle = { 0 };
	struct mono start = mono_now();
	int rc = run_init(&idle.run, "idle", cfg, mono_s(OPEN_LIMIT_S));

	if (!rc) {
		idle.idlers = calloc(cfg->conns, sizeof(*idle.idlers));
		if (!idle.idlers)
			rc = log_errno(ENOMEM, "connections");
	}
	if (!rc) {
		idle_more(&idle);
		rc = loop_run(&idle.run.loop);
		if (rc)
			log_error("bench-load idle: %llu of %llu were open",
				  (unsigned long long)idle.n_open,
				  (unsigned long long)cfg->conns);
	}
	if (!rc)
		idle_hold(&idle, mono_sub(mono_now(), start));
	for (uint64_t i = 0; i < idle.n_started; i++)
		session_close(&idle.idlers[i].session);
	free(idle.idlers);
	run_deinit(&idle.run);
	return rc;
}
