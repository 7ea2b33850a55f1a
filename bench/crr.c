// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connect, one byte there, one byte back, close, at once again: what a server
 * of short requests sees. Each client is a slot with at most one connection.
 *
 *	CONNECT (until EPOLLOUT) -> ANSWER (until the byte is read) -> closed
 *
 * Failed connections are counted by cause and are no figure of their own: a
 * run with none that worked, or where most fail, is an error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/latency.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define ERRORS_FREE 100 /* before their share is looked at */

enum slot_state { SLOT_IDLE, SLOT_CONNECT, SLOT_ANSWER };

struct crr;

struct slot {
	struct loop_source src;
	struct crr *crr;
	enum slot_state state;
	struct mono started;
};

struct crr {
	struct run run;
	struct latency lat; /* of all of it */
	struct slot *slots;
	struct hist connects;
	uint64_t n_answers; /* with those that warmed up */
	uint64_t n_errors, n_refused, n_reset, n_no_address;
};

static void slot_close(struct slot *sl)
{
	if (sl->state == SLOT_IDLE)
		return;
	loop_close(&sl->crr->run.loop, &sl->src);
	sl->state = SLOT_IDLE;
}

static void count_error(struct crr *crr, int err)
{
	crr->n_errors++;
	crr->n_refused += err == ECONNREFUSED;
	crr->n_reset += err == ECONNRESET || err == EPIPE;
	crr->n_no_address += err == EADDRNOTAVAIL;
	if (crr->n_errors > ERRORS_FREE && crr->n_errors > crr->n_answers)
		run_fail(&crr->run, "most connections fail, lastly: %s",
			 err ? strerror(err) : "closed by the other end");
}

static void slot_event(struct loop_source *src, uint32_t revents);

static int slot_connect(struct slot *sl)
{
	struct crr *crr = sl->crr;
	int fd;

	sl->started = mono_now();
	fd = load_connect(&crr->run.cfg->target, SOCK_STREAM);
	if (fd < 0)
		return fd;
	sl->src = (struct loop_source){ fd, EPOLLOUT, slot_event };
	sl->state = SLOT_CONNECT;
	if (loop_add(&crr->run.loop, &sl->src)) {
		fd_drop(&fd);
		sl->state = SLOT_IDLE;
		return -EIO;
	}
	return 0;
}

/* Until one is on its way; ends, since count_error() fails the run. */
static void slot_next(struct slot *sl)
{
	while (!sl->crr->run.loop.stopped) {
		int rc = slot_connect(sl);

		if (!rc)
			return;
		count_error(sl->crr, -rc);
	}
}

static int slot_ask(struct slot *sl)
{
	struct crr *crr = sl->crr;
	int rc = load_connected(sl->src.fd);

	if (rc)
		return rc;
	if (latency_counts(&crr->lat, sl->started))
		hist_add(&crr->connects,
			 (uint64_t)mono_sub(mono_now(), sl->started).ns);
	if (send(sl->src.fd, &(uint8_t){ WIRE_QUICK }, 1, MSG_NOSIGNAL) != 1)
		return -errno;
	sl->state = SLOT_ANSWER;
	return loop_mod(&crr->run.loop, &sl->src, EPOLLIN);
}

/* Return: 0, -EAGAIN, -errno, or -EPIPE for an end without an answer */
static int slot_hear(struct slot *sl)
{
	uint8_t answer = 0;
	ssize_t n = recv(sl->src.fd, &answer, 1, 0);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	return answer == WIRE_ANSWER ? 0 : -EBADMSG;
}

static void slot_event(struct loop_source *src, uint32_t revents)
{
	struct slot *sl = container_of(src, struct slot, src);
	struct crr *crr = sl->crr;
	int rc;

	(void)revents;
	if (sl->state == SLOT_CONNECT) {
		rc = slot_ask(sl);
		if (!rc)
			return;
	} else {
		rc = slot_hear(sl);
		if (rc == -EAGAIN)
			return;
	}
	slot_close(sl);
	crr->n_answers += rc == 0;
	if (rc == -EBADMSG)
		run_fail(&crr->run, "payload is wrong");
	else if (rc)
		count_error(crr, -rc);
	else
		latency_add(&crr->lat, sl->started, mono_now());
	slot_next(sl);
}

static int crr_start(struct crr *crr)
{
	const struct load_config *cfg = crr->run.cfg;
	int rc = latency_begin(&crr->lat);

	if (rc)
		return rc;
	crr->slots = calloc(cfg->conns, sizeof(*crr->slots));
	if (!crr->slots)
		return log_errno(ENOMEM, "clients");
	for (uint64_t i = 0; i < cfg->conns; i++) {
		crr->slots[i].crr = crr;
		slot_next(&crr->slots[i]);
	}
	return 0;
}

static void crr_print(const struct crr *crr)
{
	const struct load_config *cfg = crr->run.cfg;
	const struct hist *c = &crr->connects, *t = &crr->lat.hist;
	char target[ADDR_TEXT_MAX];

	printf("{\"schema\":1,\"test\":\"crr\",\"clients\":%llu,"
	       "\"count\":%llu,\"answers\":%llu,\"per_second\":%.0f,"
	       "\"connect_p50_ns\":%llu,"
	       "\"connect_p99_ns\":%llu,\"total_p50_ns\":%llu,"
	       "\"total_p99_ns\":%llu,\"total_p999_ns\":%llu,"
	       "\"errors\":{\"all\":%llu,\"refused\":%llu,\"reset\":%llu,"
	       "\"no_address\":%llu},\"verified\":true,\"target\":\"%s\"}\n",
	       (unsigned long long)cfg->conns, (unsigned long long)t->n,
	       (unsigned long long)crr->n_answers,
	       (double)t->n / latency_seconds(&crr->lat),
	       (unsigned long long)hist_percentile(c, 50),
	       (unsigned long long)hist_percentile(c, 99),
	       (unsigned long long)hist_percentile(t, 50),
	       (unsigned long long)hist_percentile(t, 99),
	       (unsigned long long)hist_percentile(t, 99.9),
	       (unsigned long long)crr->n_errors,
	       (unsigned long long)crr->n_refused,
	       (unsigned long long)crr->n_reset,
	       (unsigned long long)crr->n_no_address,
	       endpoint_format(&cfg->target, target));
}

int load_crr(const struct load_config *cfg)
{
	struct crr *crr = calloc(1, sizeof(*crr)); /* the histograms */
	int rc;

	if (!crr)
		return log_errno(ENOMEM, "crr");
	rc = latency_init(&crr->lat, &crr->run, "crr", cfg);
	if (!rc)
		rc = crr_start(crr);
	if (!rc)
		rc = latency_run(&crr->lat);
	if (!rc)
		crr_print(crr);
	for (uint64_t i = 0; crr->slots && i < cfg->conns; i++)
		slot_close(&crr->slots[i]);
	free(crr->slots);
	run_deinit(&crr->run);
	free(crr);
	return rc;
}
