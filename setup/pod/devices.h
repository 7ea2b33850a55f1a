/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The /dev of a container with a root of its own. */

#include <stdbool.h>

#define DEVICES_NODES 6

struct devices {
	int dev, pts, shm, mqueue; /* detached mounts */
	int nodes[DEVICES_NODES];
};

#define DEVICES_NULL                                                           \
	((struct devices){ -1, -1, -1, -1, { -1, -1, -1, -1, -1, -1 } })

/** devices_shm() - a fresh /dev/shm, detached; Return: 0 or -errno, logged */
int devices_shm(int *out);

/**
 * devices_collect() - clone the host's nodes, make the filesystems
 * @out:     DEVICES_NULL before, but for a /dev/shm that is there already;
 *	     devices_drop() it also after a failure
 * @gid_tty: group 5 is mapped and may own the terminals
 *
 * Return: 0 or -errno, logged
 */
int devices_collect(struct devices *out, bool gid_tty);

/**
 * devices_place() - build /dev out of them
 * Return: 0 or -errno, logged
 */
int devices_place(struct devices *d);

/** devices_drop() - idempotent */
void devices_drop(struct devices *d);
