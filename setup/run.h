/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice run`: a command in a pod of its own, in the foreground. */

#include "setup/config.h"

/**
 * run_main() - make the pod, run the command, wait for it
 * @cfg: from config_run_parse(); borrowed
 *
 * Return: the exit status of the process: the command's, 128+N when a signal
 *         ended it, 125 when podsplice failed (logged), 126, 127
 */
int run_main(const struct run_config *cfg);
