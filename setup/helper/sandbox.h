/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What netstack, portfwd and the socket maker give up before they see a byte of
 * a stranger's. Stages, in this order, each in the process it is for.
 */

#include <stdbool.h>

enum sandbox_role {
	SANDBOX_NETSTACK,
	SANDBOX_PORTFWD,
	SANDBOX_MAKER,
	SANDBOX_CONNECTOR,
	SANDBOX_RECORDER,
};

struct sandbox {
	enum sandbox_role role;
	void *filter; /* built ahead of need; NULL with -Dsandbox=off */
};

/**
 * sandbox_1_namespaces() - right after the fork
 *
 * After this: user, mount, ipc and uts namespaces of its own, with only the
 * caller's ids in it; the filter is built.
 * Must not yet: drop capabilities over them (the root isn't empty yet), or
 * become undumpable (id maps are written through /proc/self).
 *
 * Return: 0 or -errno, logged
 */
int sandbox_1_namespaces(struct sandbox *s, enum sandbox_role role);

/**
 * sandbox_2_lock() - when everything is opened that will be needed by name
 * @arg: the struct sandbox
 *
 * After this: the root is an empty read-only directory, no capability is left
 * or can be gained, not dumpable, and any system call outside the role's list
 * kills the process.
 *
 * Return: 0 or -errno, logged
 */
int sandbox_2_lock(void *arg);

#define SANDBOX_NO_CAP (-1)

/**
 * sandbox_keep_cap() - drop all capabilities but @cap
 * @cap: of linux/capability.h, or SANDBOX_NO_CAP
 * @for_good: nor can one be gained again; takes CAP_SETPCAP
 *
 * Return: 0 or -errno, logged
 */
int sandbox_keep_cap(int cap, bool for_good);

/**
 * sandbox_lock_maker() - the same for the socket maker, in the hop, when all is
 * set up
 * @raw: it keeps CAP_NET_RAW over the hop, for IP_TRANSPARENT
 * Return: 0 or -errno, logged
 */
int sandbox_lock_maker(bool raw);

/**
 * sandbox_lock_connector() - for a maker whose sockets are connected to a unix
 * socket: it makes those and connects them, and nothing else; it sees our
 * files, because it needs one, but can't open any
 * Return: 0 or -errno, logged
 */
int sandbox_lock_connector(void);
