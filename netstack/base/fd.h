/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Ownership of file descriptors. Absent is -1; 0 is valid. */

#include <stdlib.h>
#include <unistd.h>

static inline void fd_drop(int *fd)
{
	if (*fd >= 0)
		close(*fd); /* not retried: gone even on EINTR */
	*fd = -1;
}

/* Move ownership out of its guard. */
static inline int fd_take(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

static inline void free_drop(void *p)
{
	void **pp = p;

	free(*pp);
}

/* A local that is closed (freed) when it leaves scope. */
#define scoped_fd   __attribute__((cleanup(fd_drop))) int
#define scoped_free __attribute__((cleanup(free_drop)))

/** fd_nonblock() - set O_NONBLOCK; Return: 0 or -errno, logged */
int fd_nonblock(int fd);

/**
 * fd_read_all() - read to the end
 * @buf: NUL-terminated on success
 * Return: bytes read, or -errno (-E2BIG when it doesn't fit), not logged
 */
ssize_t fd_read_all(int fd, char *buf, size_t cap);

/**
 * fd_read_text() - read a small text file whole
 * @buf: NUL-terminated on success
 * Return: bytes read, or -errno (-E2BIG when it doesn't fit), not logged
 */
ssize_t fd_read_text(const char *path, char *buf, size_t cap);

/**
 * fd_write_text() - open an existing file, write @text in one write(2)
 * Return: 0 or -errno, not logged
 */
int fd_write_text(const char *path, const char *text);

/**
 * fd_tell_ready() - write "1" to @fd, for who waits at its other end, and close
 * it in any case
 * Return: 0 or -errno, not logged
 */
int fd_tell_ready(int *fd);
