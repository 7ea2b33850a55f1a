// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Round trips of datagrams: rr.c without connections, and of questions to DNS
 * and their answers. Each client has a socket of its own, with --close one for
 * each question, and one datagram under way. One that hasn't come back after
 * LOST_MS is counted and given up; its answer, should it come, is ignored. The
 * first tenth of the run warms up and is not counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/dgram.h"
#include "bench/dns.h"
#include "bench/latency.h"
#include "netstack/base/log.h"

#define LOST_MS	 250
#define SWEEP_MS 50

struct udp_rr;
struct udp_client;

/* What is asked, and how an answer is told from another. */
struct udp_kind {
	const char *name;
	/* Return: the length of the question with the client's number, in buf
	 */
	size_t (*ask)(const struct udp_client *c);
	/* Return: is what is in buf an answer to one of the client's? */
	bool (*check)(const struct udp_client *c, size_t len, uint32_t *seq);
};

struct udp_client {
	struct loop_source src;
	struct udp_rr *rr;
	uint32_t seq;
	struct mono sent_at;
};

struct udp_rr {
	struct run run;
	const struct udp_kind *kind;
	struct latency lat;
	struct loop_timer sweep;
	struct udp_client *clients;
	uint64_t n_lost; /* with those that warmed up */
};

static uint32_t client_name(const struct udp_client *c)
{
	return (uint32_t)(c - c->rr->clients);
}

static size_t echo_ask(const struct udp_client *c)
{
	const struct run *run = &c->rr->run;
	size_t size = run->cfg->size_bytes;

	dgram_fill(run->pattern, WIRE_DGRAM_ECHO, client_name(c), c->seq,
		   run->buf, size);
	return size;
}

static bool echo_check(const struct udp_client *c, size_t len, uint32_t *seq)
{
	const struct run *run = &c->rr->run;
	struct wire_dgram head;

	if (len != run->cfg->size_bytes ||
	    !dgram_check(run->pattern, run->buf, len, &head))
		return false;
	*seq = (uint32_t)head.seq;
	return head.run == client_name(c);
}

static size_t name_ask(const struct udp_client *c)
{
	return dns_ask(client_name(c), c->seq, c->rr->run.buf);
}

static bool name_check(const struct udp_client *c, size_t len, uint32_t *seq)
{
	return dns_check(c->rr->run.buf, len, client_name(c), seq);
}

static const struct udp_kind echo = { "udp-rr", echo_ask, echo_check },
			     names = { "dns", name_ask, name_check };

static void client_event(struct loop_source *src, uint32_t revents);

/* Return: false: the run has failed */
static bool client_open(struct udp_client *c)
{
	struct run *run = &c->rr->run;
	int fd = load_connect(&run->cfg->target, SOCK_DGRAM);

	if (fd < 0) {
		run_fail(run, "connect: %s", strerror(-fd));
		return false;
	}
	c->src = (struct loop_source){ fd, EPOLLIN, client_event };
	if (loop_add(&run->loop, &c->src)) {
		loop_close(&run->loop, &c->src);
		run_fail(run, "no epoll");
		return false;
	}
	return true;
}

static void client_send(struct udp_client *c)
{
	struct run *run = &c->rr->run;
	size_t len;

	c->seq++;
	len = c->rr->kind->ask(c);
	c->sent_at = mono_now();
	if (run->cfg->close)
		loop_close(&run->loop, &c->src);
	if (c->src.fd < 0 && !client_open(c))
		return;
	/* a full queue loses it, as anything on the way may */
	if (send(c->src.fd, run->buf, len, 0) < 0 && errno != EAGAIN &&
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
	uint32_t seq;

	(void)revents;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		run_fail(run, "recv: %s", strerror(errno));
		return;
	}
	if (!rr->kind->check(c, (size_t)n, &seq)) {
		run_fail(run, "an answer is wrong");
		return;
	}
	if (seq != c->seq)
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

		c->rr = rr;
		c->src = (struct loop_source)LOOP_SOURCE_NULL;
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

	printf("{\"schema\":1,\"test\":\"%s\",\"clients\":%llu,"
	       "\"size\":%llu,\"close\":%s,\"lost\":%llu,",
	       rr->kind->name, (unsigned long long)cfg->conns,
	       (unsigned long long)cfg->size_bytes,
	       cfg->close ? "true" : "false", (unsigned long long)rr->n_lost);
	hist_describe(&rr->lat.hist, latency_seconds(&rr->lat));
	printf(",\"verified\":true,\"target\":\"%s\"}\n",
	       endpoint_format(&cfg->target, target));
}

static int run_kind(const struct udp_kind *kind, const struct load_config *cfg)
{
	struct udp_rr *rr = calloc(1, sizeof(*rr)); /* the histogram is large */
	int rc;

	if (!rr)
		return log_errno(ENOMEM, "%s", kind->name);
	rr->kind = kind;
	rc = latency_init(&rr->lat, &rr->run, kind->name, cfg);
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

int load_udp_rr(const struct load_config *cfg)
{
	return run_kind(&echo, cfg);
}

int load_dns(const struct load_config *cfg)
{
	return run_kind(&names, cfg);
}
