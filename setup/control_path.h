/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The control socket as a file: --control PATH. */

struct control_path {
	int dir; /* the directory the socket is in; -1: there is no socket */
	char name[256];
	int inode; /* the socket's own: another one isn't removed */
};

#define CONTROL_PATH_NULL                                                      \
	{                                                                      \
		.dir = -1, .inode = -1                                         \
	}

/**
 * control_path_listen() - make the socket, mode 0600, and listen on it
 * @out: release with control_path_drop() when the socket is closed
 *
 * A socket of this user's on which nobody listens any more is replaced.
 * Anything else of that name stays.
 *
 * Return: a non-blocking listener, or -errno, logged
 */
int control_path_listen(const char *path, struct control_path *out);

/** control_path_drop() - remove the socket if it is still ours; idempotent */
void control_path_drop(struct control_path *p);

/** control_path_connect() - Return: a blocking socket, or -errno, not logged */
int control_path_connect(const char *path);
