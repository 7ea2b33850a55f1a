// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The only mutable file-scope state of the program lives here: level, target
 * and role, set once per process before anything runs. A message is built in
 * one buffer and written by one write(2), so that lines of several processes
 * on one terminal never mix.
 */
#include "netstack/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/escape.h"

static enum log_level cur_level = LOG_WARN;
static int cur_fd = STDERR_FILENO;
static const char *cur_role;
static char *held; /* where log_hold() wants an error */
static size_t held_cap;

void log_init(enum log_level level, int fd)
{
	cur_level = level;
	cur_fd = fd;
}

void log_role(const char *role)
{
	cur_role = role;
}

void log_hold(char *buf, size_t cap)
{
	held = buf;
	held_cap = cap;
	if (buf)
		buf[0] = '\0';
}

bool log_wants(enum log_level level)
{
	return level <= cur_level;
}

int log_level_parse(const char *s, enum log_level *out)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(s, names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Copy @in to @out, escaping what could drive a terminal. */
static size_t escape(char *out, size_t cap, const char *in)
{
	size_t n = 0;

	for (size_t left = strlen(in); left && n + ESCAPE_MAX < cap; left--)
		n += escape_byte(out + n, in++, left);
	return n;
}

__attribute__((format(printf, 3, 0))) static void
emit(enum log_level level, int err, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[1024], line[1400];
	int n = 0;

	if (!log_wants(level))
		return;
	if (cur_role && cur_level == LOG_DEBUG)
		n = snprintf(text, sizeof(text), "[%s] ", cur_role);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	if (err && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s",
			       strerror(err));

	if (held && level == LOG_ERROR) {
		if (!held[0])
			(void)snprintf(held, held_cap, "%s", text);
		errno = saved;
		return;
	}

	size_t len = sizeof("podsplice: ") - 1;

	memcpy(line, "podsplice: ", len);
	len += escape(line + len, sizeof(line) - len - 1, text);
	line[len++] = '\n';
	/* nowhere to report a failing log to */
	if (write(cur_fd, line, len) < 0)
		errno = 0;
	errno = saved;
}

#define EMIT(level, err)                                                       \
	do {                                                                   \
		va_list ap;                                                    \
		va_start(ap, fmt);                                             \
		emit((level), (err), (fmt), ap);                               \
		va_end(ap);                                                    \
	} while (0)

void log_error(const char *fmt, ...)
{
	EMIT(LOG_ERROR, 0);
}

void log_warn(const char *fmt, ...)
{
	EMIT(LOG_WARN, 0);
}

void log_info(const char *fmt, ...)
{
	EMIT(LOG_INFO, 0);
}

void log_debug(const char *fmt, ...)
{
	EMIT(LOG_DEBUG, 0);
}

int log_errno(int err, const char *fmt, ...)
{
	EMIT(LOG_ERROR, err);
	return -err;
}
