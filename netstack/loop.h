/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One epoll loop per process: sources and timers are embedded in their owners
 * and recovered with container_of(). Nothing here is thread-safe.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "netstack/base/list.h"
#include "netstack/base/mono.h"

#define LOOP_BATCH 128

struct loop_source;
struct loop_timer;
struct loop_job;

typedef void (*loop_source_fn)(struct loop_source *src, uint32_t revents);
typedef void (*loop_timer_fn)(struct loop_timer *t);
typedef void (*loop_job_fn)(struct loop_job *job);

/* A watched descriptor. The descriptor stays its owner's. */
struct loop_source {
	int fd;		 /* -1: not watched */
	uint32_t events; /* EPOLLIN …; EPOLLET where the owner wants it */
	loop_source_fn fn;
};

/* Fires once, at or after @at. */
struct loop_timer {
	struct mono at;
	size_t pos; /* place in the heap, from 1; 0: not armed */
	loop_timer_fn fn;
};

/* Runs once, after the current batch of events: frees, retries, sweeps. */
struct loop_job {
	struct list link;
	loop_job_fn fn;
};

/*
 * Runs around each sleep, for libraries that bring their own poll set.
 * before() returns when it wants to wake at the latest; both may be NULL.
 */
struct loop_hook {
	struct list link;
	struct mono (*before)(struct loop_hook *hook);
	void (*after)(struct loop_hook *hook);
};

struct loop {
	int epfd;
	bool stopped;
	int status;
	struct mono now;
	struct list jobs, hooks;
	struct loop_timer **heap; /* heap[0] unused */
	size_t n_timers, cap_timers;
	struct epoll_event batch[LOOP_BATCH];
	int n_batch, cur;
};

#define LOOP_NULL                                                              \
	{                                                                      \
		.epfd = -1                                                     \
	}
#define LOOP_SOURCE_NULL                                                       \
	{                                                                      \
		.fd = -1                                                       \
	}

/** loop_init() - Return: 0 or -errno, logged */
int loop_init(struct loop *loop);

/** loop_deinit() - idempotent; sources and timers must be gone or forgotten */
void loop_deinit(struct loop *loop);

/**
 * loop_run() - serve events until loop_stop()
 * Return: the status given to loop_stop(), or -errno, logged
 */
int loop_run(struct loop *loop);

/** loop_stop() - leave loop_run() after the current batch; first status wins */
void loop_stop(struct loop *loop, int status);

/** loop_now() - the time at which this batch began; no system call */
static inline struct mono loop_now(const struct loop *loop)
{
	return loop->now;
}

/**
 * loop_add() - watch @src->fd for @src->events; all fields set by the caller
 * Return: 0 or -errno, logged
 */
int loop_add(struct loop *loop, struct loop_source *src);

/**
 * loop_mod() - change the events; also re-arms an EPOLLET source: the kernel
 * polls the descriptor again, which a full socket needs to tell when it has
 * room (tcp_poll() in net/ipv4/tcp.c sets SOCK_NOSPACE)
 * Return: 0 or -errno, logged
 */
int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events);

/**
 * loop_del() - stop watching; call it before closing the descriptor. Events
 * already fetched for @src are dropped, so its owner may be freed at once.
 * Harmless when not watched. Sets @src->fd to -1.
 */
void loop_del(struct loop *loop, struct loop_source *src);

/**
 * loop_close() - loop_del(), then close the descriptor
 * For an owner that gives it up now. Harmless when @src->fd is -1.
 */
void loop_close(struct loop *loop, struct loop_source *src);

/**
 * loop_forget() - loop_del() without its system call, for a descriptor that
 * its owner closes now and that has no duplicate anywhere: the kernel takes it
 * out by itself then
 */
void loop_forget(struct loop *loop, struct loop_source *src);

/**
 * loop_timer_set() - arm or move a timer
 * Return: 0 or -ENOMEM, logged
 */
int loop_timer_set(struct loop *loop, struct loop_timer *t, struct mono at);

/** loop_timer_stop() - harmless when not armed */
void loop_timer_stop(struct loop *loop, struct loop_timer *t);

/**
 * loop_defer() - run @job after this batch; a job deferred by a job runs after
 * the next one, which then doesn't sleep. @job->link must be list_init()ed;
 * harmless when it waits already. list_del(&job->link) takes it back.
 */
void loop_defer(struct loop *loop, struct loop_job *job);

void loop_hook_add(struct loop *loop, struct loop_hook *hook);

/**
 * loop_signals() - block these @n signals and read them through a signalfd
 * @src: its fd is opened here and is the caller's to close after loop_del();
 *	 fn reads struct signalfd_siginfo from it
 * Return: 0 or -errno, logged
 */
int loop_signals(struct loop *loop, struct loop_source *src, const int *signals,
		 size_t n, loop_source_fn fn);

/**
 * loop_child() - get EPOLLIN once when process @pid ends, through a pidfd
 * @src: as for loop_signals(); the child must not have been reaped yet
 * Return: 0 or -errno, logged
 */
int loop_child(struct loop *loop, struct loop_source *src, int pid,
	       loop_source_fn fn);
