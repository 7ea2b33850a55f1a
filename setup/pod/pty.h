/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A terminal of the pod's own. */

struct pty {
	int master, slave; /* -1: none */
};

#define PTY_NULL                                                               \
	{                                                                      \
		.master = -1, .slave = -1                                      \
	}

/**
 * pty_open() - a new one of the /dev/ptmx that is seen here
 * @out: its master is O_NONBLOCK
 * Return: 0 or -errno, logged
 */
int pty_open(struct pty *out);
