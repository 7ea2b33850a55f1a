// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Round trips of datagrams: rr.c without connections. Each client has a socket
 * of its own, and one datagram under way. One that hasn't come back after
 * LOST_MS is counted and given up; its answer, should it come, is ignored. The
 * first tenth of the run warms up and is not counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/dgram.h"
#include "bench/latency.h"
#include "netstack/base/log.h"

#define LOST_MS	 250
#define SWEEP_MS 50

struct udp_rr;

struct udp_client {
	struct loop_source src;
	struct udp_rr *rr;
	uint64_t seq;
	struct mono sent_at;
};

struct udp_rr {
	struct run run;
	struct latency lat;
	struct loop_timer sweep;
	struct udp_client *clients;
	uint64_t n_lost; /* with those that warmed up */
};

static uint64_t client_name(const struct udp_client *c)
{
	return (uint64_t)(c - c->rr->clients);
}

static void client_send(struct udp_client *c)
{
	struct run *run = &c->rr->run;
	size_t size = run->cfg->size_bytes;

	dgram_fill(run->pattern, WIRE_DGRAM_ECHO, client_name(c), ++c->seq,
		   run->buf, size);
	c->sent_at = mono_now();
	/* a full queue loses it, as anything on the way may */
	if (send(c->src.fd, run->buf, size, 0) < 0 && errno != EAGAIN &&
	    errno != ENOBUFS)
		run_fail(run, "send: %s", strerror(errno));
}

static void client_event(struct loop_source *src, uint32_t revents)
{
	struct udp_client *c = container_of(src, struct udp_client, src);
	struct udp_rr *rr = c->rr;
	struct run *run = &rr->run;
	ssize_t n = recv(src->fd, run->buf, PATTERN_CHUNK, 0);
	struct mono now = mono_now();
	struct wire_dgram head;

	(void)revents;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		run_fail(run, "recv: %s", strerror(errno));
		return;
	}
	if ((size_t)n != run->cfg->size_bytes ||
	    !dgram_check(run->pattern, run->buf, (size_t)n, &head) ||
	    head.run != client_name(c)) {
		run_fail(run, "a datagram is wrong");
		return;
	}
	if (head.seq != c->seq)
		return;
	latency_add(&rr->lat, c->sent_at, now);
	client_send(c);
}

static void on_sweep(struct loop_timer *t)
{
	struct udp_rr *rr = container_of(t, struct udp_rr, sweep);
	struct mono now = mono_now();

	for (uint64_t i = 0; i < rr->run.cfg->conns; i++) {
		struct udp_client *c = &rr->clients[i];

		if (mono_sub(now, c->sent_at).ns < mono_ms(LOST_MS).ns)
			continue;
		rr->n_lost++;
		client_send(c);
	}
	if (loop_timer_set(&rr->run.loop, t, mono_add(now, mono_ms(SWEEP_MS))))
		run_fail(&rr->run, "no timer");
}

static int udp_rr_start(struct udp_rr *rr)
{
	const struct load_config *cfg = rr->run.cfg;
	int rc;

	rr->clients = calloc(cfg->conns, sizeof(*rr->clients));
	if (!rr->clients)
		return log_errno(ENOMEM, "clients");
	for (uint64_t i = 0; i < cfg->conns; i++) {
		struct udp_client *c = &rr->clients[i];
		int fd = load_connect(&cfg->target, SOCK_DGRAM);

		c->rr = rr;
		c->src = (struct loop_source){ fd, EPOLLIN, client_event };
		if (fd < 0)
			return log_errno(-fd, "connect");
		if (loop_add(&rr->run.loop, &c->src))
			return -EIO;
		client_send(c);
	}
	rr->sweep.fn = on_sweep;
	rc = latency_begin(&rr->lat);
	return rc ? rc
		  : loop_timer_set(&rr->run.loop, &rr->sweep,
				   mono_add(mono_now(), mono_ms(SWEEP_MS)));
}

static void udp_rr_print(const struct udp_rr *rr)
{
	const struct load_config *cfg = rr->run.cfg;
	char target[ADDR_TEXT_MAX];

	printf("{\"schema\":1,\"test\":\"udp-rr\",\"clients\":%llu,"
	       "\"size\":%llu,\"lost\":%llu,",
	       (unsigned long long)cfg->conns,
	       (unsigned long long)cfg->size_bytes,
	       (unsigned long long)rr->n_lost);
	hist_describe(&rr->lat.hist, latency_seconds(&rr->lat));
	printf(",\"verified\":true,\"target\":\"%s\"}\n",
	       endpoint_format(&cfg->target, target));
}

int load_udp_rr(const struct load_config *cfg)
{
	struct udp_rr *rr = calloc(1, sizeof(*rr)); /* the histogram is large */
	int rc;

	if (!rr)
		return log_errno(ENOMEM, "udp-rr");
	rc = latency_init(&rr->lat, &rr->run, "udp-rr", cfg);
	if (!rc)
		rc = udp_rr_start(rr);
	if (!rc)
		rc = latency_run(&rr->lat);
	if (!rc)
		udp_rr_print(rr);
	for (uint64_t i = 0; rr->clients && i < cfg->conns; i++)
		if (rr->clients[i].rr) /* else it was never started */
			loop_close(&rr->run.loop, &rr->clients[i].src);
	free(rr->clients);
	run_deinit(&rr->run);
	free(rr);
	return rc;
}
