// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A long way between two interfaces, for kernels without netem: a bridge of
 * two packet sockets that keeps each frame for a time and loses some. Both
 * interfaces are its own: nothing else may answer or forward there.
 *
 * Which frames are lost is a matter of a seed and of their number, so that two
 * transfers after each other meet the same losses. Only TCP and UDP count and
 * get lost: neighbour discovery would make the pattern another one each time.
 *
 *	stdin: a line with a seed begins the pattern anew; end-of-file ends it
 *	stdout: one line when it is ready, one for each pattern that has ended
 *
 * Frames must be what the link would carry: the interfaces at the far ends
 * have their offloads (checksum, segmentation) switched off. A longer frame
 * is an error. One that leaves up to EARLY before its time saves a wakeup.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "bench/delay_line.h"
#include "bench/generators.h"
#include "bench/stats.h"
#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "netstack/loop.h"

#define BATCH	     64
#define TURN_BATCHES 4
#define FRAME_MAX    (9000 + ETH_HLEN)
#define RCVBUF_BYTES (16 << 20)
#define EARLY	     ((struct mono){ 50000 })

struct delay;

/* One interface, and the line that ends at it. */
struct side {
	struct loop_source src;
	struct delay *delay;
	struct side *other;
	const char *name;
	size_t frame_max; /* of what may come in */
	struct delay_line line;
	/* of the pattern, of what came in */
	uint64_t n_frames, n_counted, n_lost, n_full, n_kernel;
	uint64_t n_unsent; /* of what should have left */
};

struct delay {
	struct loop loop;
	struct loop_source timer, input, signals;
	const struct load_config *cfg;
	struct side sides[2];
	struct mono armed;
	uint64_t seed;
	bool realtime, failed;
	struct hist *late;
	uint8_t (*frames)[FRAME_MAX];
	char text[64];
	size_t text_len;
};

static void delay_fail(struct delay *d)
{
	d->failed = true;
	loop_stop(&d->loop, 1);
}

static void delay_arm(struct delay *d)
{
	struct mono a = delay_line_next(&d->sides[0].line),
		    b = delay_line_next(&d->sides[1].line),
		    at = mono_before(b, a) ? b : a;
	struct itimerspec its = { 0 };

	if (at.ns == d->armed.ns)
		return;
	d->armed = at;
	if (at.ns != MONO_NEVER.ns) {
		its.it_value.tv_sec = (time_t)(at.ns / 1000000000);
		its.it_value.tv_nsec = (long)(at.ns % 1000000000);
	}
	if (timerfd_settime(d->timer.fd, TFD_TIMER_ABSTIME, &its, NULL)) {
		(void)log_errno(errno, "bench-load delay: timer");
		delay_fail(d);
	}
}

/* All that is due. What the interface doesn't take is lost, and counted. */
static void side_send(struct side *to, struct mono now)
{
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH] = { 0 };
	size_t n;

	while ((n = delay_line_due(&to->line, mono_add(now, EARLY), iov,
				   BATCH)) > 0) {
		int sent;

		for (size_t i = 0; i < n; i++) {
			msgs[i].msg_hdr.msg_iov = &iov[i];
			msgs[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(to->src.fd, msgs, (unsigned int)n,
				MSG_DONTWAIT);
		if (sent <= 0) {
			to->n_unsent++;
			sent = 1;
		}
		for (int i = 0; i < sent; i++) {
			int64_t late = now.ns - delay_line_next(&to->line).ns;

			hist_add(to->delay->late,
				 late > 0 ? (uint64_t)late : 0);
			delay_line_pop(&to->line);
		}
	}
}

static void on_due(struct loop_source *src, uint32_t revents)
{
	struct delay *d = container_of(src, struct delay, timer);
	struct mono now = mono_now();

	(void)revents; /* edge-triggered: not read, setting it anew is enough */
	d->armed = MONO_ZERO;
	for (size_t i = 0; i < ARRAY_SIZE(d->sides); i++)
		side_send(&d->sides[i], now);
	delay_arm(d);
}

/* TCP and UDP; extension headers don't occur here */
static bool counts(const uint8_t *frame, size_t len)
{
	size_t proto_at = 0;

	if (len >= ETH_HLEN + 20 && frame[12] == 0x08 && frame[13] == 0x00)
		proto_at = ETH_HLEN + 9;
	else if (len >= ETH_HLEN + 40 && frame[12] == 0x86 && frame[13] == 0xdd)
		proto_at = ETH_HLEN + 6;
	return proto_at && (frame[proto_at] == IPPROTO_TCP ||
			    frame[proto_at] == IPPROTO_UDP);
}

static void side_take(struct side *s, const uint8_t *frame, size_t len,
		      struct mono due)
{
	struct delay *d = s->delay;

	s->n_frames++;
	if (counts(frame, len) &&
	    delay_loses(d->seed * 2 + (uint64_t)(s - d->sides), s->n_counted++,
			d->cfg->loss_ppm))
		s->n_lost++;
	else if (!delay_line_push(&s->other->line, due, frame, len))
		s->n_full++;
}

static void on_frames(struct loop_source *src, uint32_t revents)
{
	struct side *s = container_of(src, struct side, src);
	struct delay *d = s->delay;
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH] = { 0 };
	int n = BATCH;

	(void)revents;
	for (size_t i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ d->frames[i], FRAME_MAX };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (int turn = 0; turn < TURN_BATCHES && n == BATCH; turn++) {
		struct mono due = mono_add(mono_now(), d->cfg->delay);

		n = recvmmsg(src->fd, msgs, BATCH, MSG_DONTWAIT | MSG_TRUNC,
			     NULL);
		if (n < 0 && errno != EAGAIN) {
			(void)log_errno(errno, "bench-load delay: %s", s->name);
			delay_fail(d);
			return;
		}
		for (int i = 0; i < n; i++) {
			if (msgs[i].msg_len > s->frame_max) {
				log_error("bench-load delay: %s: a frame of %u "
					  "bytes: are offloads off behind it?",
					  s->name, msgs[i].msg_len);
				delay_fail(d);
				return;
			}
			side_take(s, d->frames[i], msgs[i].msg_len, due);
		}
	}
	delay_arm(d);
}

static void side_print(struct side *s, const char *name)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);

	/* reading resets it; ignored: 0 then, for the record only */
	(void)getsockopt(s->src.fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	s->n_kernel += st.tp_drops;
	printf("\"%s\":{\"frames\":%llu,\"counted\":%llu,\"lost\":%llu,"
	       "\"queue_full\":%llu,\"not_received\":%llu,\"unsent\":%llu,"
	       "\"most_queued_bytes\":%zu}",
	       name, (unsigned long long)s->n_frames,
	       (unsigned long long)s->n_counted, (unsigned long long)s->n_lost,
	       (unsigned long long)s->n_full, (unsigned long long)s->n_kernel,
	       (unsigned long long)s->other->n_unsent,
	       s->other->line.most_used);
}

/* What became of the pattern, then the next one. */
static void delay_report(struct delay *d, uint64_t next_seed)
{
	printf("{\"schema\":1,\"test\":\"delay\",\"seed\":%llu,"
	       "\"realtime\":%s,\"late_p50_ns\":%llu,\"late_p99_ns\":%llu,"
	       "\"late_max_ns\":%llu,",
	       (unsigned long long)d->seed, d->realtime ? "true" : "false",
	       (unsigned long long)hist_percentile(d->late, 50),
	       (unsigned long long)hist_percentile(d->late, 99),
	       (unsigned long long)d->late->max);
	side_print(&d->sides[0], "a_to_b");
	putchar(',');
	side_print(&d->sides[1], "b_to_a");
	printf("}\n");
	(void)fflush(stdout);
	d->seed = next_seed;
	memset(d->late, 0, sizeof(*d->late));
	for (size_t i = 0; i < ARRAY_SIZE(d->sides); i++) {
		struct side *s = &d->sides[i];

		s->n_frames = s->n_counted = s->n_lost = s->n_full = 0;
		s->n_kernel = s->n_unsent = 0;
		s->line.most_used = s->line.used;
	}
}

static void on_input(struct loop_source *src, uint32_t revents)
{
	struct delay *d = container_of(src, struct delay, input);
	ssize_t n = read(src->fd, d->text + d->text_len,
			 sizeof(d->text) - 1 - d->text_len);
	char *end;
	uint64_t seed;

	(void)revents;
	if (n <= 0) {
		loop_stop(&d->loop, 0);
		return;
	}
	d->text_len += (size_t)n;
	d->text[d->text_len] = '\0';
	end = strchr(d->text, '\n');
	if (!end && d->text_len < sizeof(d->text) - 1)
		return;
	d->text_len = 0;
	if (!end || parse_uint_n(d->text, (size_t)(end - d->text), 0,
				 UINT32_MAX, &seed)) {
		log_error("bench-load delay: wanted on stdin: a seed");
		delay_fail(d);
		return;
	}
	delay_report(d, seed);
}

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct delay *d = container_of(src, struct delay, signals);

	(void)revents;
	loop_stop(&d->loop, 0);
}

static int side_open(struct side *s, size_t queue_bytes)
{
	scoped_fd fd =
		socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(s->name) };
	struct packet_mreq promisc = { .mr_ifindex = at.sll_ifindex,
				       .mr_type = PACKET_MR_PROMISC };
	struct ifreq ifr = { 0 };

	if (fd < 0)
		return log_errno(errno, "bench-load delay: packet socket");
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", s->name);
	if (!at.sll_ifindex || ioctl(fd, SIOCGIFMTU, &ifr))
		return log_errno(errno, "bench-load delay: %s", s->name);
	s->frame_max = (size_t)ifr.ifr_mtu + ETH_HLEN;
	if (s->frame_max > FRAME_MAX) {
		log_error("bench-load delay: %s: its MTU is above %d", s->name,
			  FRAME_MAX - ETH_HLEN);
		return -EINVAL;
	}
	/* more than net.core.rmem_max needs privileges: what is missed for
	 * want of room gets counted */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ RCVBUF_BYTES },
		       sizeof(int)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF,
				 &(int){ RCVBUF_BYTES }, sizeof(int));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){ 1 },
		       sizeof(int)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &(int){ 1 },
		       sizeof(int)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc,
		       sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return log_errno(errno, "bench-load delay: %s", s->name);
	if (delay_line_init(&s->line, queue_bytes))
		return log_errno(ENOMEM, "bench-load delay: queue");
	s->src = (struct loop_source){ fd, EPOLLIN, on_frames };
	if (loop_add(&s->delay->loop, &s->src)) {
		s->src.fd = -1;
		return -EIO;
	}
	(void)fd_take(&fd);
	return 0;
}

static int delay_watch(struct delay *d)
{
	static const int signals[] = { SIGTERM, SIGINT };
	int rc;

	d->timer = (struct loop_source){
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		EPOLLIN | EPOLLET, on_due
	};
	if (d->timer.fd < 0)
		return log_errno(errno, "bench-load delay: timer");
	rc = loop_add(&d->loop, &d->timer);
	if (rc)
		return rc;
	d->input = (struct loop_source){ STDIN_FILENO, EPOLLIN, on_input };
	rc = loop_add(&d->loop, &d->input);
	if (rc)
		return rc;
	return loop_signals(&d->loop, &d->signals, signals, ARRAY_SIZE(signals),
			    on_signal);
}

static int delay_open(struct delay *d)
{
	struct sched_param prio = { .sched_priority = 1 };
	int rc;

	d->late = calloc(1, sizeof(*d->late));
	d->frames = calloc(BATCH, sizeof(*d->frames));
	if (!d->late || !d->frames)
		return log_errno(ENOMEM, "bench-load delay");
	rc = loop_init(&d->loop);
	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(d->sides) && !rc; i++) {
		d->sides[i].delay = d;
		d->sides[i].other = &d->sides[1 - i];
		d->sides[i].name = d->cfg->interfaces[i];
		rc = side_open(&d->sides[i], (size_t)d->cfg->queue_bytes);
	}
	if (rc)
		return rc;
	/* not at the mercy of what it delays; whether it is gets told */
	d->realtime = sched_setscheduler(0, SCHED_RR, &prio) == 0;
	return delay_watch(d);
}

static void delay_close(struct delay *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->sides); i++) {
		fd_drop(&d->sides[i].src.fd);
		delay_line_deinit(&d->sides[i].line);
	}
	fd_drop(&d->timer.fd);
	fd_drop(&d->signals.fd);
	loop_deinit(&d->loop);
	free(d->late);
	free(d->frames);
}

int load_delay(const struct load_config *cfg)
{
	struct delay d = {
		.loop = LOOP_NULL,
		.timer = LOOP_SOURCE_NULL,
		.signals = LOOP_SOURCE_NULL,
		.cfg = cfg,
		.sides = { { .src = LOOP_SOURCE_NULL },
			   { .src = LOOP_SOURCE_NULL } },
		.armed = MONO_NEVER,
		.seed = cfg->seed,
	};
	int rc = delay_open(&d);

	if (!rc) {
		printf("{\"schema\":1,\"test\":\"delay\",\"ready\":true}\n");
		(void)fflush(stdout);
		rc = loop_run(&d.loop);
	}
	if (!rc)
		delay_report(&d, 0);
	delay_close(&d);
	return rc;
}
