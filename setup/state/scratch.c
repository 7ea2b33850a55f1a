// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What containers have written belongs to ids of the pod, over which its user
 * has no power but in a user namespace with the same ids: so a child of ours in
 * such a one removes it. It goes down and up the tree with its current
 * directory, so the depth of what a container has left doesn't matter. The
 * tree is its root, so it can't be led out of it, whoever moves directories
 * meanwhile.
 */
#include "setup/state/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/idmap.h"
#include "setup/base/sys.h"

#define VOLUMES "volumes" /* in the directory of the pod's record */

int scratch_path(const char *pod, const char *name, char out[PATH_MAX])
{
	int rc = state_path(pod, out);
	size_t len = rc ? 0 : strlen(out);
	int n;

	if (rc)
		return rc;
	n = snprintf(out + len, PATH_MAX - len, "/" VOLUMES "/%s", name);
	return n < (int)(PATH_MAX - len) ? 0
					 : log_errno(ENAMETOOLONG, "%s", pod);
}

int scratch_make(int dir, const char *name)
{
	scoped_fd all = -1;

	if (mkdirat(dir, VOLUMES, 0700) && errno != EEXIST)
		return log_errno(errno, "directory of volumes");
	all = openat(dir, VOLUMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* whatever our umask is */
	if (all < 0 || mkdirat(all, name, 0777) || fchmodat(all, name, 0777, 0))
		return log_errno(errno, "volume %s", name);
	return 0;
}

/* ---- removing ---- */

/*
 * Remove what can be removed at once from the current directory.
 * Return: 0, it is empty; 1, with the name of a directory that isn't; or -errno
 */
static int sweep(char name[NAME_MAX + 1])
{
	DIR *d = opendir(".");
	const struct dirent *e;
	int rc = 0;

	if (!d)
		return -errno;
	while (!rc && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!unlink(e->d_name) || !rmdir(e->d_name))
			continue;
		rc = errno == ENOTEMPTY ? 1 : -errno;
		(void)snprintf(name, NAME_MAX + 1, "%s", e->d_name);
	}
	(void)closedir(d);
	return rc;
}

/* Empty the current directory. Return: 0 or -errno */
static int empty(void)
{
	size_t depth = 0;

	for (;;) {
		char name[NAME_MAX + 1];
		int rc = sweep(name);

		if (rc < 0)
			return rc;
		if (!rc && !depth)
			return 0;
		if (chdir(rc ? name : ".."))
			return -errno;
		depth = rc ? depth + 1 : depth - 1;
	}
}

/* In a user namespace, which has its ids when @mapped says so. */
static int child_main(int dir, int mapped)
{
	char go;
	int rc;

	if (read(mapped, &go, 1) != 1)
		return 1; /* why was said */
	rc = fchdir(dir) || chroot(".") ? -errno : empty();
	if (rc)
		(void)log_errno(-rc, "volumes of a pod: can't be removed");
	return rc != 0;
}

/* Return: 0 or -errno, logged */
static int empty_as_pod(int dir)
{
	int mapped[2], status = 0, rc;
	pid_t pid;

	if (pipe2(mapped, O_CLOEXEC))
		return log_errno(errno, "pipe");
	pid = sys_clone(CLONE_NEWUSER);
	if (pid == 0) {
		fd_drop(&mapped[1]);
		_exit(child_main(dir, mapped[0]));
	}
	fd_drop(&mapped[0]);
	rc = pid < 0 ? log_errno(-pid, "user namespace: can't be made")
		     : idmap_from_outside(pid);
	if (!rc && write(mapped[1], "1", 1) != 1)
		rc = log_errno(errno, "volumes of a pod");
	fd_drop(&mapped[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return rc ? rc : status ? -EIO : 0;
}

int scratch_remove(int dir)
{
	scoped_fd all =
		openat(dir, VOLUMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (all < 0)
		return errno == ENOENT ? 0
				       : log_errno(errno, "volumes of a pod");
	rc = empty_as_pod(all);
	if (!rc && unlinkat(dir, VOLUMES, AT_REMOVEDIR))
		rc = log_errno(errno, "volumes of a pod");
	return rc;
}
