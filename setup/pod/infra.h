/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The process that holds the namespaces of a pod without a command: it waits.
 * It is pid 1 of the pid namespace that containers may share.
 */

#include <sched.h>

/* The namespaces of a pod; those of its user namespace own all the others. */
enum infra_ns {
	INFRA_NS_USER, /* first: with it comes the power over the others */
	INFRA_NS_NET,
	INFRA_NS_IPC,
	INFRA_NS_UTS,
	INFRA_NS_PID,
	INFRA_NS_MNT, /* its root is /dev/shm, see infra_shm() */
	INFRA_NS_N
};

/* As /proc/PID/ns and setns(2) have them. */
struct infra_ns_name {
	const char *name;
	int flag; /* CLONE_NEW… */
};

extern const struct infra_ns_name infra_ns_names[INFRA_NS_N];

/** infra_shm() - POSIX' shared memory is a part of IPC; Return: flag, or 0 */
static inline int infra_shm(int share)
{
	return share & CLONE_NEWIPC ? CLONE_NEWNS : 0;
}

struct infra_config {
	int share;	      /* CLONE_NEW…: what the containers share */
	const char *hostname; /* with CLONE_NEWUTS */
};

/**
 * infra_main() - be the pod's first process
 * @ctl: owned; its end-of-file ends the pod
 *
 * Called in fresh user, net and pid namespaces and those of @cfg->share and
 * infra_shm(), with the id maps written. Up to RUNNER_GO its namespaces can be
 * opened; then it lets go of all it has, answers RUNNER_READY, and waits. Never
 * returns.
 */
_Noreturn void infra_main(const struct infra_config *cfg, int ctl);
