/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* pid 1 of the container, once its mounts are made. */

#include <sys/types.h>

#include "setup/pod/mounts.h"
#include "setup/pod/runner.h"

struct init_config {
	const struct runner_config *runner;
	struct mounts *mounts;
	int ctl;      /* borrowed */
	int slave;    /* of the pty, borrowed; -1: none */
	mode_t umask; /* for the command */
};

/**
 * init_run() - wait for RUNNER_GO, start the command, reap, forward signals
 * Return: the exit status for pid 1
 */
int init_run(const struct init_config *cfg);

/** init_status() - exit status for a wait status: its own, or 128+N */
int init_status(int wstatus);
