/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* -v SRC:DST: files and directories of the host in the container. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "setup/base/config.h"

/**
 * volumes_open() - take the sources out of the tree, before it changes
 * @vol: @n of them
 * @out: array of @n, owned; release with volumes_drop()
 *
 * Return: 0 or -errno, logged
 */
int volumes_open(int **out, const struct volume *vol, size_t n);

/**
 * volumes_place() - attach them; missing mount points are made
 * Return: 0 or -errno, logged
 */
int volumes_place(int *fds, const struct volume *vol, size_t n);

/** volumes_drop() - Return: NULL; harmless when @fds is NULL */
int *volumes_drop(int *fds, size_t n);

/**
 * mount_point() - a descriptor (O_PATH) of @path, to attach a mount to
 * @dir:  it is a directory; else anything but one
 * @make: make it, and its parents, when it isn't there
 *
 * Return: a descriptor or -errno, not logged
 */
int mount_point(const char *path, bool dir, bool make);

/**
 * make_parents() - every directory on the way to @path, but not @path
 * Return: 0 or -errno, not logged
 */
int make_parents(const char *path);
