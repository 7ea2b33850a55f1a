/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A container from its configuration, in the foreground or the background. */

#include "setup/base/config.h"

/**
 * run_main() - make the pod and run the command, as @cfg says
 * @cfg: gets what a service manager has passed in (manager.h); borrowed
 *
 * With @cfg->detach it returns twice, as fork() does: in the caller when the
 * command runs (its name was printed), and in the supervisor when all is over.
 *
 * Return: the exit status of the process: the command's, 128+N when a signal
 *         ended it, 125 when podsplice failed (logged), 126, 127; with
 *         @cfg->detach 0 or 125
 */
int run_main(struct run_config *cfg);
