// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A writable overlay: the directory is the lower layer; upper and work
 * directory are in a tmpfs, which is mounted on the directory itself, since
 * overlayfs takes layers of attached mounts only, and goes out of sight with
 * the old root. Layers are named by descriptor, so that no character of a path
 * means anything to overlayfs, and the directory is found below the tmpfs. What
 * is mounted below the directory is no part of a layer.
 */
#include "setup/pod/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"

bool rootfs_read_only(const struct run_config *run)
{
	return run->read_only ||
	       (run->rootfs && run->root_mode == ROOT_READ_ONLY);
}

/* Return: 0 or -errno, not logged */
static int collect_plain(int *out, int dir, const struct run_config *run)
{
	int rc = sys_mount_clone(out, AT_FDCWD, run->rootfs);

	if (!rc && rootfs_read_only(run)) {
		rc = sys_mount_read_only(*out);
		/* EPERM: it was read-only before, and that is locked */
		if (!rc)
			(void)sys_mount_writable(*out);
	}
	return rc ? rc : sys_mount_attach(*out, dir);
}

static int make_overlay(int *out, int lower, int layers)
{
	char dirs[3][64];
	const struct sys_fs_opt opts[] = {
		{ "lowerdir", dirs[0] },
		{ "upperdir", dirs[1] },
		{ "workdir", dirs[2] },
		/* trusted.* attributes are for the host's root only */
		{ "userxattr", NULL },
		{ NULL, NULL },
	};

	(void)snprintf(dirs[0], sizeof(dirs[0]), "/proc/self/fd/%d", lower);
	(void)snprintf(dirs[1], sizeof(dirs[1]), "/proc/self/fd/%d/upper",
		       layers);
	(void)snprintf(dirs[2], sizeof(dirs[2]), "/proc/self/fd/%d/work",
		       layers);
	return sys_mount_new(out, "overlay", opts, MOUNT_ATTR_NOSUID);
}

/* The upper directory is the root directory: its mode is the lower one's. */
static int make_layers(int layers, int lower)
{
	struct stat st;

	if (fstat(lower, &st) || mkdirat(layers, "upper", 0755) ||
	    mkdirat(layers, "work", 0755) ||
	    fchmodat(layers, "upper", st.st_mode & 07777, 0))
		return -errno;
	/* an owner that isn't mapped stays behind: then it is ours */
	(void)!fchownat(layers, "upper", st.st_uid, st.st_gid, 0);
	return 0;
}

static int collect_overlay(int *out, int lower)
{
	static const struct sys_fs_opt opts[] = {
		{ "mode", "0755" },
		{ NULL, NULL },
	};
	scoped_fd layers = -1;
	int rc = sys_mount_new(&layers, "tmpfs", opts,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

	if (!rc)
		rc = sys_mount_attach(layers, lower);
	if (!rc)
		rc = make_layers(layers, lower);
	if (!rc)
		rc = make_overlay(out, lower, layers);
	return rc ? rc : sys_mount_attach(*out, layers);
}

int rootfs_collect(int *out, const struct run_config *run)
{
	scoped_fd dir = open(run->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (dir < 0)
		return log_errno(errno, "rootfs %s", run->rootfs);
	if (run->root_mode != ROOT_OVERLAY) {
		rc = collect_plain(out, dir, run);
		return rc ? log_errno(-rc, "rootfs %s", run->rootfs) : 0;
	}
	rc = collect_overlay(out, dir);
	if (rc)
		log_error("rootfs %s: no writable overlay can be made of it: "
			  "%s (it needs Linux 5.11 and a file system that "
			  "overlayfs takes; without :O the directory itself "
			  "is written to)",
			  run->rootfs, strerror(-rc));
	return rc;
}

int rootfs_finish(int root, const struct run_config *run)
{
	int rc = rootfs_read_only(run) ? sys_mount_read_only_one(root) : 0;

	return rc ? log_errno(-rc, "rootfs %s read-only", run->rootfs) : 0;
}
