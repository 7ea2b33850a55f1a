/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A long-running process of the helper, forked and never exec'd. */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/loop.h"

#define CHILD_FDS_MAX 15

struct child {
	const char *role;
	pid_t pid;		  /* 0: none */
	int ctl;		  /* our end of its control socket */
	struct loop_source ended; /* its pidfd, once watched */
};

#define CHILD_NULL                                                             \
	{                                                                      \
		.ctl = -1, .ended = LOOP_SOURCE_NULL                           \
	}

/**
 * child_fork() - fork @role
 * @fds: what it keeps besides 0, 1, 2, CHILD_FDS_MAX at most; updated to the
 * numbers it has there
 *
 * The child is out of the terminal's session, has /dev/null as stdin and
 * stdout when @quiet, and ends when its parent does.
 *
 * Return: 1 in the child, 0 in the parent, -errno, logged
 */
int child_fork(struct child *c, const char *role, bool quiet, int *const fds[],
	       size_t n);

/** child_stop() - SIGKILL, reap, close; idempotent */
void child_stop(struct child *c, struct loop *loop);

/** child_abandon() - child_stop() without waiting: init reaps it */
void child_abandon(struct child *c, struct loop *loop);

/**
 * child_failed() - reap a child that ended while it was being started
 * Logs only when a signal ended it: otherwise it has said why itself.
 * Return: -EIO
 */
int child_failed(struct child *c);

/**
 * child_why() - reap an ended child
 * @buf: set to how it ended: "ended by …", "ended with …"
 * Return: its wait status
 */
int child_why(struct child *c, char *buf, size_t cap);
