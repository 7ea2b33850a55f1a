/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Datagrams of a run: sent as fast as they go or paced, checked, counted. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/pattern.h"
#include "bench/stats.h"
#include "bench/wire.h"
#include "netstack/base/addr.h"
#include "netstack/loop.h"

#define DGRAM_BATCH 32
#define DGRAM_MIN   sizeof(struct wire_dgram)
#define DGRAM_MAX   9000 /* a jumbo frame is not longer */

/* Room for a batch of received datagrams and whom they are from. */
struct dgram_box {
	struct mmsghdr msgs[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	union endpoint from[DGRAM_BATCH];
	uint8_t data[DGRAM_BATCH][DGRAM_MAX + 8];
};

/**
 * dgram_receive() - a batch, into @box->data[0..n-1], @box->msgs[].msg_len long
 * Return: how many; 0: none is there; or -errno, not logged
 */
int dgram_receive(struct dgram_box *box, int fd);

/** dgram_fill() - a datagram of @size bytes, DGRAM_MIN..DGRAM_MAX, at @out */
void dgram_fill(const struct pattern *p, enum wire_dgram_kind kind,
		uint64_t run, uint64_t seq, uint8_t *out, size_t size);

/** dgram_check() - is it whole, and is every byte the right one?
 * @head: set when it is
 */
bool dgram_check(const struct pattern *p, const uint8_t *data, size_t len,
		 struct wire_dgram *head);

/* What arrived of a run. A datagram that comes twice counts once. */
struct dgram_sink {
	struct meter meter;
	size_t size_bytes;
	uint64_t received, twice, late; /* late: behind one sent after it */
	uint64_t next;			/* behind the highest seen */
	bool corrupt;
	uint8_t *seen; /* a bit for each; of DGRAM_SEQS */
};

/* So many can be told from each other: minutes as fast as they go. */
#define DGRAM_SEQS (UINT64_C(1) << 28)

/**
 * dgram_sink_init() - @size_bytes: of each datagram; meter_start() is another
 * Return: 0 or -errno, logged; dgram_sink_deinit() in both cases
 */
int dgram_sink_init(struct dgram_sink *s, size_t size_bytes);
void dgram_sink_deinit(struct dgram_sink *s);

/** dgram_sink_take() - a datagram that passed dgram_check(), read at @now */
void dgram_sink_take(struct dgram_sink *s, const struct wire_dgram *head,
		     size_t len, struct mono now);

/* Sends those of a run. The EPOLLOUT of @src is its, from start to stop. */
struct dgram_source {
	struct loop *loop;
	struct loop_source *src;
	const struct pattern *pattern;
	union endpoint to; /* family 0: the socket is connected */
	uint64_t run, sent;
	size_t size_bytes;
	struct mono gap; /* between two datagrams, 0: none */
	struct mono started;
	struct loop_timer due;
	struct mmsghdr msgs[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH][2];
	struct wire_dgram heads[DGRAM_BATCH];
};

/**
 * dgram_source_start() - from now on; all above @started is the caller's to set
 * Return: 0 or -errno, logged
 */
int dgram_source_start(struct dgram_source *s);

/**
 * dgram_source_turn() - on EPOLLOUT: send a batch
 * Return: 0 or -errno, not logged
 */
int dgram_source_turn(struct dgram_source *s);

/** dgram_source_stop() - idempotent, also on a zeroed one */
void dgram_source_stop(struct dgram_source *s);
