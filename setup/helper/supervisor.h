/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The process that holds a pod's helper together: design: "supervisor". */

#include "setup/base/config.h"

struct background;

/**
 * supervisor_run() - make a pod, run the command in it, take it all down
 * @background: NULL in the foreground; ended when this returns
 * Return: `run`'s exit status; 125 with one error line when podsplice failed
 */
int supervisor_run(const struct run_config *cfg, struct background *background);
