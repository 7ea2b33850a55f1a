/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A container's own part of its record: what its supervisor writes there. */

#include "setup/base/config.h"
#include "setup/helper/control_path.h"
#include "setup/state/state.h"

struct container {
	struct state state;
	struct state_own own; /* dir -1: it isn't registered */
	struct state_record rec;
	bool again;  /* it ran before */
	bool undone; /* it was not to have been started */
	struct own_file control;
	int listener; /* of its control socket; to be taken with fd_take() */
};

#define CONTAINER_NULL                                                         \
	{                                                                      \
		.state = STATE_NULL, .own = STATE_OWN_NULL, .rec.dir = -1,     \
		.control = OWN_FILE_NULL, .listener = -1                       \
	}

/**
 * container_register() - have a record and a control socket from now on
 * @c:	 release with container_ended(), also after a failure
 * @cfg: borrowed
 *
 * A run in the foreground that was given no name does without, where there is
 * no runtime directory for it; container_name() is NULL then.
 *
 * Return: 0 or -errno, logged
 */
int container_register(struct container *c, const struct run_config *cfg);

/** container_name() - its name, or NULL; borrowed */
const char *container_name(const struct container *c);

/**
 * container_started() - its command runs
 * @init:  the pod's pid 1, a child of this process that isn't reaped
 * @ports: what is published; stolen
 *
 * What can't be saved is not told in the foreground: it only can't be found.
 *
 * Return: 0 or -errno, logged
 */
int container_started(struct container *c, pid_t init, json_t *ports);

struct background;

/**
 * container_tell() - tell who waits for that it has started
 * @rc:	of container_started()
 * @b:	NULL: in the foreground, where the command runs whatever @rc is
 *
 * Return: 0 or -errno: it is to end, and counts as never started
 */
int container_tell(struct container *c, int rc, struct background *b);

/**
 * container_waits() - its command has ended, and will be started again
 * What can't be saved is logged.
 */
void container_waits(struct container *c);

/**
 * container_ports() - other ports are published now
 * @ports: stolen
 * What can't be saved is logged, and told by nobody else.
 */
void container_ports(struct container *c, json_t *ports);

/**
 * container_ended() - nothing of it runs any more
 * @status: of the command; -1: it was never started, as after a failure of
 *	    container_tell()
 *
 * The record stays when the container was detached and has run, without --rm.
 * Idempotent.
 */
void container_ended(struct container *c, int status);
