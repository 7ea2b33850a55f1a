/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Further commands in a running container (`exec`), as its pid 1 has them. Each
 * has a connection of its own to the verb that asked for it.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/base/list.h"
#include "netstack/loop.h"
#include "setup/pod/runner.h"

#define SESSIONS_MAX 256

struct sessions {
	struct loop *loop;		 /* borrowed */
	const struct runner_config *cfg; /* borrowed */
	mode_t umask;
	struct list all;
	size_t n;
};

/** sessions_init() - none yet */
void sessions_init(struct sessions *s, struct loop *loop,
		   const struct runner_config *cfg, mode_t umask);

/**
 * sessions_add() - serve a connection
 * @conn: owned; closed at once when there are too many
 */
void sessions_add(struct sessions *s, int conn);

/**
 * sessions_check() - reap and tell of what has stopped or ended
 * @pid: a child that has ended, or 0: any of them may have
 * Return: is it one of these, or are there any?
 */
bool sessions_check(struct sessions *s, pid_t pid);
