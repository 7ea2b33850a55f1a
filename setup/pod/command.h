/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From pid 1 to the container's command: fork, lock down, execute. */

#include <sys/types.h>

#include "setup/pod/runner.h"

/* exit statuses, as shells have them; beside EXIT_OURS */
enum {
	COMMAND_NOT_EXECUTABLE = 126,
	COMMAND_NOT_FOUND = 127,
};

/* What `exec` asked for. */
struct command_words {
	struct runner_exec what;
	int file;     /* the words, borrowed */
	int stdio[3]; /* borrowed */
};

struct command {
	const struct runner_config *cfg; /* borrowed */
	int slave;			 /* of the pty, borrowed; -1: none */
	mode_t umask;			 /* the caller's */
	/* borrowed; NULL: the container's own command */
	const struct command_words *words;
};

/**
 * command_start() - start the command
 * @out:     its pid; what can't be done before execution, it reports itself,
 *	     with one line and an exit status of 125, 126 or 127
 * @started: set to a pipe: end-of-file when the command was executed (or
 *	     killed before), one byte when it couldn't be; the caller's
 *
 * Return: 0 or -errno, logged
 */
int command_start(const struct command *c, pid_t *out, int *started);
