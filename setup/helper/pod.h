/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The supervisor of a pod without a command, for containers to be run in. */

#include "setup/base/config.h"

struct background;

/**
 * pod_run() - make the pod, serve it until it is told to end, take it down
 * @cfg: a pod, with what is_pod says
 * @background: ended when this returns
 * Return: the exit status; 125 with one error line when podsplice failed
 */
int pod_run(const struct run_config *cfg, struct background *background);
