// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Round trips: each client sends a message, waits for all of it to come back,
 * checks it, and sends the next. One message a client is under way at any
 * time, so the time between write and last read is the latency and nothing
 * else. The first tenth of the run warms up and is not counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/latency.h"
#include "netstack/base/log.h"

struct rr;

struct rr_client {
	struct session session;
	struct rr *rr;
	uint64_t offset; /* in the pattern: of the message under way */
	size_t n_out, n_in;
	struct mono sent_at;
};

struct rr {
	struct run run;
	struct latency lat; /* begins when all are open */
	struct rr_client *clients;
	uint64_t n_open;
};

static void client_send(struct rr_client *c)
{
	const struct run *run = &c->rr->run;
	size_t left = run->cfg->size_bytes - c->n_out;
	ssize_t n = send(c->session.src.fd,
			 pattern_at(run->pattern, c->offset) + c->n_out, left,
			 MSG_NOSIGNAL);
	uint32_t wanted;

	if (n < 0 && errno != EAGAIN) {
		run_fail(&c->rr->run, "send: %s", strerror(errno));
		return;
	}
	if (n > 0)
		c->n_out += (size_t)n;
	/* a large message may not fit at once: its echo is read meanwhile */
	wanted = EPOLLIN | (c->n_out < run->cfg->size_bytes ? EPOLLOUT : 0u);
	if (wanted != c->session.src.events &&
	    loop_mod(&c->rr->run.loop, &c->session.src, wanted))
		run_fail(&c->rr->run, "epoll");
}

static void client_next(struct rr_client *c)
{
	c->offset += c->n_in;
	c->n_out = c->n_in = 0;
	c->sent_at = mono_now();
	client_send(c);
}

static void client_answered(struct rr_client *c)
{
	latency_add(&c->rr->lat, c->sent_at, mono_now());
	client_next(c);
}

static void client_recv(struct rr_client *c)
{
	struct run *run = &c->rr->run;
	uint64_t bad;
	ssize_t n = recv(c->session.src.fd, run->buf,
			 run->cfg->size_bytes - c->n_in, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		run_fail(run, "recv: %s",
			 n ? strerror(errno) : "closed by the other end");
		return;
	}
	if (!pattern_check(run->pattern, c->offset + c->n_in, run->buf,
			   (size_t)n, &bad)) {
		run_fail(run, "payload is wrong at byte %llu",
			 (unsigned long long)bad);
		return;
	}
	c->n_in += (size_t)n;
	if (c->n_in == run->cfg->size_bytes)
		client_answered(c);
}

static void client_event(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);
	struct rr_client *c = container_of(s, struct rr_client, session);

	if ((revents & EPOLLOUT) && c->n_out < c->rr->run.cfg->size_bytes)
		client_send(c);
	if (revents & ~(uint32_t)EPOLLOUT)
		client_recv(c);
}

static void client_open(struct session *s)
{
	struct rr_client *c = container_of(s, struct rr_client, session);
	struct rr *rr = c->rr;

	s->src.fn = client_event;
	if (++rr->n_open == s->run->cfg->conns && latency_begin(&rr->lat))
		run_fail(s->run, "no timer");
	client_next(c);
}

static void rr_print(const struct rr *rr)
{
	const struct load_config *cfg = rr->run.cfg;

	printf("{\"schema\":1,\"test\":\"rr\",\"clients\":%llu,\"size\":%llu,",
	       (unsigned long long)cfg->conns,
	       (unsigned long long)cfg->size_bytes);
	hist_describe(&rr->lat.hist, latency_seconds(&rr->lat));
	printf(",\"verified\":true,");
	session_describe(&rr->clients[0].session);
	printf("}\n");
}

static int rr_start(struct rr *rr)
{
	const struct load_config *cfg = rr->run.cfg;

	rr->clients = calloc(cfg->conns, sizeof(*rr->clients));
	if (!rr->clients)
		return log_errno(ENOMEM, "clients");
	for (uint64_t i = 0; i < cfg->conns; i++) {
		struct rr_client *c = &rr->clients[i];

		c->rr = rr;
		c->session.open = client_open;
		c->session.request.mode = WIRE_ECHO;
		session_start(&c->session, &rr->run);
	}
	return 0;
}

int load_rr(const struct load_config *cfg)
{
	struct rr *rr = calloc(1, sizeof(*rr)); /* the histogram is large */
	int rc;

	if (!rr)
		return log_errno(ENOMEM, "rr");
	rc = latency_init(&rr->lat, &rr->run, "rr", cfg);
	if (!rc)
		rc = rr_start(rr);
	if (!rc)
		rc = latency_run(&rr->lat);
	if (!rc)
		rr_print(rr);
	for (uint64_t i = 0; rr->clients && i < cfg->conns; i++)
		session_close(&rr->clients[i].session);
	free(rr->clients);
	run_deinit(&rr->run);
	free(rr);
	return rc;
}
