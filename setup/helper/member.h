/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The supervisor of a container in a pod: it has no network of its own. */

#include "setup/base/config.h"

struct background;

/**
 * member_run() - run the command in the pod that has the other end of @conn
 * @cfg: with a pod; what it publishes is published on that while it runs
 * @conn: of the control socket's join, owned
 * @background: NULL in the foreground; ended when this returns
 * @ran: set to whether the command was executed
 *
 * Return: as supervisor_run()
 */
int member_run(const struct run_config *cfg, int conn,
	       struct background *background, bool *ran);
