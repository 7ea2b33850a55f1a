// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/base/log_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

/* As log.c's state: one log in a process, set once. */
static const char *log_path;

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

void log_path_check(void)
{
	int fd = *log_file_ref(), rc;
	scoped_fd from = -1, old = -1;
	char name[PATH_MAX];
	struct stat st;

	if (!log_path || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size < LOG_PATH_BYTES_MAX)
		return;
	(void)snprintf(name, sizeof(name), "%s.1", log_path);
	from = open(log_path, O_RDONLY | O_CLOEXEC);
	old = open_log(name, O_WRONLY | O_TRUNC);
	rc = from < 0 || old < 0 ? -errno : copy(from, old, st.st_size);
	/* without room for the old half there is none for a new one, either */
	if (ftruncate(fd, 0))
		rc = -errno;
	if (rc)
		(void)log_errno(-rc, "--log-file %s: rotate", log_path);
}

int log_path_open(const char *path)
{
	int fd;

	if (!*path || snprintf(NULL, 0, "%s.1", path) >= PATH_MAX) {
		log_error("--log-file %.64s: not a file's path", path);
		return -EINVAL;
	}
	fd = open_log(path, O_WRONLY | O_APPEND);
	if (fd < 0)
		return log_errno(errno, "--log-file %s", path);
	fd_drop(log_file_ref()); /* given twice */
	log_file(fd);
	log_path = path;
	log_path_check();
	return 0;
}
