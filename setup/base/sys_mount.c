// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See sys_mount.h. The descriptor-based mount calls are used for three things
 * that mount(2) can't do: mounts can be collected from the old root and placed
 * in the new one, a target is a descriptor and so can't be changed by a
 * symbolic link in between, and mount_setattr() changes one flag while the
 * flags that the kernel locked for an unprivileged user stay as they are.
 */
#include "setup/base/sys_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netstack/base/fd.h"

int sys_mount_new(int *out, const char *type, const struct sys_fs_opt *opts,
		  uint64_t attrs)
{
	scoped_fd fs = fsopen(type, FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return -errno;
	/* what mount(8) and df(1) print in the first column */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0))
		return -errno;
	for (; opts && opts->key; opts++) {
		unsigned int cmd =
			opts->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (fsconfig(fs, cmd, opts->key, opts->value, 0))
			return -errno;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attrs);
	if (mnt < 0)
		return -errno;
	*out = mnt;
	return 0;
}

int sys_mount_clone(int *out, int dirfd, const char *path)
{
	/* recursive always: the kernel refuses to part a mount from those on
	 * top of it when they came from a more privileged namespace */
	int mnt = open_tree(dirfd, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (mnt < 0)
		return -errno;
	*out = mnt;
	return 0;
}

int sys_mount_attach(int mnt, int target)
{
	if (move_mount(mnt, "", target, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		return -errno;
	return 0;
}

static int set_attr(int mnt, unsigned int flags, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (mount_setattr(mnt, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)))
		return -errno;
	return 0;
}

int sys_mount_read_only(int mnt)
{
	return set_attr(mnt, AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0);
}

int sys_mount_read_only_one(int mnt)
{
	return set_attr(mnt, 0, MOUNT_ATTR_RDONLY, 0);
}

int sys_mount_writable(int mnt)
{
	return set_attr(mnt, 0, 0, MOUNT_ATTR_RDONLY);
}

int sys_mount_all_slave(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -errno;
	return 0;
}

int sys_mount_all_set(uint64_t attrs)
{
	struct mount_attr attr = { .attr_set = attrs };

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)))
		return -errno;
	return 0;
}

int sys_root_pivot(int root)
{
	if (fchdir(root))
		return -errno;
	/* pivot_root(2): with both names ".", the old root is on top of the
	 * new one, no directory is needed for it, and "." names it once more */
	if (syscall(SYS_pivot_root, ".", "."))
		return -errno;
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

int sys_session_keyring(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return -errno;
	return 0;
}
