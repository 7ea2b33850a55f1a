/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The id maps of a new user namespace: user_namespaces(7). */

#include <stdbool.h>
#include <sys/types.h>

/**
 * idmap_from_outside() - map ids of our user namespace into that of @pid
 *
 * The caller becomes uid and gid 0 there. With CAP_SETUID (root, also of a
 * user namespace) all ids of this namespace keep their number; else the
 * user's subordinate ids follow from 1 on, through newuidmap and newgidmap;
 * where there are none, the caller is the only id, and a line at info level
 * says so.
 *
 * Return: 0 or -errno, logged
 */
int idmap_from_outside(pid_t pid);

/**
 * idmap_identity() - map every id of our own namespace one to one into that
 * of @pid, a child of ours. Needs CAP_SETUID and CAP_SETGID here.
 * Return: 0 or -errno, logged
 */
int idmap_identity(pid_t pid);

/**
 * idmap_last_gid() - the highest gid of the block that starts with gid 0 in
 * the caller's user namespace, for ping_group_range
 */
unsigned int idmap_last_gid(void);

/** idmap_has_gid() - is @gid mapped in the caller's user namespace? */
bool idmap_has_gid(gid_t gid);

/** idmap_may_setgroups() - is setgroups(2) allowed in our user namespace? */
bool idmap_may_setgroups(void);
