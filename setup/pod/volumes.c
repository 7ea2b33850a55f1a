// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sources are cloned while the caller's view of the files is still whole, so
 * a source may be below what gets covered later: naming it is asking for it.
 * Destinations are looked up when the container's root is already "/", so no
 * symbolic link in it can lead out.
 */
#include "setup/pod/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"

int make_parents(const char *path)
{
	char dir[PATH_MAX];

	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t len = (size_t)(p - path);

		if (len == 0)
			continue;
		memcpy(dir, path, len);
		dir[len] = '\0';
		if (mkdir(dir, 0755) && errno != EEXIST) {
			int err = errno;

			/* EROFS and EACCES come before EEXIST at times */
			if (access(dir, F_OK))
				return -err;
		}
	}
	return 0;
}

static int make_point(const char *path, bool dir)
{
	int rc = make_parents(path);
	int fd;

	if (rc)
		return rc;
	if (dir)
		return mkdir(path, 0755) ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	fd_drop(&fd);
	return 0;
}

int mount_point(const char *path, bool dir, bool make)
{
	int flags = O_PATH | O_CLOEXEC | (dir ? O_DIRECTORY : 0);
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT && make) {
		int rc = make_point(path, dir);

		if (rc)
			return rc;
		fd = open(path, flags);
	}
	return fd < 0 ? -errno : fd;
}

int *volumes_drop(int *fds, size_t n)
{
	for (size_t i = 0; fds && i < n; i++)
		fd_drop(&fds[i]);
	free(fds);
	return NULL;
}

static int open_one(int *out, const struct volume *v)
{
	int rc = sys_mount_clone(out, AT_FDCWD, v->src);

	if (rc)
		return log_errno(-rc, "volume %s", v->src);
	if (!v->read_only)
		return 0;
	rc = sys_mount_read_only(*out);
	return rc ? log_errno(-rc, "volume %s read-only", v->src) : 0;
}

int volumes_open(int **out, const struct volume *vol, size_t n)
{
	int *fds = calloc(n + 1, sizeof(*fds));
	int rc = 0;

	if (!fds)
		return log_errno(ENOMEM, "volumes");
	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	for (size_t i = 0; i < n && !rc; i++)
		rc = open_one(&fds[i], &vol[i]);
	if (rc)
		fds = volumes_drop(fds, n);
	*out = fds;
	return rc;
}

int volumes_place(int *fds, const struct volume *vol, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scoped_fd target = -1;
		struct stat st;
		int rc;

		if (fstat(fds[i], &st))
			return log_errno(errno, "volume %s", vol[i].src);
		target = mount_point(vol[i].dst, S_ISDIR(st.st_mode), true);
		if (target < 0)
			return log_errno(-target, "volume %s at %s", vol[i].src,
					 vol[i].dst);
		rc = sys_mount_attach(fds[i], target);
		if (rc)
			return log_errno(-rc, "volume %s at %s", vol[i].src,
					 vol[i].dst);
	}
	return 0;
}
