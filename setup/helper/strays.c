// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pid namespace that only one container has ends with its first process, and
 * the kernel ends all others. In one that is shared nobody does; but the mount
 * namespace is the container's alone (or that of cgroups, see joiner.c), and
 * the pod's owner may look at that of each of its processes.
 */
#include "setup/helper/strays.h"

#include <dirent.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "netstack/base/fd.h"

#define PASSES_MAX 1000 /* against one that forks faster than we look */

/* The namespace. */
struct own {
	const char *name; /* in /proc/PID/ns */
	struct stat st;
};

static bool is_in(pid_t pid, const struct own *own)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid,
		       own->name);
	return stat(path, &st) == 0 && st.st_ino == own->st.st_ino &&
	       st.st_dev == own->st.st_dev;
}

/* Return: was it one that is to end? */
static bool end(pid_t pid, const struct own *own)
{
	scoped_fd fd = pid > 0 && is_in(pid, own) ? pidfd_open(pid, 0) : -1;

	/* what has the number while we hold the descriptor keeps it */
	if (fd < 0 || !is_in(pid, own))
		return false;
	(void)pidfd_send_signal(fd, SIGKILL, NULL, 0); /* ESRCH: has ended */
	return true;
}

void strays_kill(int ns)
{
	bool cgroup = ioctl(ns, NS_GET_NSTYPE) == CLONE_NEWCGROUP;
	struct own own = { .name = cgroup ? "cgroup" : "mnt" };
	bool any = fstat(ns, &own.st) == 0;

	for (int i = 0; i < PASSES_MAX && any; i++) {
		DIR *proc = opendir("/proc");
		const struct dirent *e;

		any = false;
		while (proc && (e = readdir(proc)))
			any |= end((pid_t)strtol(e->d_name, NULL, 10), &own);
		if (proc)
			(void)closedir(proc);
	}
}
