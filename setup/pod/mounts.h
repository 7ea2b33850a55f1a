/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What files the container sees. */

#include <stdbool.h>
#include <stddef.h>

#include "setup/pod/runner.h"

enum { MOUNTS_RESOLV, MOUNTS_HOSTS, MOUNTS_N_TEXTS };

/* One of the pod's files that stand for one of /etc. */
struct mounts_text {
	int fd;	   /* the file, or -1: there is none */
	bool mend; /* it was in place: put it back when it gets lost */
};

struct mounts {
	int stage; /* tmpfs with our files, below /proc, seen by nobody */
	/* inotify: names came, in /etc or a bundle's home; -1: not watched */
	int notify;
	struct mounts_text texts[MOUNTS_N_TEXTS];
	bool read_only; /* they are so for the container */
};

#define MOUNTS_NULL                                                            \
	((struct mounts){ -1, -1, { { -1, false }, { -1, false } }, false })

/**
 * mounts_make() - make all mounts of the container and go to its workdir
 * @m: MOUNTS_NULL before; its descriptors are the process's until its end
 *
 * Return: 0 or -errno, logged
 */
int mounts_make(struct mounts *m, const struct runner_config *cfg);

/** mounts_text() - a new text for one of the pod's files, in place */
void mounts_text(struct mounts *m, int which, const void *text, size_t len);

/**
 * mounts_mend() - call it when @m->notify is readable
 *
 * A mount is dissolved when the file it covers is replaced from outside, as
 * the host's tools do with resolv.conf: then it is made again.
 */
void mounts_mend(struct mounts *m);
