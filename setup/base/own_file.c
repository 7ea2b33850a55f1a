// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directory is held open, so that the file is found again at the end,
 * wherever the directory may have been moved. The file's inode is held open to
 * know it again: the number of one that was removed goes to the next file at
 * once.
 */
#include "setup/base/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"

int own_file_dir(struct own_file *out, const char *opt, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;
	char dir[PATH_MAX];

	*out = (struct own_file)OWN_FILE_NULL;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		log_error("%s %s: not the name of a file", opt, path);
		return -EINVAL;
	}
	if (len >= sizeof(dir) || strlen(name) >= sizeof(out->name))
		return log_errno(ENAMETOOLONG, "%s %.64s...", opt, path);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	out->dir = open(!slash ? "."
			: len  ? dir
			       : "/",
			O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->dir < 0)
		return log_errno(errno, "%s %s: its directory", opt, path);
	return 0;
}

/* Under a name that nobody knows, then under its own. */
static int write_and_rename(const struct own_file *f, int fd, const char *tmp,
			    const char *text)
{
	size_t len = strlen(text);

	if (write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) ||
	    renameat(AT_FDCWD, tmp, f->dir, f->name))
		return -errno;
	return 0;
}

int own_file_write(struct own_file *f, const char *text)
{
	char tmp[64];
	scoped_fd fd = -1;
	int rc;

	(void)snprintf(tmp, sizeof(tmp), "/proc/self/fd/%d/.podsplice-XXXXXX",
		       f->dir);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write_and_rename(f, fd, tmp, text);
	if (rc) {
		(void)unlink(tmp); /* else it stays, without a meaning */
		return rc;
	}
	f->inode = fd_take(&fd);
	return 0;
}

void own_file_drop(struct own_file *f)
{
	scoped_fd now = -1;

	if (f->dir < 0)
		return;
	now = openat(f->dir, f->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	/* somebody may have put another one in its place */
	if (now >= 0 && f->inode >= 0 && sys_same_file(now, f->inode))
		(void)unlinkat(f->dir, f->name, 0); /* else it stays, dead */
	fd_drop(&f->inode);
	fd_drop(&f->dir);
}
