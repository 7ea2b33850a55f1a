// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request is under way at a time per family. A request that brings nothing
 * (no descriptors here or there) is repeated by a timer, so that a shortage
 * ends by itself.
 */
#include "portfwd/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"

#define RETRY_MS 100

struct shelf {
	int family;
	bool used, asked;
	size_t n, want; /* kept now; how many to keep */
	int fds[POOL_SIZE];
};

struct pool {
	struct loop *loop;
	struct loop_source maker;
	struct loop_timer retry;
	struct shelf shelves[2];
	bool wanted; /* pool_has() has said no */
	pool_refilled_fn refilled;
	void *arg;
};

static struct shelf *shelf_of(struct pool *p, int family)
{
	return &p->shelves[family == AF_INET6];
}

static void retry_later(struct pool *p)
{
	if (!p->retry.pos)
		(void)loop_timer_set(
			p->loop, &p->retry,
			mono_add(loop_now(p->loop), mono_ms(RETRY_MS)));
}

static void ask(struct pool *p, struct shelf *s)
{
	struct maker_want want = { s->family, (uint32_t)(s->want - s->n) };
	int rc;

	if (!s->used || s->asked || s->n > s->want / 2 || p->maker.fd < 0)
		return;
	rc = msg_send(p->maker.fd, MAKER_WANT, &want, sizeof(want), NULL, 0);
	s->asked = rc == 0;
	if (rc)
		retry_later(p);
}

static void on_retry(struct loop_timer *t)
{
	pool_fill(container_of(t, struct pool, retry));
}

/* One always stays: each family must be served. */
static void keep_half(struct shelf *s)
{
	if (s->want > 1)
		s->want /= 2;
	while (s->n > s->want)
		fd_drop(&s->fds[--s->n]);
}

void pool_shrink(struct pool *p)
{
	for (int i = 0; i < 2; i++)
		keep_half(&p->shelves[i]);
}

/*
 * The answer came without sockets: ask again in a while, and for fewer: a
 * message comes whole or not at all, and what there are descriptors for is
 * better than nothing.
 * @ours: they are what we lack, not the maker: then the other family's, kept
 *	  in reserve, are some of them
 */
static void shortage(struct pool *p, int err, bool ours)
{
	log_debug("no sockets from the maker: %s", strerror(err));
	for (int i = 0; i < 2; i++) {
		struct shelf *s = &p->shelves[i];

		if (s->asked || ours)
			keep_half(s);
		s->asked = false;
	}
	retry_later(p);
}

static void put_on_shelf(struct pool *p, struct msg *m)
{
	struct maker_want reply;
	struct shelf *s;

	if (m->type != MAKER_SOCKETS || m->len != sizeof(reply))
		return;
	memcpy(&reply, m->body, sizeof(reply));
	if (m->n_fds == 0) {
		shortage(p, (int)reply.count, false);
		return;
	}
	s = shelf_of(p, reply.family);
	s->asked = false;
	if (s->want < POOL_SIZE)
		s->want++;
	for (size_t i = 0; i < m->n_fds && s->n < POOL_SIZE; i++)
		s->fds[s->n++] = msg_take_fd(m, i);
	if (p->wanted && pool_has(p)) {
		p->wanted = false;
		p->refilled(p->arg);
	}
}

static void on_maker(struct loop_source *src, uint32_t revents)
{
	struct pool *p = container_of(src, struct pool, maker);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (rc == -EPROTO) { /* truncated: no descriptors left on our side */
		shortage(p, EMFILE, true);
		return;
	}
	if (rc <= 0) {
		if (msg_again(rc))
			return;
		/* the supervisor notices the maker's death, too */
		loop_close(p->loop, src);
		return;
	}
	put_on_shelf(p, &m);
	msg_drop(&m);
}

int pool_new(struct pool **out, struct loop *loop, int maker, bool ipv6,
	     pool_refilled_fn refilled, void *arg)
{
	struct pool *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return log_errno(ENOMEM, "socket pool");
	p->loop = loop;
	p->refilled = refilled;
	p->arg = arg;
	p->retry.fn = on_retry;
	p->shelves[0] = (struct shelf){ .family = AF_INET,
					.used = true,
					.want = POOL_SIZE };
	p->shelves[1] = (struct shelf){ .family = AF_INET6,
					.used = ipv6,
					.want = POOL_SIZE };
	p->maker = (struct loop_source){ maker, EPOLLIN, on_maker };
	rc = loop_add(loop, &p->maker);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

int pool_attach(struct pool *p, int maker)
{
	int rc;

	loop_close(p->loop, &p->maker);
	for (int i = 0; i < 2; i++)
		p->shelves[i].asked = false;
	p->maker = (struct loop_source){ maker, EPOLLIN, on_maker };
	rc = loop_add(p->loop, &p->maker);
	if (rc) {
		fd_drop(&maker);
		p->maker.fd = -1;
		return rc;
	}
	if (p->wanted)
		pool_fill(p);
	return 0;
}

void pool_fill(struct pool *p)
{
	for (int i = 0; i < 2; i++)
		ask(p, &p->shelves[i]);
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	loop_timer_stop(p->loop, &p->retry);
	loop_close(p->loop, &p->maker);
	for (int i = 0; i < 2; i++)
		while (p->shelves[i].n)
			fd_drop(&p->shelves[i].fds[--p->shelves[i].n]);
	free(p);
	return NULL;
}

bool pool_has(struct pool *p)
{
	bool all = true;

	for (int i = 0; i < 2; i++) {
		struct shelf *s = &p->shelves[i];

		if (s->used && s->n == 0) {
			ask(p, s);
			all = false;
		}
	}
	if (!all)
		p->wanted = true;
	return all;
}

int pool_get(struct pool *p, int family)
{
	struct shelf *s = shelf_of(p, family);
	int fd;

	if (s->n == 0) {
		ask(p, s);
		return -EAGAIN;
	}
	fd = fd_take(&s->fds[--s->n]);
	ask(p, s);
	return fd;
}
