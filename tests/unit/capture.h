/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Catch what code under test writes to stdout or stderr. After <cmocka.h>. */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
	int target, saved, fd;
};

/* Until capture_stop(), @target (1 or 2) is a file in memory. */
static inline struct capture capture_start(int target)
{
	struct capture c = { .target = target };

	(void)fflush(NULL);
	c.saved = dup(target);
	c.fd = memfd_create("capture", MFD_CLOEXEC);
	if (c.saved < 0 || c.fd < 0 || dup2(c.fd, target) < 0)
		abort();
	return c;
}

/* Return: @buf, with what was written, cut off at @cap */
static inline char *capture_stop(struct capture *c, char *buf, size_t cap)
{
	ssize_t n;

	(void)fflush(NULL);
	if (dup2(c->saved, c->target) < 0)
		abort();
	n = pread(c->fd, buf, cap - 1, 0);
	buf[n > 0 ? n : 0] = '\0';
	close(c->fd);
	close(c->saved);
	return buf;
}

/* One line, ours, with an end and nothing behind it? */
static inline int is_one_message(const char *text)
{
	const char *end = strchr(text, '\n');

	return strncmp(text, "podsplice: ", 11) == 0 && end && !end[1];
}
