/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A network namespace that somebody else made, named on the command line. */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/loop.h"

struct target {
	const char *word; /* what names it, borrowed */
	pid_t pid;	  /* 0: it is named by a path */
	int pidfd;	  /* -1: the same */
	int ns_net;	  /* the namespace; given away as soon as possible:
			   * while it is open it can't end */
	int ns_user;	  /* what to enter for it; -1: we are in it */
	dev_t dev;	  /* of the namespace, to know it again */
	ino_t ino;
};

#define TARGET_NULL                                                            \
	{                                                                      \
		.pidfd = -1, .ns_net = -1, .ns_user = -1                       \
	}

/**
 * target_open() - find the namespace, and the one that has power over it
 * @word:   a process id in decimal, or the path of a network namespace
 * @userns: path of the user namespace to enter; NULL: the one that owns it
 * @out:    TARGET_NULL; release with target_close(), after a failure, too
 *
 * Our own network namespace is refused.
 *
 * Return: 0 or -errno, logged
 */
int target_open(struct target *out, const char *word, const char *userns);

/**
 * target_open_tap() - the same for where a TAP device is
 * @tap: a descriptor of it, borrowed
 *
 * It can't be found again by a name.
 *
 * Return: 0 or -errno, logged
 */
int target_open_tap(struct target *out, int tap, const char *userns);

/**
 * target_again() - open the network namespace once more
 * Return: descriptor, or -errno, not logged: -ENOENT when the process has
 *	   ended, or the name means another namespace now, or none
 */
int target_again(const struct target *t);

/** target_close() - idempotent */
void target_close(struct target *t);

/* All kept by target_watch(). */
struct target_watch {
	struct loop *loop; /* NULL: nothing is watched */
	const struct target *target;
	struct loop_source ended; /* its process */
	struct loop_timer look;	  /* at its path */
	void (*fn)(void *arg);
	void *arg;
};

#define TARGET_WATCH_NULL                                                      \
	{                                                                      \
		.ended = LOOP_SOURCE_NULL                                      \
	}

/**
 * target_watch() - call @fn(@arg) when @t's process has ended, or its path
 * means another namespace, or none
 * @w: borrowed, as @loop and @t are, until target_unwatch()
 *
 * A path is looked at once a second, so the end may be seen a second late. What
 * is watched already stays so.
 *
 * Return: 0 or -errno, logged
 */
int target_watch(struct target_watch *w, struct loop *loop,
		 const struct target *t, void (*fn)(void *arg), void *arg);

/** target_unwatch() - idempotent */
void target_unwatch(struct target_watch *w);
