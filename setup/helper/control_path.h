/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The control socket as a file: --control PATH. */

#include "setup/base/own_file.h"

/**
 * control_path_listen() - make the socket, mode 0600, and listen on it
 * @out: release with own_file_drop() when the socket is closed
 *
 * A socket of this user's on which nobody listens any more is replaced.
 * Anything else of that name stays.
 *
 * Return: a non-blocking listener, or -errno, logged
 */
int control_path_listen(const char *path, struct own_file *out);

/** control_path_listen_at() - the same for @name in the open directory @dir */
int control_path_listen_at(int dir, const char *name, struct own_file *out);

/**
 * control_path_replace() - the same for slirp4netns' API socket: whatever has
 * that name is removed, a socket that is still in use, too
 *
 * @path: at most 107 bytes, as its clients can't name a longer one, either
 * Return: as control_path_listen()
 */
int control_path_replace(const char *path, struct own_file *out);

/**
 * control_path_packets() - the same for rootlessport's, which is of packets,
 * and whose path may be of any length
 */
int control_path_packets(const char *path, struct own_file *out);

/**
 * control_path_connect() - connect to the socket @path
 * @dir: where a relative one begins, or AT_FDCWD
 * Return: a blocking socket, or -errno, not logged
 */
int control_path_connect(int dir, const char *path);
