// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A turn: compute the next deadline, sleep, read the clock once, run the
 * events, the timers that are due, then the deferred jobs. Timers sit in a
 * binary heap of pointers into their owners.
 *
 * An event whose source goes away while the batch runs is forgotten by
 * loop_del(), so a handler may free any object, its own included.
 */
#include "netstack/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define TIMERS_MIN 16

int loop_init(struct loop *loop)
{
	*loop = (struct loop)LOOP_NULL;
	list_init(&loop->jobs);
	list_init(&loop->hooks);
	loop->now = mono_now();
	/* the first timers may be those that help in a shortage */
	loop->heap = malloc(TIMERS_MIN * sizeof(struct loop_timer *));
	if (!loop->heap)
		return log_errno(ENOMEM, "timers");
	loop->cap_timers = TIMERS_MIN;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0)
		return log_errno(errno, "epoll_create1");
	return 0;
}

void loop_deinit(struct loop *loop)
{
	fd_drop(&loop->epfd);
	free(loop->heap);
	loop->heap = NULL;
	loop->n_timers = loop->cap_timers = 0;
}

void loop_stop(struct loop *loop, int status)
{
	if (loop->stopped)
		return;
	loop->stopped = true;
	loop->status = status;
}

static int ctl(struct loop *loop, int op, struct loop_source *src)
{
	struct epoll_event ev = { .events = src->events, .data.ptr = src };

	if (epoll_ctl(loop->epfd, op, src->fd, &ev))
		return log_errno(errno, "epoll_ctl");
	return 0;
}

int loop_add(struct loop *loop, struct loop_source *src)
{
	return ctl(loop, EPOLL_CTL_ADD, src);
}

int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events)
{
	src->events = events;
	return ctl(loop, EPOLL_CTL_MOD, src);
}

void loop_forget(struct loop *loop, struct loop_source *src)
{
	src->fd = -1;
	for (int i = loop->cur; i < loop->n_batch; i++)
		if (loop->batch[i].data.ptr == src)
			loop->batch[i].data.ptr = NULL;
}

void loop_del(struct loop *loop, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	/* ENOENT: never added; EBADF: a library closed it first */
	if (epoll_ctl(loop->epfd, EPOLL_CTL_DEL, src->fd, NULL))
		log_debug("epoll_ctl DEL %d: errno %d", src->fd, errno);
	loop_forget(loop, src);
}

void loop_close(struct loop *loop, struct loop_source *src)
{
	int fd = src->fd;

	loop_del(loop, src);
	fd_drop(&fd);
}

/* The heap: heap[1] is the earliest; every timer knows its place. */

static void heap_put(struct loop *loop, struct loop_timer *t, size_t pos)
{
	loop->heap[pos] = t;
	t->pos = pos;
}

static void heap_up(struct loop *loop, struct loop_timer *t, size_t pos)
{
	while (pos > 1 && mono_before(t->at, loop->heap[pos / 2]->at)) {
		heap_put(loop, loop->heap[pos / 2], pos);
		pos /= 2;
	}
	heap_put(loop, t, pos);
}

static void heap_down(struct loop *loop, struct loop_timer *t, size_t pos)
{
	for (;;) {
		size_t kid = pos * 2;

		if (kid > loop->n_timers)
			break;
		if (kid < loop->n_timers &&
		    mono_before(loop->heap[kid + 1]->at, loop->heap[kid]->at))
			kid++;
		if (!mono_before(loop->heap[kid]->at, t->at))
			break;
		heap_put(loop, loop->heap[kid], pos);
		pos = kid;
	}
	heap_put(loop, t, pos);
}

int loop_timer_set(struct loop *loop, struct loop_timer *t, struct mono at)
{
	if (t->pos)
		loop_timer_stop(loop, t);
	if (loop->n_timers + 2 > loop->cap_timers) {
		size_t cap = loop->cap_timers * 2;
		struct loop_timer **heap =
			realloc(loop->heap, cap * sizeof(struct loop_timer *));

		if (!heap)
			return log_errno(ENOMEM, "timers");
		loop->heap = heap;
		loop->cap_timers = cap;
	}
	t->at = at;
	loop->n_timers++;
	heap_up(loop, t, loop->n_timers);
	return 0;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *t)
{
	size_t pos = t->pos;

	if (!pos)
		return;
	t->pos = 0;

	struct loop_timer *last = loop->heap[loop->n_timers--];

	if (last == t)
		return;
	if (pos > 1 && mono_before(last->at, loop->heap[pos / 2]->at))
		heap_up(loop, last, pos);
	else
		heap_down(loop, last, pos);
}

void loop_defer(struct loop *loop, struct loop_job *job)
{
	if (!list_linked(&job->link))
		list_append(&loop->jobs, &job->link);
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
	list_append(&loop->hooks, &hook->link);
}

/* How long may epoll_wait() sleep? In its unit, rounded up; -1: for ever. */
static int sleep_ms(struct loop *loop)
{
	struct mono at = MONO_NEVER;

	list_for_each (e, &loop->hooks) {
		struct loop_hook *h = container_of(e, struct loop_hook, link);
		struct mono want = h->before ? h->before(h) : MONO_NEVER;

		if (mono_before(want, at))
			at = want;
	}
	/* after the hooks: they may defer jobs and set timers */
	if (!list_empty(&loop->jobs))
		return 0;
	if (loop->n_timers && mono_before(loop->heap[1]->at, at))
		at = loop->heap[1]->at;
	if (at.ns == INT64_MAX)
		return -1;

	struct mono left = mono_sub(at, mono_now());

	if (left.ns <= 0)
		return 0;
	return left.ns > INT64_C(3600000000000) ? 3600000
						: (int)mono_to_ms(left);
}

static void run_timers(struct loop *loop)
{
	/* bounded: a timer that re-arms itself for "now" waits a turn */
	for (size_t n = loop->n_timers; n > 0 && loop->n_timers; n--) {
		struct loop_timer *t = loop->heap[1];

		if (mono_before(loop->now, t->at))
			break;
		loop_timer_stop(loop, t);
		t->fn(t);
	}
}

static void run_jobs(struct loop *loop)
{
	struct list todo;

	/* jobs deferred from here on run next turn */
	list_move(&todo, &loop->jobs);
	while (!list_empty(&todo)) {
		struct loop_job *job =
			container_of(todo.next, struct loop_job, link);

		list_del(&job->link);
		job->fn(job);
	}
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		int n = epoll_wait(loop->epfd, loop->batch, LOOP_BATCH,
				   sleep_ms(loop));

		if (n < 0 && errno != EINTR)
			return log_errno(errno, "epoll_wait");
		loop->n_batch = n < 0 ? 0 : n;
		loop->now = mono_now();
		for (loop->cur = 0; loop->cur < loop->n_batch;) {
			struct epoll_event *ev = &loop->batch[loop->cur++];
			struct loop_source *src = ev->data.ptr;

			if (src)
				src->fn(src, ev->events);
		}
		loop->n_batch = loop->cur = 0;
		run_timers(loop);
		list_for_each (e, &loop->hooks) {
			struct loop_hook *h =
				container_of(e, struct loop_hook, link);

			if (h->after)
				h->after(h);
		}
		run_jobs(loop);
	}
	return loop->status;
}

static int watch(struct loop *loop, struct loop_source *src, int fd,
		 loop_source_fn fn)
{
	int rc;

	*src = (struct loop_source){ .fd = fd, .events = EPOLLIN, .fn = fn };
	rc = loop_add(loop, src);
	if (rc) {
		fd_drop(&fd);
		src->fd = -1;
	}
	return rc;
}

int loop_signals(struct loop *loop, struct loop_source *src, const int *signals,
		 size_t n, loop_source_fn fn)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return log_errno(errno, "sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return log_errno(errno, "signalfd");
	return watch(loop, src, fd, fn);
}

int loop_child(struct loop *loop, struct loop_source *src, int pid,
	       loop_source_fn fn)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return log_errno(errno, "pidfd_open %d", pid);
	return watch(loop, src, fd, fn);
}
