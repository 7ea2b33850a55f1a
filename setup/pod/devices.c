// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An unprivileged user can't make device nodes, so the harmless ones are bound
 * from the host; they must be cloned before its root is left. The rest is a
 * small tmpfs with a terminal filesystem, shared memory and message queues of
 * the container's own. Sizes and modes are podman's.
 */
#include "setup/pod/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"
#include "setup/pod/volumes.h"

static const char *const nodes[DEVICES_NODES] = {
	"null", "zero", "full", "random", "urandom", "tty",
};

static int make(int *out, const char *type, const struct sys_fs_opt *opts,
		uint64_t attrs)
{
	int rc = sys_mount_new(out, type, opts, attrs);

	return rc ? log_errno(-rc, "mount %s", type) : 0;
}

static int make_pts(int *out, bool gid_tty)
{
	static const struct sys_fs_opt with_gid[] = {
		{ "newinstance", NULL }, { "ptmxmode", "0666" },
		{ "mode", "0620" },	 { "gid", "5" },
		{ NULL, NULL },
	};
	static const struct sys_fs_opt plain[] = {
		{ "newinstance", NULL },
		{ "ptmxmode", "0666" },
		{ "mode", "0620" },
		{ NULL, NULL },
	};
	uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

	/* EINVAL when the group isn't mapped after all */
	if (gid_tty && sys_mount_new(out, "devpts", with_gid, attrs) == 0)
		return 0;
	return make(out, "devpts", plain, attrs);
}

static int clone_nodes(struct devices *d)
{
	for (size_t i = 0; i < DEVICES_NODES; i++) {
		char path[32];
		int rc;

		(void)snprintf(path, sizeof(path), "/dev/%s", nodes[i]);
		rc = sys_mount_clone(&d->nodes[i], AT_FDCWD, path);
		if (rc == -ENOENT)
			log_warn("%s: not there, so not in the container",
				 path);
		else if (rc)
			return log_errno(-rc, "bind %s", path);
	}
	return 0;
}

int devices_shm(int *out)
{
	static const struct sys_fs_opt opts[] = {
		{ "mode", "1777" },
		{ "size", "65536k" },
		{ NULL, NULL },
	};

	return make(out, "tmpfs", opts, SYS_MOUNT_INERT);
}

int devices_collect(struct devices *out, bool gid_tty)
{
	static const struct sys_fs_opt dev_opts[] = {
		{ "mode", "0755" },
		{ "size", "65536k" },
		{ NULL, NULL },
	};
	int rc = make(&out->dev, "tmpfs", dev_opts, MOUNT_ATTR_NOSUID);

	if (!rc)
		rc = make_pts(&out->pts, gid_tty);
	if (!rc && out->shm < 0)
		rc = devices_shm(&out->shm);
	if (!rc)
		rc = make(&out->mqueue, "mqueue", NULL, SYS_MOUNT_INERT);
	if (!rc)
		rc = clone_nodes(out);
	return rc;
}

static int place_node(int dev, const char *name, int node)
{
	scoped_fd file = -1;
	int rc;

	if (node < 0)
		return 0;
	file = openat(dev, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0)
		return log_errno(errno, "create /dev/%s", name);
	rc = sys_mount_attach(node, file);
	return rc ? log_errno(-rc, "bind /dev/%s", name) : 0;
}

static int place_dir(int dev, const char *name, int mnt)
{
	scoped_fd dir = -1;
	int rc;

	if (mkdirat(dev, name, 0755))
		return log_errno(errno, "mkdir /dev/%s", name);
	dir = openat(dev, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return log_errno(errno, "open /dev/%s", name);
	rc = sys_mount_attach(mnt, dir);
	return rc ? log_errno(-rc, "mount /dev/%s", name) : 0;
}

static int place_links(int dev)
{
	static const struct {
		const char *name, *to;
	} links[] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
		{ "ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].to, dev, links[i].name))
			return log_errno(errno, "symlink /dev/%s",
					 links[i].name);
	return 0;
}

int devices_place(struct devices *d)
{
	scoped_fd target = mount_point("/dev", true, true);
	int rc;

	if (target < 0)
		return log_errno(-target, "/dev in the rootfs");
	rc = sys_mount_attach(d->dev, target);
	if (rc)
		return log_errno(-rc, "mount /dev");
	for (size_t i = 0; i < DEVICES_NODES && !rc; i++)
		rc = place_node(d->dev, nodes[i], d->nodes[i]);
	if (!rc)
		rc = place_dir(d->dev, "pts", d->pts);
	if (!rc)
		rc = place_dir(d->dev, "shm", d->shm);
	if (!rc)
		rc = place_dir(d->dev, "mqueue", d->mqueue);
	if (!rc)
		rc = place_links(d->dev);
	return rc;
}

void devices_drop(struct devices *d)
{
	fd_drop(&d->dev);
	fd_drop(&d->pts);
	fd_drop(&d->shm);
	fd_drop(&d->mqueue);
	for (size_t i = 0; i < DEVICES_NODES; i++)
		fd_drop(&d->nodes[i]);
}
