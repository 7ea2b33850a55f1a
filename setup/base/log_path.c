// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/base/log_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"

#define OLD ".1"

/* As log.c's state: one log in a process, set once. Empty: isn't rotated. */
static char log_path[PATH_MAX];

static int open_log(const char *path, int flags)
{
	return open(path, O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0600);
}

static int copy(int from, int to, off_t len)
{
	off_t at = 0;

	while (at < len) {
		ssize_t n = sendfile(to, from, &at, (size_t)(len - at));

		if (n <= 0)
			return n ? -errno : 0;
	}
	return 0;
}

/* The log's first @len bytes into PATH.1; Return: 0 or -errno, not logged */
static int keep(off_t len)
{
	scoped_fd from = open(log_path, O_RDONLY | O_CLOEXEC), old = -1;
	char name[sizeof(log_path) + sizeof(OLD)];

	if (from < 0)
		return -errno;
	/* the name may be another file's now */
	if (!sys_same_file(from, *log_file_ref()))
		return -ESTALE;
	(void)snprintf(name, sizeof(name), "%s" OLD, log_path);
	old = open_log(name, O_WRONLY | O_TRUNC);
	return old < 0 ? -errno : copy(from, old, len);
}

void log_path_check(void)
{
	int fd = *log_file_ref(), rc;
	struct stat st;

	if (!*log_path || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size < LOG_PATH_BYTES_MAX)
		return;
	rc = keep(st.st_size);
	/* without room for the old half there is none for a new one, either */
	if ((!rc || rc == -ENOSPC || rc == -EDQUOT) && ftruncate(fd, 0))
		rc = -errno;
	if (!rc)
		return;
	(void)log_errno(-rc, "--log-file %s: rotate", log_path);
	/* what is lost is worse than what grows; said once */
	if (rc != -ENOSPC && rc != -EDQUOT)
		*log_path = '\0';
}

static int not_a_path(const char *path)
{
	log_error("--log-file %.64s: not a file's path", path);
	return -EINVAL;
}

int log_path_open(const char *path)
{
	char real[PATH_MAX];
	scoped_fd fd = -1;

	if (!*path || strlen(path) >= PATH_MAX)
		return not_a_path(path);
	fd = open_log(path, O_WRONLY | O_APPEND);
	if (fd < 0)
		return log_errno(errno, "--log-file %s", path);
	/* its name wherever the process goes; a pipe's /dev/stderr has none */
	if (!realpath(path, real))
		*real = '\0';
	if (strlen(real) + strlen(OLD) >= PATH_MAX)
		return not_a_path(path);
	memcpy(log_path, real, strlen(real) + 1);
	fd_drop(log_file_ref()); /* given twice */
	log_file(fd_take(&fd));
	log_path_check();
	return 0;
}
