/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the container's command and its pid 1 may do. */

#include <stdbool.h>
#include <stdint.h>

/* A set of capabilities: bit N is capability number N. */
#define CAPS_ALL (1ULL << 63) /* "ALL", no capability's number */

/* --cap-add and --cap-drop, as they were given. */
struct caps {
	uint64_t add, drop;
};

/**
 * caps_parse() - a capability's name, in either case, with or without "CAP_",
 * or ALL
 * Return: 0 or -EINVAL, not logged
 */
int caps_parse(const char *name, uint64_t *out);

/**
 * caps_choose() - podman's default set, or none or all of them, without what is
 * dropped, with what is added
 */
uint64_t caps_choose(const struct caps *caps);

/**
 * caps_bound() - the bounding set becomes @set; needs CAP_SETPCAP
 * Return: 0 or -errno, logged
 */
int caps_bound(uint64_t set);

/**
 * caps_command() - the last step before execution, when the ids are set
 * @root: the command is user 0: @set is permitted and effective. Another user
 *	  gets of it what was added by name, which is ambient, too.
 *
 * Nothing else is inheritable or ambient; no_new_privs.
 *
 * Return: 0 or -errno, logged
 */
int caps_command(const struct caps *caps, uint64_t set, bool root);

/**
 * caps_init() - what pid 1 uses once the command runs: signals to any of the
 * container's users, and mending the mount of resolv.conf. The others stay
 * permitted, for the children of caps_raise().
 * Return: 0 or -errno, logged
 */
int caps_init(void);

/** caps_raise() - use all that is permitted; Return: 0 or -errno, logged */
int caps_raise(void);
