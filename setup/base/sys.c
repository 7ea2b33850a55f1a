// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See sys.h. A raw clone() is used because glibc's fork() can't take
 * namespace flags or CLONE_PARENT; with one thread there is no lock or cached
 * id of another thread that would be left behind in the child.
 */
#include "setup/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"

/* Linux 6.3 and 6.6; not in older headers */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE		 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT 2
#endif

pid_t sys_clone(int flags)
{
	long pid;

#if defined(__s390x__) || defined(__CRIS__)
	/* these take the stack first: clone(2), "C library/kernel differences"
	 */
	pid = syscall(SYS_clone, 0UL, (unsigned long)flags | SIGCHLD, 0UL, 0UL,
		      0UL);
#else
	pid = syscall(SYS_clone, (unsigned long)flags | SIGCHLD, 0UL, 0UL, 0UL,
		      0UL);
#endif
	return pid < 0 ? -errno : (pid_t)pid;
}

int sys_unshare(int flags)
{
	return unshare(flags) ? -errno : 0;
}

int sys_setns(int fd, int nstype)
{
	return setns(fd, nstype) ? -errno : 0;
}

int sys_open_ns(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	if (pid)
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid,
			       name);
	else
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? log_errno(errno, "open %s", path) : fd;
}

bool sys_same_file(int a, int b)
{
	struct stat st, other;

	return !fstat(a, &st) && !fstat(b, &other) &&
	       st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}

int sys_enter_user(int fd)
{
	scoped_fd own = sys_open_ns(0, "user");

	if (own < 0)
		return own;
	/* the kernel refuses to enter it again: user_namespaces(7) */
	if (sys_same_file(fd, own))
		return 0;
	if (setns(fd, CLONE_NEWUSER))
		return -errno;
	/* an id that isn't mapped can own no file; without an id 0 we stay
	 * who we are, who is mapped then */
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		log_debug("no user 0 in the user namespace");
	return 0;
}

void sys_null_stdio(void)
{
	scoped_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* a helper process that keeps them only delays somebody's EOF */
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
}

void sys_settle(void)
{
	/*
	 * The first can't fail, before Linux 6.6 the second does. What is
	 * inherited stays over execution, too: then a command that is forked
	 * from here could compile nothing as it runs.
	 */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT,
		    0, 0, 0);
}

void sys_follow_parent(void)
{
	/* can't fail with constant arguments */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sys_settle();
}

void sys_sever(void)
{
	sys_follow_parent();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sys_keep_fds(int *const fds[], size_t n)
{
	int next = 3;

	/* first out of the way, so that no target number is still in use */
	for (size_t i = 0; i < n; i++) {
		int up;

		if (*fds[i] < 0)
			continue;
		up = fcntl(*fds[i], F_DUPFD_CLOEXEC, 3 + (int)n);
		if (up < 0) {
			(void)log_errno(errno, "keep descriptor %d", *fds[i]);
			_exit(EXIT_OURS);
		}
		fd_drop(fds[i]);
		*fds[i] = up;
	}
	for (size_t i = 0; i < n; i++) {
		if (*fds[i] < 0)
			continue;
		if (dup3(*fds[i], next, O_CLOEXEC) < 0) {
			(void)log_errno(errno, "keep descriptor %d", *fds[i]);
			_exit(EXIT_OURS);
		}
		fd_drop(fds[i]);
		*fds[i] = next++;
	}
	(void)close_range((unsigned int)next, ~0U, 0); /* Linux 5.9 and later */
}
