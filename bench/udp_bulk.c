// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagrams one way, as fast as the socket takes them or paced; the receiver
 * checks and counts. A session over TCP names the run and brings the server's
 * report, so that no loss can falsify that.
 *
 *	session -> BEGIN -> DATA -> DRAIN -> REPORT -> done
 *
 * The rate is that of the steady part, and only of what arrived. What is lost
 * is a figure, too: sent and never received, over the whole run, when what was
 * under way has had DRAIN_MS to arrive. A wrong byte in any datagram fails the
 * run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/dgram.h"
#include "bench/session.h"
#include "netstack/base/log.h"

#define BEGIN_MS     50 /* between tries */
#define DRAIN_MS     300
#define WARM_MAX_MS  500
#define BUFFER_BYTES (4 << 20)

enum udp_bulk_state {
	UDP_BULK_BEGIN, /* asks until something comes back */
	UDP_BULK_DATA,	/* payload flows */
	UDP_BULK_DRAIN, /* forwards: nothing more is sent */
	UDP_BULK_REPORT,
};

struct udp_bulk {
	struct run run;
	struct session session;
	enum udp_bulk_state state;
	struct loop_source src;
	struct loop_timer tick; /* what the state waits for */
	struct mono warm;
	uint64_t id;
	struct dgram_box *box;
	struct dgram_source source;
	struct dgram_sink sink; /* reversed */
	size_t n_report;
	struct wire_dgram_report report;
};

static void set_tick(struct udp_bulk *b, struct mono after)
{
	if (loop_timer_set(&b->run.loop, &b->tick, mono_add(mono_now(), after)))
		run_fail(&b->run, "no timer");
}

static void ask_to_begin(struct udp_bulk *b)
{
	size_t size = b->run.cfg->size_bytes;

	dgram_fill(b->run.pattern, WIRE_DGRAM_START, b->id, 0, b->run.buf,
		   size);
	if (send(b->src.fd, b->run.buf, size, 0) < 0 && errno != EAGAIN)
		run_fail(&b->run, "send: %s", strerror(errno));
	set_tick(b, mono_ms(BEGIN_MS));
}

/* Between two datagrams; 0: none */
static struct mono gap(const struct load_config *cfg)
{
	uint64_t bits = cfg->size_bytes * 8;

	return (struct mono){ cfg->mbits ? (int64_t)(bits * 1000 / cfg->mbits)
					 : 0 };
}

static void begin_data(struct udp_bulk *b)
{
	const struct load_config *cfg = b->run.cfg;

	b->state = UDP_BULK_DATA;
	set_tick(b, cfg->duration);
	meter_start(&b->sink.meter, mono_now(), b->warm, cfg->duration);
	if (cfg->reverse)
		return;
	b->source.loop = &b->run.loop;
	b->source.src = &b->src;
	b->source.pattern = b->run.pattern;
	b->source.run = b->id;
	b->source.size_bytes = cfg->size_bytes;
	b->source.gap = gap(cfg);
	if (dgram_source_start(&b->source))
		run_fail(&b->run, "epoll");
}

static void ask_for_report(struct udp_bulk *b)
{
	b->state = UDP_BULK_REPORT;
	if (shutdown(b->session.src.fd, SHUT_WR))
		run_fail(&b->run, "shutdown: %s", strerror(errno));
}

static void on_tick(struct loop_timer *t)
{
	struct udp_bulk *b = container_of(t, struct udp_bulk, tick);

	switch (b->state) {
	case UDP_BULK_BEGIN:
		ask_to_begin(b);
		break;
	case UDP_BULK_DATA:
		if (b->run.cfg->reverse) {
			ask_for_report(b);
			break;
		}
		dgram_source_stop(&b->source);
		b->state = UDP_BULK_DRAIN;
		set_tick(b, mono_ms(DRAIN_MS));
		break;
	case UDP_BULK_DRAIN:
		ask_for_report(b);
		break;
	case UDP_BULK_REPORT: /* reversed: what was under way is here */
		loop_stop(&b->run.loop, 0);
		break;
	}
}

static void take_datagrams(struct udp_bulk *b)
{
	int n = dgram_receive(b->box, b->src.fd);
	struct mono now = mono_now();

	if (n < 0)
		run_fail(&b->run, "recv: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		size_t len = b->box->msgs[i].msg_len;
		struct wire_dgram head;

		if (!dgram_check(b->run.pattern, b->box->data[i], len, &head) ||
		    head.run != b->id) {
			run_fail(&b->run, "a datagram is wrong");
			return;
		}
		if (b->state == UDP_BULK_BEGIN)
			begin_data(b);
		if (head.kind == WIRE_DGRAM_DATA)
			dgram_sink_take(&b->sink, &head, len, now);
	}
}

static void socket_event(struct loop_source *src, uint32_t revents)
{
	struct udp_bulk *b = container_of(src, struct udp_bulk, src);
	int rc = 0;

	if (revents & ~(uint32_t)EPOLLOUT)
		take_datagrams(b);
	if (revents & EPOLLOUT && b->state == UDP_BULK_DATA)
		rc = dgram_source_turn(&b->source);
	if (rc)
		run_fail(&b->run, "send: %s", strerror(-rc));
}

static void session_report(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, src);
	struct udp_bulk *b = container_of(s, struct udp_bulk, session);
	uint8_t *at = (uint8_t *)&b->report;
	ssize_t n = recv(src->fd, at + b->n_report,
			 sizeof(b->report) - b->n_report, 0);

	(void)revents;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || b->state != UDP_BULK_REPORT) {
		run_fail(&b->run, "no report: %s",
			 n < 0 ? strerror(errno) : "closed by the other end");
		return;
	}
	b->n_report += (size_t)n;
	if (b->n_report < sizeof(b->report))
		return;
	b->report.peer[sizeof(b->report.peer) - 1] = '\0';
	session_close(s);
	if (b->run.cfg->reverse)
		set_tick(b, mono_ms(DRAIN_MS));
	else
		loop_stop(&b->run.loop, 0);
}

static void session_opened(struct session *s)
{
	struct udp_bulk *b = container_of(s, struct udp_bulk, session);

	s->src.fn = session_report;
	ask_to_begin(b);
}

/* Reversed, what arrived is known here, and only what was sent there. */
static void merge_report(struct udp_bulk *b)
{
	const struct dgram_sink *s = &b->sink;
	struct wire_dgram_report *r = &b->report;

	if (!b->run.cfg->reverse) {
		r->sent = b->source.sent;
		return;
	}
	if (s->corrupt)
		r->status = WIRE_CORRUPT;
	r->received = s->received;
	r->twice = s->twice;
	r->late = s->late;
	r->steady_bytes = meter_steady_bytes(&s->meter);
	r->steady_ns = meter_steady_ns(&s->meter);
}

/* Return: 0, or 1, logged: there is no figure */
static int verify(struct udp_bulk *b)
{
	const struct wire_dgram_report *r = &b->report;

	if (r->status != WIRE_OK)
		run_fail(&b->run, "a datagram is wrong");
	else if (r->received > r->sent)
		run_fail(&b->run, "more arrived than was sent");
	else if (r->steady_ns <= 0)
		run_fail(&b->run, "next to nothing arrived");
	return b->run.failed;
}

static void udp_bulk_print(const struct udp_bulk *b)
{
	const struct load_config *cfg = b->run.cfg;
	const struct wire_dgram_report *r = &b->report;
	char target[ADDR_TEXT_MAX];

	printf("{\"schema\":1,\"test\":\"udp-bulk\",\"direction\":\"%s\","
	       "\"size\":%llu,\"sent\":%llu,\"received\":%llu,\"bytes\":%llu,"
	       "\"lost_share\":%.6f,\"twice\":%llu,\"late\":%llu,"
	       "\"steady_s\":%.3f,\"bits_per_second\":%.0f,\"verified\":true,"
	       "\"target\":\"%s\",\"peer\":\"%s\"}\n",
	       cfg->reverse ? "reverse" : "forward",
	       (unsigned long long)cfg->size_bytes, (unsigned long long)r->sent,
	       (unsigned long long)r->received,
	       (unsigned long long)(r->received * cfg->size_bytes),
	       (double)(r->sent - r->received) / (double)r->sent,
	       (unsigned long long)r->twice, (unsigned long long)r->late,
	       (double)r->steady_ns / 1e9,
	       (double)r->steady_bytes * 8e9 /
		       (double)mono_sub(cfg->duration, b->warm).ns,
	       endpoint_format(&cfg->target, target), r->peer);
}

static int udp_bulk_start(struct udp_bulk *b)
{
	const struct load_config *cfg = b->run.cfg;
	struct mono warm = { cfg->duration.ns / 4 };
	int fd = load_connect(&cfg->target, SOCK_DGRAM);

	b->src = (struct loop_source){ fd, EPOLLIN, socket_event };
	if (fd < 0)
		return log_errno(-fd, "connect");
	/* ignored: a wish; as the server's */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ BUFFER_BYTES },
			 sizeof(int));
	if (loop_add(&b->run.loop, &b->src))
		return -EIO;
	b->warm = mono_before(mono_ms(WARM_MAX_MS), warm) ? mono_ms(WARM_MAX_MS)
							  : warm;
	/* another one for each run at the same time */
	b->id = (uint64_t)mono_now().ns ^ (uint64_t)getpid() << 48;
	b->tick.fn = on_tick;
	b->session.open = session_opened;
	b->session.request = (struct wire_request){
		.mode = cfg->reverse ? WIRE_DGRAM_SOURCE : WIRE_DGRAM_SINK,
		.size_bytes = (uint16_t)cfg->size_bytes,
		.warm_ns = (uint64_t)b->warm.ns,
		.run_ns = (uint64_t)cfg->duration.ns,
		.run = b->id,
		.gap_ns = (uint64_t)gap(cfg).ns,
	};
	session_start(&b->session, &b->run);
	return 0;
}

int load_udp_bulk(const struct load_config *cfg)
{
	struct udp_bulk *b = calloc(1, sizeof(*b)); /* the batch is large */
	int rc;

	if (!b)
		return log_errno(ENOMEM, "udp-bulk");
	b->src = (struct loop_source)LOOP_SOURCE_NULL;
	rc = run_init(&b->run, "udp-bulk", cfg,
		      mono_add(cfg->duration, mono_s(LOAD_GRACE_S)));
	b->box = malloc(sizeof(*b->box));
	if (!rc && !b->box)
		rc = log_errno(ENOMEM, "datagrams");
	if (!rc)
		rc = dgram_sink_init(&b->sink, cfg->size_bytes);
	if (!rc)
		rc = udp_bulk_start(b);
	if (!rc)
		rc = loop_run(&b->run.loop);
	if (!rc) {
		merge_report(b);
		rc = verify(b);
	}
	if (!rc)
		udp_bulk_print(b);
	session_close(&b->session);
	loop_close(&b->run.loop, &b->src);
	dgram_sink_deinit(&b->sink);
	free(b->box);
	run_deinit(&b->run);
	free(b);
	return rc;
}
