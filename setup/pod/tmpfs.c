// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * With --read-only, what programs take to be writable is, as podman has it:
 * /tmp, /run and /var/tmp; and shared memory, which is in /dev of a rootfs
 * anyway. What the user names, as a volume or a tmpfs, is the user's.
 */
#include "setup/pod/tmpfs.h"

#include <errno.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"
#include "setup/pod/volumes.h"

static int place(const struct tmpfs *t, const char *dst, bool make)
{
	const struct sys_fs_opt opts[] = {
		{ "mode", t->mode ? t->mode : "1777" },
		{ t->size ? "size" : NULL, t->size },
		{ NULL, NULL },
	};
	scoped_fd target = mount_point(dst, true, make);
	scoped_fd mnt = -1;
	int rc;

	if (target == -ENOENT && !make)
		return 0;
	rc = target < 0 ? target : sys_mount_new(&mnt, "tmpfs", opts, t->attrs);
	if (!rc)
		rc = sys_mount_attach(mnt, target);
	return rc ? log_errno(-rc, "tmpfs %s", dst) : 0;
}

bool tmpfs_named(const struct run_config *run, const char *dst)
{
	bool named = false;

	for (size_t i = 0; i < run->n_tmpfs; i++)
		named |= strcmp(run->tmpfs[i].dst, dst) == 0;
	for (size_t i = 0; i < run->n_volumes; i++)
		named |= strcmp(run->volumes[i].dst, dst) == 0;
	return named;
}

static int place_scratch(const struct run_config *run, bool shm)
{
	static const struct {
		const char *dst, *mode;
		bool with_rootfs;
	} dirs[] = {
		{ "/tmp", "1777", true },
		{ "/run", "0755", true },
		{ "/var/tmp", "1777", true },
		{ "/dev/shm", "1777", false },
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !rc; i++) {
		const struct tmpfs t = {
			.mode = dirs[i].mode,
			.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		};

		if (tmpfs_named(run, dirs[i].dst) ||
		    ((run->rootfs || shm) && !dirs[i].with_rootfs))
			continue;
		rc = place(&t, dirs[i].dst, run->rootfs);
	}
	return rc;
}

int tmpfs_place(const struct run_config *run, bool shm)
{
	int rc = run->read_only ? place_scratch(run, shm) : 0;

	for (size_t i = 0; i < run->n_tmpfs && !rc; i++)
		rc = place(&run->tmpfs[i], run->tmpfs[i].dst, true);
	return rc;
}
