// SPDX-License-Identifier: GPL-2.0-or-later
/* See fd.h. Kernel files (/proc) want their text in a single write(2). */
#include "netstack/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "netstack/base/log.h"

int fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return log_errno(errno, "fcntl O_NONBLOCK");
	return 0;
}

ssize_t fd_read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			buf[len] = '\0';
			return (ssize_t)len;
		}
		len += (size_t)n;
	}
	return -E2BIG;
}

ssize_t fd_read_text(const char *path, char *buf, size_t cap)
{
	scoped_fd fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_read_all(fd, buf, cap);
}

static int write_once(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int fd_write_text(const char *path, const char *text)
{
	scoped_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_once(fd, text);
}

int fd_tell_ready(int *fd)
{
	int rc = write_once(*fd, "1");

	fd_drop(fd);
	return rc;
}
