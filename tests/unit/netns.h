/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A user and network namespace for the whole test program, root or not: no
 * other process's ports or addresses are in the way, and all of the network is
 * ours. After <cmocka.h>.
 */

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"

/* Why there is no namespace; empty when there is one. */
struct netns {
	char why_not[128];
};

static inline bool netns_lo_up(void)
{
	scoped_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
}

static inline bool netns_fail(struct netns *ns, const char *what)
{
	(void)snprintf(ns->why_not, sizeof(ns->why_not), "%s: %s", what,
		       strerror(errno));
	return false;
}

/** netns_enter() - in main(), before any thread; Return: true: we're in it */
static inline bool netns_enter(struct netns *ns)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[64];

	ns->why_not[0] = '\0';
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return netns_fail(ns, "user and network namespace");
	/* no setgroups file before Linux 3.19, and root may do without */
	(void)fd_write_text("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (fd_write_text("/proc/self/uid_map", map))
		return netns_fail(ns, "uid_map");
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	if (fd_write_text("/proc/self/gid_map", map))
		return netns_fail(ns, "gid_map");
	return netns_lo_up() || netns_fail(ns, "lo");
}

/* In a test that needs the namespace. */
#define NETNS_OR_SKIP(ns)                                                      \
	do {                                                                   \
		if ((ns)->why_not[0]) {                                        \
			print_message("# %s\n", (ns)->why_not);                \
			skip();                                                \
		}                                                              \
	} while (0)
