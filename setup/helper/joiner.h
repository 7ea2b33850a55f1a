/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A process that enters the namespaces of a pod, leaves a container's first
 * process there, and ends.
 */

#include <sys/types.h>

#include "setup/pod/infra.h"
#include "setup/pod/runner.h"

struct joiner_config {
	int namespaces[INFRA_NS_N]; /* to enter; -1: one of its own instead */
	/* its may_setgroups is filled in by the joiner */
	struct runner_config runner;
};

/**
 * joiner_run() - start a container in a pod
 * @cfg: its namespaces stay the caller's
 * @runner: the runner's end of its control socket; stays the caller's
 * @init: set to the container's first process, a child of the caller, also on
 *	  failure: end and reap it. 0: there is none
 * @mounts: set to a descriptor of its mount namespace, or what strays_kill() is
 *	    to have instead, the caller's
 *
 * Return: 0 or -errno, logged
 */
int joiner_run(struct joiner_config *cfg, int runner, pid_t *init, int *mounts);
