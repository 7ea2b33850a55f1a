// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagrams carry their number, so the receiver knows what every byte has to
 * be, and what is missing, there twice, or out of order.
 *
 * They are sent one by one, not by UDP_SEGMENT: the sender stands for many
 * clients, or for one behind a link, whose datagrams arrive like that.
 *
 * Paced ones are sent when the loop's timer, in ms, says that some are due: as
 * many as a link of that speed would have brought meanwhile, in one go.
 */
#include "bench/dgram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"

int dgram_receive(struct dgram_box *box, int fd)
{
	int n;

	for (size_t i = 0; i < DGRAM_BATCH; i++) {
		box->iov[i] =
			(struct iovec){ box->data[i], sizeof(box->data[i]) };
		box->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &box->from[i],
			.msg_namelen = sizeof(box->from[i]),
			.msg_iov = &box->iov[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(fd, box->msgs, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static const uint8_t *payload(const struct pattern *p, uint64_t seq,
			      size_t size)
{
	return pattern_at(p, seq * size);
}

void dgram_fill(const struct pattern *p, enum wire_dgram_kind kind,
		uint64_t run, uint64_t seq, uint8_t *out, size_t size)
{
	struct wire_dgram head = { WIRE_MAGIC, kind, run, seq };

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), payload(p, seq, size), size - sizeof(head));
}

bool dgram_check(const struct pattern *p, const uint8_t *data, size_t len,
		 struct wire_dgram *head)
{
	if (len < sizeof(*head) || len > DGRAM_MAX)
		return false;
	memcpy(head, data, sizeof(*head));
	return head->magic == WIRE_MAGIC &&
	       memcmp(data + sizeof(*head), payload(p, head->seq, len),
		      len - sizeof(*head)) == 0;
}

int dgram_sink_init(struct dgram_sink *s, size_t size_bytes)
{
	*s = (struct dgram_sink){
		.size_bytes = size_bytes,
		/* untouched beyond what arrives */
		.seen = calloc(DGRAM_SEQS / 8, 1),
	};
	return s->seen ? 0 : log_errno(ENOMEM, "datagrams");
}

void dgram_sink_deinit(struct dgram_sink *s)
{
	free(s->seen);
	s->seen = NULL;
}

void dgram_sink_take(struct dgram_sink *s, const struct wire_dgram *head,
		     size_t len, struct mono now)
{
	uint8_t bit = (uint8_t)(1u << head->seq % 8);

	if (len != s->size_bytes || head->seq >= DGRAM_SEQS) {
		s->corrupt = true;
		return;
	}
	if (s->seen[head->seq / 8] & bit) {
		s->twice++;
		return;
	}
	s->seen[head->seq / 8] |= bit;
	s->received++;
	if (head->seq < s->next)
		s->late++;
	else
		s->next = head->seq + 1;
	meter_add(&s->meter, now, len);
}

static void on_due(struct loop_timer *t)
{
	struct dgram_source *s = container_of(t, struct dgram_source, due);

	/* ignored: logged, and nothing more arrives */
	(void)loop_mod(s->loop, s->src, s->src->events | EPOLLOUT);
}

int dgram_source_start(struct dgram_source *s)
{
	s->sent = 0;
	s->started = mono_now();
	s->due.fn = on_due;
	return loop_mod(s->loop, s->src, s->src->events | EPOLLOUT);
}

void dgram_source_stop(struct dgram_source *s)
{
	if (!s->started.ns)
		return;
	s->started = MONO_ZERO;
	loop_timer_stop(s->loop, &s->due);
	(void)loop_mod(s->loop, s->src, s->src->events & ~(uint32_t)EPOLLOUT);
}

/* How many may be sent now; sleeps until some may, when it is none. */
static size_t allowed(struct dgram_source *s)
{
	struct mono now = mono_now();
	uint64_t n;

	if (!s->gap.ns)
		return DGRAM_BATCH;
	n = (uint64_t)(mono_sub(now, s->started).ns / s->gap.ns) + 1 - s->sent;
	if (n)
		return n < DGRAM_BATCH ? n : DGRAM_BATCH;
	(void)loop_mod(s->loop, s->src, s->src->events & ~(uint32_t)EPOLLOUT);
	/* out of memory for a timer: logged, and nothing more arrives */
	(void)loop_timer_set(s->loop, &s->due, mono_add(now, mono_ms(1)));
	return 0;
}

int dgram_source_turn(struct dgram_source *s)
{
	size_t n = allowed(s);
	int rc;

	for (size_t i = 0; i < n; i++) {
		uint64_t seq = s->sent + i;

		s->heads[i] = (struct wire_dgram){ WIRE_MAGIC, WIRE_DGRAM_DATA,
						   s->run, seq };
		s->iov[i][0] =
			(struct iovec){ &s->heads[i], sizeof(s->heads[i]) };
		s->iov[i][1] = (struct iovec){
			(void *)(uintptr_t)payload(s->pattern, seq,
						   s->size_bytes),
			s->size_bytes - sizeof(s->heads[i]),
		};
		s->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = s->to.sa.sa_family ? &s->to : NULL,
			.msg_namelen =
				s->to.sa.sa_family ? endpoint_len(&s->to) : 0,
			.msg_iov = s->iov[i],
			.msg_iovlen = 2,
		};
	}
	rc = n ? sendmmsg(s->src->fd, s->msgs, (unsigned int)n, MSG_DONTWAIT)
	       : 0;
	if (rc > 0)
		s->sent += (uint64_t)rc;
	return rc >= 0 || errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
}
