/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Pods by their names: what the verbs do, for whoever makes pods of something
 * else. A pod, and a container in it, come into being by run_main().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setup/state/state.h"

struct pods_member {
	char name[STATE_NAME_MAX + 1];
	int64_t order; /* by which they were started */
};

struct pods_members {
	struct pods_member *all; /* owned; in the order of their starts */
	size_t n;
};

/**
 * pods_members() - the containers of @pod, also those that have ended
 * @out: release with pods_members_drop()
 * Return: 0 or -errno, logged
 */
int pods_members(const char *pod, struct pods_members *out);

void pods_members_drop(struct pods_members *m);

/**
 * pods_container() - the container @name, or the only one of the pod @name
 * @rec: release with state_drop()
 * Return: 0 or -errno, logged
 */
int pods_container(const char *name, struct state_record *rec);

/**
 * pods_start() - the pod, and its containers that don't run
 * Return: 0 or -errno, logged; then what could be started runs
 */
int pods_start(const char *pod);

/**
 * pods_stop() - its containers, the youngest first, then the pod
 * @seconds: for each container, from SIGTERM to SIGKILL
 * Return: 0, -ENOENT, not logged, or -errno, logged
 */
int pods_stop(const char *pod, uint64_t seconds);

/**
 * pods_remove() - the pod and its containers, with their logs
 * @force: stop it first; one that isn't there is fine
 *
 * Nobody can start it from when its first container is removed.
 *
 * Return: 0 or -errno, logged
 */
int pods_remove(const char *pod, bool force);
