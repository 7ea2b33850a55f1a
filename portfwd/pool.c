// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request is under way at a time per type and family. A request that brings
 * nothing (no descriptors here or there) is repeated by a timer, so that a
 * shortage ends by itself.
 */
#include "portfwd/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"

#define RETRY_MS  100
#define N_SHELVES 6

struct shelf {
	int family, type;
	bool used, asked, on_demand;
	size_t n, want, max; /* kept now; how many to keep, now and at most */
	int fds[POOL_SIZE];
};

struct pool {
	struct loop *loop;
	struct loop_source maker;
	struct loop_timer retry;
	bool ipv6;
	struct list users;
	struct shelf shelves[N_SHELVES];
};

/* The first of a type is for IPv4. NULL: a type that there isn't. */
static struct shelf *shelves_of(struct pool *p, int type)
{
	for (size_t i = 0; i < N_SHELVES; i += 2)
		if (p->shelves[i].type == type)
			return &p->shelves[i];
	return NULL;
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
	struct maker_want want = { s->family, s->type,
				   (uint32_t)(s->want - s->n) };
	int rc;

	if (!s->used || s->asked || s->n > s->want / 2 || p->maker.fd < 0)
		return;
	rc = msg_send(p->maker.fd, MAKER_WANT, &want, sizeof(want), NULL, 0);
	s->asked = rc == 0;
	if (rc)
		retry_later(p);
}

static void fill_all(struct pool *p)
{
	for (size_t i = 0; i < N_SHELVES; i++)
		ask(p, &p->shelves[i]);
}

static void on_retry(struct loop_timer *t)
{
	fill_all(container_of(t, struct pool, retry));
}

/* Down to @left. */
static void empty(struct shelf *s, size_t left)
{
	while (s->n > left)
		fd_drop(&s->fds[--s->n]);
}

/* One always stays: each family must be served. */
static void keep_half(struct shelf *s)
{
	if (s->want > 1)
		s->want /= 2;
	empty(s, s->want);
}

void pool_shrink(struct pool *p)
{
	for (size_t i = 0; i < N_SHELVES; i++)
		keep_half(&p->shelves[i]);
}

/*
 * The answer came without sockets: ask again in a while, and for fewer: a
 * message comes whole or not at all, and what there are descriptors for is
 * better than nothing.
 * @ours: they are what we lack, not the maker: then the others, kept in
 *	  reserve, are some of them
 */
static void shortage(struct pool *p, int err, bool ours)
{
	log_debug("no sockets from the maker: %s", strerror(err));
	for (size_t i = 0; i < N_SHELVES; i++) {
		struct shelf *s = &p->shelves[i];

		if (s->asked || ours)
			keep_half(s);
		s->asked = false;
	}
	retry_later(p);
}

static void tell_refilled(struct pool *p, struct pool_user *user)
{
	if (!user->wanted || !pool_has(p, user))
		return;
	user->wanted = false;
	user->refilled(user);
}

/* Does time help? EAGAIN: the server has not accepted what waits already. */
static bool is_shortage(int err)
{
	return err == EAGAIN || err == EMFILE || err == ENFILE ||
	       err == ENOBUFS || err == ENOMEM;
}

static void tell_failed(struct pool *p, struct shelf *s, int err)
{
	s->asked = false;
	list_for_each (e, &p->users) {
		struct pool_user *user =
			container_of(e, struct pool_user, link);

		if (user->type == s->type)
			user->failed(user, err);
	}
}

static void put_on_shelf(struct pool *p, struct msg *m)
{
	struct maker_want reply;
	struct shelf *s;

	if (m->type != MAKER_SOCKETS || m->len != sizeof(reply))
		return;
	memcpy(&reply, m->body, sizeof(reply));
	s = shelves_of(p, reply.type);
	if (!s)
		return;
	if (m->n_fds == 0) {
		if (s->on_demand && !is_shortage((int)reply.count))
			tell_failed(p, s, (int)reply.count);
		else
			shortage(p, (int)reply.count, false);
		return;
	}
	s += reply.family == AF_INET6;
	s->asked = false;
	if (!s->used)
		return; /* who wanted them has left */
	if (s->want < s->max)
		s->want++;
	for (size_t i = 0; i < m->n_fds && s->n < s->max; i++)
		s->fds[s->n++] = msg_take_fd(m, i);
	list_for_each (e, &p->users)
		tell_refilled(p, container_of(e, struct pool_user, link));
}

static void on_maker(struct loop_source *src, uint32_t revents)
{
	struct pool *p = container_of(src, struct pool, maker);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (rc == -EMFILE) { /* no descriptors left on our side */
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

int pool_new(struct pool **out, struct loop *loop, int maker, bool ipv6)
{
	static const struct {
		int type;
		size_t max;
	} types[] = { { SOCK_STREAM, POOL_SIZE },
		      { SOCK_DGRAM, POOL_SIZE },
		      { SOCK_RAW, 1 } };
	struct pool *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return log_errno(ENOMEM, "socket pool");
	p->loop = loop;
	p->ipv6 = ipv6;
	p->retry.fn = on_retry;
	list_init(&p->users);
	for (size_t i = 0; i < N_SHELVES; i++)
		p->shelves[i] =
			(struct shelf){ .family = i % 2 ? AF_INET6 : AF_INET,
					.type = types[i / 2].type,
					.want = types[i / 2].max,
					.max = types[i / 2].max };
	p->maker = (struct loop_source){ maker, EPOLLIN, on_maker };
	rc = loop_add(loop, &p->maker);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void pool_join(struct pool *p, struct pool_user *user)
{
	struct shelf *s = shelves_of(p, user->type);

	s[0].used = true;
	s[1].used = p->ipv6;
	s[0].on_demand = user->on_demand;
	if (user->on_demand)
		s[0].want = s[0].max = 1;
	user->wanted = false;
	list_append(&p->users, &user->link);
}

void pool_families(struct pool *p, bool ipv6)
{
	p->ipv6 = ipv6;
	list_for_each (e, &p->users) {
		const struct pool_user *user =
			container_of(e, struct pool_user, link);
		struct shelf *s = &shelves_of(p, user->type)[1];

		s->used = ipv6;
		if (!ipv6)
			empty(s, 0);
	}
}

void pool_leave(struct pool *p, struct pool_user *user)
{
	struct shelf *s = shelves_of(p, user->type);

	if (!user->link.next || !list_linked(&user->link))
		return;
	list_del(&user->link);
	for (int i = 0; i < 2; i++) {
		s[i].used = false;
		empty(&s[i], 0);
	}
}

int pool_attach(struct pool *p, int maker)
{
	int rc;

	loop_close(p->loop, &p->maker);
	for (size_t i = 0; i < N_SHELVES; i++)
		p->shelves[i].asked = false;
	p->maker = (struct loop_source){ maker, EPOLLIN, on_maker };
	rc = loop_add(p->loop, &p->maker);
	if (rc) {
		fd_drop(&maker);
		p->maker.fd = -1;
		return rc;
	}
	list_for_each (e, &p->users) {
		const struct pool_user *user =
			container_of(e, struct pool_user, link);

		if (user->wanted)
			pool_fill(p, user);
	}
	return 0;
}

void pool_fill(struct pool *p, const struct pool_user *user)
{
	struct shelf *s = shelves_of(p, user->type);

	if (user->on_demand && !user->wanted)
		return;
	ask(p, &s[0]);
	ask(p, &s[1]);
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	loop_timer_stop(p->loop, &p->retry);
	loop_close(p->loop, &p->maker);
	for (size_t i = 0; i < N_SHELVES; i++)
		empty(&p->shelves[i], 0);
	free(p);
	return NULL;
}

size_t pool_has(struct pool *p, struct pool_user *user)
{
	struct shelf *shelves = shelves_of(p, user->type);
	size_t least = SIZE_MAX;

	for (int i = 0; i < 2; i++) {
		struct shelf *s = &shelves[i];

		if (!s->used)
			continue;
		if (s->n == 0)
			ask(p, s);
		if (s->n < least)
			least = s->n;
	}
	if (!least)
		user->wanted = user->refilled != NULL;
	return least;
}

int pool_get(struct pool *p, const struct pool_user *user, int family)
{
	struct shelf *s = shelves_of(p, user->type) + (family == AF_INET6);
	int fd;

	if (s->n == 0) {
		ask(p, s);
		return -EAGAIN;
	}
	fd = fd_take(&s->fds[--s->n]);
	if (!s->on_demand)
		ask(p, s);
	return fd;
}
