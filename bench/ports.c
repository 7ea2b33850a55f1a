// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One checked exchange with each port of a row, over TCP a byte and its
 * answer, over UDP a datagram and its echo; ATONCE at a time. One that doesn't
 * answer fails the run: there is no figure for some of the ports.
 *
 *	SEND (until EPOLLOUT) -> HEAR (until the answer is here) -> next port
 *
 * With --wait each is asked again until it answers: that of the last port of
 * a helper tells when it was up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/dgram.h"
#include "bench/session.h"
#include "netstack/base/log.h"

#define ATONCE	    64
#define RETRY_MS    2
#define ANSWER_MS   300 /* then it was lost */
#define AGAIN_MS    20	/* the same with --wait, over UDP */
#define TRIES	    10
#define LIMIT_S	    60
#define REQUEST_MAX 64 /* bytes */

enum asker_state {
	ASKER_IDLE, /* all ports are somebody's */
	ASKER_SEND,
	ASKER_HEAR,
	ASKER_REST, /* before it asks again */
};

struct ports;

struct asker {
	struct loop_source src;
	struct loop_timer timer;
	struct ports *ports;
	enum asker_state state;
	uint64_t port; /* from 0 */
	unsigned int tries;
};

struct ports {
	struct run run;
	struct asker askers[ATONCE];
	uint64_t n_asked, n_answered, n_again;
};

static size_t request(const struct asker *a, uint8_t *out)
{
	const struct run *run = &a->ports->run;

	if (!run->cfg->udp) {
		*out = WIRE_QUICK;
		return 1;
	}
	dgram_fill(run->pattern, WIRE_DGRAM_ECHO, 0, a->port, out,
		   run->cfg->size_bytes);
	return run->cfg->size_bytes;
}

static void asker_ask(struct asker *a);

/* @err: positive errno, 0: another end */
static void asker_failed(struct asker *a, int err)
{
	struct ports *p = a->ports;
	const struct load_config *cfg = p->run.cfg;
	uint64_t port = endpoint_port(&cfg->target) + a->port;

	loop_close(&p->run.loop, &a->src);
	a->state = ASKER_REST;
	p->n_again++;
	/* a lost datagram is none of a port that doesn't answer */
	if (!cfg->wait && (!cfg->udp || ++a->tries == TRIES))
		run_fail(&p->run, "port %llu: %s", (unsigned long long)port,
			 err ? strerror(err) : "closed by the other end");
	else if (loop_timer_set(&p->run.loop, &a->timer,
				mono_add(mono_now(), mono_ms(RETRY_MS))))
		run_fail(&p->run, "no timer");
}

static void asker_next(struct asker *a)
{
	struct ports *p = a->ports;

	a->state = ASKER_IDLE;
	if (p->n_asked == p->run.cfg->conns)
		return;
	a->port = p->n_asked++;
	a->tries = 0;
	asker_ask(a);
}

static int asker_send(struct asker *a)
{
	uint8_t out[REQUEST_MAX];
	size_t len = request(a, out);
	int rc = load_connected(a->src.fd);

	if (rc)
		return rc;
	if (send(a->src.fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -errno;
	a->state = ASKER_HEAR;
	return loop_mod(&a->ports->run.loop, &a->src, EPOLLIN);
}

/* Return: 0, -errno, or -EPIPE for an end without an answer */
static int asker_hear(struct asker *a)
{
	struct ports *p = a->ports;
	uint8_t want[REQUEST_MAX], got[REQUEST_MAX];
	size_t len = request(a, want);
	ssize_t n = recv(a->src.fd, got, sizeof(got), 0);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	if (!p->run.cfg->udp)
		want[0] = WIRE_ANSWER;
	if ((size_t)n != len || memcmp(got, want, len) != 0) {
		run_fail(&p->run, "payload is wrong");
		return 0;
	}
	loop_timer_stop(&p->run.loop, &a->timer);
	loop_close(&p->run.loop, &a->src);
	if (++p->n_answered == p->run.cfg->conns)
		loop_stop(&p->run.loop, 0);
	asker_next(a);
	return 0;
}

static void asker_event(struct loop_source *src, uint32_t revents)
{
	struct asker *a = container_of(src, struct asker, src);
	int rc;

	(void)revents;
	rc = a->state == ASKER_SEND ? asker_send(a) : asker_hear(a);
	if (rc && rc != -EAGAIN)
		asker_failed(a, -rc);
}

static void asker_ask(struct asker *a)
{
	struct ports *p = a->ports;
	const struct load_config *cfg = p->run.cfg;
	struct ip ip = endpoint_ip(&cfg->target);
	union endpoint at = endpoint_make(
		&ip, (uint16_t)(endpoint_port(&cfg->target) + a->port));
	struct mono limit =
		mono_ms(cfg->udp && cfg->wait ? AGAIN_MS : ANSWER_MS);
	int fd = load_connect(&at, cfg->udp ? SOCK_DGRAM : SOCK_STREAM);

	a->src = (struct loop_source){ fd, EPOLLOUT, asker_event };
	a->state = ASKER_SEND;
	if (fd < 0)
		asker_failed(a, -fd);
	else if (loop_add(&p->run.loop, &a->src))
		run_fail(&p->run, "epoll");
	/* TCP has answers of its own, but for one that waits to be asked */
	else if ((cfg->udp || cfg->wait) &&
		 loop_timer_set(&p->run.loop, &a->timer,
				mono_add(mono_now(), limit)))
		run_fail(&p->run, "no timer");
}

static void on_timer(struct loop_timer *t)
{
	struct asker *a = container_of(t, struct asker, timer);

	if (a->state == ASKER_REST)
		asker_ask(a);
	else
		asker_failed(a, ETIMEDOUT);
}

static void ports_print(const struct ports *p, struct mono took)
{
	const struct load_config *cfg = p->run.cfg;
	char target[ADDR_TEXT_MAX];

	printf("{\"schema\":1,\"test\":\"ports\",\"protocol\":\"%s\","
	       "\"answered\":%llu,\"asked_again\":%llu,\"seconds\":%.4f,"
	       "\"verified\":true,\"target\":\"%s\"}\n",
	       cfg->udp ? "udp" : "tcp", (unsigned long long)p->n_answered,
	       (unsigned long long)p->n_again, (double)took.ns / 1e9,
	       endpoint_format(&cfg->target, target));
}

int load_ports(const struct load_config *cfg)
{
	struct ports p = { 0 };
	struct mono start = mono_now();
	int rc = run_init(&p.run, "ports", cfg, mono_s(LIMIT_S));

	for (size_t i = 0; i < ATONCE && !rc; i++) {
		p.askers[i] = (struct asker){
			.src = LOOP_SOURCE_NULL,
			.timer.fn = on_timer,
			.ports = &p,
		};
		asker_next(&p.askers[i]);
	}
	if (!rc)
		rc = loop_run(&p.run.loop);
	if (!rc)
		ports_print(&p, mono_sub(mono_now(), start));
	for (size_t i = 0; i < ATONCE; i++)
		if (p.askers[i].ports) /* else it was never started */
			loop_close(&p.run.loop, &p.askers[i].src);
	run_deinit(&p.run);
	return rc;
}
