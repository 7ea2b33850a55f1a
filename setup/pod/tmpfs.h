/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* --tmpfs, and what --read-only leaves writable: directories in memory. */

#include <stdbool.h>

#include "setup/base/config.h"

/** tmpfs_named() - has the user asked for a volume or a tmpfs on @dst? */
bool tmpfs_named(const struct run_config *run, const char *dst);

/**
 * tmpfs_place() - mount them in what is "/" now
 * @shm: /dev/shm is the pod's, not to be covered unasked
 * Missing mount points are made where something is asked for by name.
 * Return: 0 or -errno, logged
 */
int tmpfs_place(const struct run_config *run, bool shm);
