/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* --rootfs: the mount that becomes the container's root. */

#include "setup/base/config.h"

/** rootfs_read_only() - is the command's / read-only? Also without a rootfs. */
bool rootfs_read_only(const struct run_config *run);

/**
 * rootfs_collect() - make it, attached where a pivot takes it
 * @out: set on success
 *
 * Of a root that will be read-only, what is mounted below is so at once, its
 * own file system not yet: mount points may have to be made.
 *
 * Return: 0 or -errno, logged
 */
int rootfs_collect(int *out, const struct run_config *run);

/**
 * rootfs_finish() - when all is mounted in it: read-only, if that was asked for
 * Return: 0 or -errno, logged
 */
int rootfs_finish(int root, const struct run_config *run);
