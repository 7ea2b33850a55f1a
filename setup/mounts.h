/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What files the container sees. */

#include <stdbool.h>
#include <stddef.h>

#include "setup/runner.h"

struct mounts {
	int stage;   /* tmpfs with our files, below /proc, seen by nobody */
	int resolv;  /* the pod's resolv.conf in it, or -1: left alone */
	bool mended; /* resolv.conf is ours to put back when it gets lost */
};

#define MOUNTS_NULL ((struct mounts){ -1, -1, false })

/**
 * mounts_make() - make all mounts of the container and go to its workdir
 * @m: MOUNTS_NULL before; release with mounts_deinit(), after a failure too
 *
 * Return: 0 or -errno, logged
 */
int mounts_make(struct mounts *m, const struct runner_config *cfg);

/**
 * mounts_resolv() - a new text for the pod's resolv.conf
 *
 * The file is written in place; the mount over /etc/resolv.conf is made again
 * where the host replaced the file below it and so dissolved the mount.
 */
void mounts_resolv(struct mounts *m, const void *text, size_t len);

/** mounts_deinit() - idempotent; the mounts stay */
void mounts_deinit(struct mounts *m);
