// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sun_path has 108 bytes, a path 4096. So the socket is named relative to its
 * directory, which is held open: /proc/self/fd/N/NAME. A client can't split
 * the path like this (its NAME may be long, too), but it can open the socket's
 * inode with O_PATH, and connect to that.
 *
 * Whether anybody listens is asked by connect(): ECONNREFUSED means that the
 * owner died. Two who find the same leftover must not remove each other's new
 * socket, so that step is done under a lock on the directory. It isn't waited
 * for: in a directory like /tmp any user could hold it.
 */
#include "setup/helper/control_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define BACKLOG 128

/* Return: 0 or -errno, not logged */
static int address(int dir, const char *name, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path, sizeof(out->sun_path),
		     "/proc/self/fd/%d%s%s", dir, name ? "/" : "",
		     name ? name : "");
	return n < (int)sizeof(out->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Return: 0 or -errno, not logged */
static int connect_at(int dir, const char *name, int flags, int *out)
{
	scoped_fd inode = openat(dir, name, O_PATH | O_CLOEXEC);
	scoped_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	struct sockaddr_un sun;

	if (inode < 0 || fd < 0 || address(inode, NULL, &sun))
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return -errno;
	*out = fd_take(&fd);
	return 0;
}

int control_path_connect(int dir, const char *path)
{
	int fd = -1;
	int rc = connect_at(dir, path, 0, &fd);

	return rc ? rc : fd;
}

/* Return: 0 or -errno, not logged */
static int bind_at(int fd, const struct own_file *p)
{
	struct sockaddr_un sun;
	int rc = address(p->dir, p->name, &sun);
	mode_t mask;

	if (rc)
		return rc;
	/* 0600 from the first moment; this process has one thread */
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	(void)umask(mask);
	if (rc)
		return rc;
	return listen(fd, BACKLOG) ? -errno : 0;
}

/* Under the lock: does the name belong to somebody? */
static int remove_stale(const struct own_file *p, const char *what)
{
	scoped_fd fd = -1;
	struct stat st;
	int rc;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : log_errno(errno, "%s", what);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid()) {
		log_error("%s: there is something else of that name "
			  "(remove it, or take another name)",
			  what);
		return -EEXIST;
	}
	rc = connect_at(p->dir, p->name, SOCK_NONBLOCK, &fd);
	if (rc == -ENOENT)
		return 0;
	if (rc != -ECONNREFUSED) {
		log_error("%s: already in use (take another name)", what);
		return -EADDRINUSE;
	}
	if (unlinkat(p->dir, p->name, 0) && errno != ENOENT)
		return log_errno(errno, "%s: left over, can't be removed",
				 what);
	return 0;
}

static int bind_again(int fd, const struct own_file *p, const char *what)
{
	scoped_fd lock = openat(p->dir, ".", O_RDONLY | O_CLOEXEC);
	int rc;

	if (lock < 0)
		return log_errno(errno, "%s: its directory", what);
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		log_error("%s: its directory is locked by another "
			  "process (try again)",
			  what);
		return -EWOULDBLOCK;
	}
	rc = remove_stale(p, what);
	if (!rc) {
		rc = bind_at(fd, p);
		if (rc)
			(void)log_errno(-rc, "%s", what);
	}
	return rc; /* and unlocked */
}

/* @replace: whatever has that name; else only a leftover */
static int take_name(int fd, const struct own_file *p, const char *what,
		     bool replace)
{
	int rc;

	if (replace)
		(void)unlinkat(p->dir, p->name, 0); /* else bind() fails */
	rc = bind_at(fd, p);
	if (rc == -EADDRINUSE && !replace)
		return bind_again(fd, p, what);
	return rc ? log_errno(-rc, "%s", what) : 0;
}

/* @out->dir is open and @out->name set; @what: it, for messages */
static int listen_in(struct own_file *out, const char *what, int type,
		     bool replace)
{
	scoped_fd fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? log_errno(errno, "%s", what)
			: take_name(fd, out, what, replace);

	if (!rc) {
		out->inode = openat(out->dir, out->name,
				    O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (out->inode < 0)
			rc = log_errno(errno, "%s", what);
	}
	if (rc) {
		fd_drop(&out->dir);
		return rc;
	}
	return fd_take(&fd);
}

int control_path_listen(const char *path, struct own_file *out)
{
	char what[PATH_MAX + sizeof("--control ")];
	int rc = own_file_dir(out, "--control", path);

	if (rc)
		return rc;
	(void)snprintf(what, sizeof(what), "--control %s", path);
	return listen_in(out, what, SOCK_STREAM, false);
}

int control_path_replace(const char *path, struct own_file *out)
{
	char what[sizeof(((struct sockaddr_un *)0)->sun_path) +
		  sizeof("--api-socket ")];
	int rc;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		log_error("the specified API socket path is too long (>= 108)");
		return -ENAMETOOLONG;
	}
	rc = own_file_dir(out, "--api-socket", path);
	if (rc)
		return rc;
	(void)snprintf(what, sizeof(what), "--api-socket %s", path);
	return listen_in(out, what, SOCK_STREAM, true);
}

int control_path_packets(const char *path, struct own_file *out)
{
	int rc = own_file_dir(out, "TmpDir", path);

	return rc ? rc : listen_in(out, path, SOCK_SEQPACKET, true);
}

int control_path_listen_at(int dir, const char *name, struct own_file *out)
{
	*out = (struct own_file)OWN_FILE_NULL;
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	out->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (out->dir < 0)
		return log_errno(errno, "%s socket", name);
	return listen_in(out, "control socket", SOCK_STREAM, false);
}
