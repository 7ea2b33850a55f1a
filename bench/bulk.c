// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bulk transfer: the receiver checks every byte and is the one who counts,
 * over the steady part of the transfer only. Forwards that is the server,
 * whose report comes back over the same connection once it has read FIN;
 * reversed it is this process.
 *
 *	session -> DATA -> END (forwards only) -> DONE
 *
 * Every byte counted was the right one, and with --bytes all must arrive. With
 * a duration only the steady part is a figure, and the end of the stream needs
 * leniency: pasta 0.0~git20230309 corrupts what it still sends after it has
 * seen FIN, so a reversed stream is just closed; and it drops data that is
 *under way when it passes a FIN on, so what a forward stream lost behind the
 *steady part is told as "lost_bytes" and doesn't fail the run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/session.h"
#include "bench/stats.h"
#include "netstack/base/log.h"

#define TURN_CHUNKS 8
#define WARM_MAX_MS 500

enum stream_state {
	STREAM_DATA, /* payload flows */
	STREAM_END,  /* our FIN is out; reads the report */
	STREAM_DONE,
};

struct bulk;

struct stream {
	struct session session;
	struct bulk *bulk;
	enum stream_state state;
	uint64_t sent;
	size_t n_report;
	struct wire_report report; /* reversed: filled in here */
	struct meter meter;	   /* reversed */
};

struct bulk {
	struct run run;
	struct loop_timer stop;
	struct stream *streams;
	uint64_t n_open, n_done;
	struct mono warm;
};

static void stream_done(struct stream *st)
{
	struct bulk *b = st->bulk;

	if (st->report.status != WIRE_OK) {
		run_fail(&b->run, "payload is wrong at byte %llu",
			 (unsigned long long)st->report.bad_offset);
		return;
	}
	if (b->run.cfg->bytes && st->report.bytes != b->run.cfg->bytes) {
		run_fail(&b->run, "cut short: %llu bytes arrived",
			 (unsigned long long)st->report.bytes);
		return;
	}
	st->state = STREAM_DONE;
	if (++b->n_done == b->run.cfg->conns)
		loop_stop(&b->run.loop, 0);
	/* else FIN would be reported again and again */
	else if (loop_mod(&b->run.loop, &st->session.src, EPOLLET))
		run_fail(&b->run, "epoll");
}

/* All that was wanted is here, and every byte of it was right. */
static void stream_received(struct stream *st)
{
	const struct meter *m = &st->meter;

	st->report.status = WIRE_OK;
	st->report.bytes = m->bytes;
	st->report.steady_bytes = meter_steady_bytes(m);
	st->report.steady_ns = meter_steady_ns(m);
	stream_done(st);
}

static void stream_finish(struct stream *st)
{
	if (st->state != STREAM_DATA)
		return;
	if (st->bulk->run.cfg->reverse) {
		stream_received(st);
		return;
	}
	st->state = STREAM_END;
	if (shutdown(st->session.src.fd, SHUT_WR))
		run_fail(&st->bulk->run, "shutdown: %s", strerror(errno));
	else if (loop_mod(&st->bulk->run.loop, &st->session.src, EPOLLIN))
		run_fail(&st->bulk->run, "epoll");
}

static void on_stop(struct loop_timer *t)
{
	struct bulk *b = container_of(t, struct bulk, stop);

	for (uint64_t i = 0; i < b->run.cfg->conns; i++)
		stream_finish(&b->streams[i]);
}

static void stream_send(struct stream *st)
{
	const struct run *run = &st->bulk->run;
	uint64_t left =
		run->cfg->bytes ? run->cfg->bytes - st->sent : UINT64_MAX;

	for (int i = 0; i < TURN_CHUNKS && left; i++) {
		size_t len = left < PATTERN_CHUNK ? left : PATTERN_CHUNK;
		ssize_t n = send(st->session.src.fd,
				 pattern_at(run->pattern, st->sent), len,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			run_fail(&st->bulk->run, "send: %s", strerror(errno));
			return;
		}
		st->sent += (uint64_t)n;
		left -= (uint64_t)n;
	}
	if (!left)
		stream_finish(st);
}

static void stream_report(struct stream *st)
{
	uint8_t *at = (uint8_t *)&st->report;
	ssize_t n = recv(st->session.src.fd, at + st->n_report,
			 sizeof(st->report) - st->n_report, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		run_fail(&st->bulk->run, "no report: %s",
			 n ? strerror(errno) : "closed by the other end");
		return;
	}
	st->n_report += (size_t)n;
	if (st->n_report < sizeof(st->report))
		return;
	stream_done(st);
}

static void stream_forward(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);
	struct stream *st = container_of(s, struct stream, session);

	(void)revents;
	if (st->state == STREAM_DATA)
		stream_send(st);
	else if (st->state == STREAM_END)
		stream_report(st);
}

static void stream_reverse(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);
	struct stream *st = container_of(s, struct stream, session);
	struct run *run = &st->bulk->run;

	(void)revents;
	for (int i = 0; i < TURN_CHUNKS && st->state != STREAM_DONE; i++) {
		ssize_t n = recv(src->fd, run->buf, PATTERN_CHUNK, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			run_fail(run, "recv: %s", strerror(errno));
			return;
		}
		if (n == 0 && !run->cfg->bytes) {
			run_fail(run, "closed by the other end");
			return;
		}
		if (n == 0) {
			stream_received(st);
			return;
		}
		if (!pattern_check(run->pattern, st->meter.bytes, run->buf,
				   (size_t)n, &st->report.bad_offset)) {
			st->report.status = WIRE_CORRUPT;
			stream_done(st);
			return;
		}
		meter_add(&st->meter, mono_now(), (size_t)n);
	}
}

static void stream_open(struct session *s)
{
	struct stream *st = container_of(s, struct stream, session);
	struct bulk *b = st->bulk;
	const struct load_config *cfg = b->run.cfg;

	s->src.fn = cfg->reverse ? stream_reverse : stream_forward;
	meter_start(&st->meter, mono_now(), b->warm, cfg->duration);
	if (!cfg->reverse && loop_mod(&b->run.loop, &s->src, EPOLLOUT))
		run_fail(&b->run, "epoll");
	/* the clock starts when all streams flow */
	if (++b->n_open == cfg->conns && !cfg->bytes &&
	    loop_timer_set(&b->run.loop, &b->stop,
			   mono_add(mono_now(), cfg->duration)))
		run_fail(&b->run, "no timer");
}

/* A stream that stands still in the steady part has all of it to answer for. */
static int64_t rated_ns(const struct bulk *b, const struct wire_report *r)
{
	const struct load_config *cfg = b->run.cfg;

	return cfg->bytes ? r->steady_ns : mono_sub(cfg->duration, b->warm).ns;
}

static void bulk_print(const struct bulk *b)
{
	const struct load_config *cfg = b->run.cfg;
	uint64_t bytes = 0, sent = 0;
	double rate = 0, seconds = 0;

	for (uint64_t i = 0; i < cfg->conns; i++) {
		const struct wire_report *r = &b->streams[i].report;

		bytes += r->bytes;
		sent += cfg->reverse ? r->bytes : b->streams[i].sent;
		if (r->steady_ns <= 0)
			continue;
		rate += (double)r->steady_bytes * 8e9 / (double)rated_ns(b, r);
		seconds += (double)r->steady_ns / 1e9;
	}
	printf("{\"schema\":1,\"test\":\"bulk\",\"direction\":\"%s\","
	       "\"streams\":%llu,\"bytes\":%llu,\"lost_bytes\":%llu,"
	       "\"steady_s\":%.3f,"
	       "\"bits_per_second\":%.0f,\"verified\":true,",
	       cfg->reverse ? "reverse" : "forward",
	       (unsigned long long)cfg->conns, (unsigned long long)bytes,
	       (unsigned long long)(sent - bytes), seconds / (double)cfg->conns,
	       rate);
	session_describe(&b->streams[0].session);
	printf("}\n");
}

static int bulk_start(struct bulk *b)
{
	const struct load_config *cfg = b->run.cfg;
	struct mono warm = { cfg->duration.ns / 4 };

	b->stop.fn = on_stop;
	b->warm = mono_before(mono_ms(WARM_MAX_MS), warm) ? mono_ms(WARM_MAX_MS)
							  : warm;
	b->streams = calloc(cfg->conns, sizeof(*b->streams));
	if (!b->streams)
		return log_errno(ENOMEM, "streams");
	for (uint64_t i = 0; i < cfg->conns; i++) {
		struct stream *st = &b->streams[i];

		st->bulk = b;
		st->session.open = stream_open;
		st->session.request = (struct wire_request){
			.mode = cfg->reverse ? WIRE_SOURCE : WIRE_SINK,
			.bytes = cfg->bytes,
			.warm_ns = (uint64_t)b->warm.ns,
			.run_ns = (uint64_t)cfg->duration.ns,
		};
		session_start(&st->session, &b->run);
	}
	return 0;
}

int load_bulk(const struct load_config *cfg)
{
	struct bulk b = { 0 };
	/* --bytes has no duration: the guard only ends what stands still */
	struct mono limit = mono_add(cfg->bytes ? mono_s(600) : cfg->duration,
				     mono_s(LOAD_GRACE_S));
	int rc = run_init(&b.run, "bulk", cfg, limit);

	if (!rc)
		rc = bulk_start(&b);
	if (!rc)
		rc = loop_run(&b.run.loop);
	if (!rc)
		bulk_print(&b);
	for (uint64_t i = 0; b.streams && i < cfg->conns; i++)
		session_close(&b.streams[i].session);
	free(b.streams);
	run_deinit(&b.run);
	return rc;
}
