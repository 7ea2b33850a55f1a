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
#include <time.h>
#include <unistd.h>

#include "netstack/base/escape.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static enum log_level cur_level = LOG_WARN;
static int cur_fd = STDERR_FILENO;
static int file_fd = -1; /* log_file() */
static const char *cur_role;
static pid_t cur_pid; /* of whom it is, for the file */
static char *held;    /* where log_hold() wants an error */
static size_t held_cap;

void log_init(enum log_level level, int fd)
{
	cur_level = level;
	cur_fd = fd;
}

void log_file(int fd)
{
	struct tm tm;
	time_t epoch = 0;

	file_fd = fd;
	cur_pid = getpid();
	/* it looks for /etc/localtime the first time: not in a sandbox */
	(void)gmtime_r(&epoch, &tm);
}

int *log_file_ref(void)
{
	return &file_fd;
}

void log_role(const char *role)
{
	cur_role = role;
	cur_pid = getpid();
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
	for (unsigned int i = 0;
	     i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(s, level_names[i]) == 0) {
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

/* Time, process, level: what a terminal shows by itself. */
static size_t file_prefix(char *line, size_t cap, enum log_level level)
{
	struct timespec now = { 0 };
	struct tm tm = { 0 };
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* can't fail on Linux */
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, cap, "%Y-%m-%dT%H:%M:%S", &tm);
	return n +
	       (size_t)snprintf(line + n, cap - n,
				".%03ldZ %s[%d] %s: ", now.tv_nsec / 1000000,
				cur_role ? cur_role : "podsplice", (int)cur_pid,
				level_names[level]);
}

/* @line has room for @text, of 1024 bytes, unless most of it is escaped. */
static void write_line(int fd, char *line, size_t cap, size_t len,
		       const char *text)
{
	len += escape(line + len, cap - len - 1, text);
	line[len++] = '\n';
	/* nowhere to report a failing log to */
	if (write(fd, line, len) < 0)
		errno = 0;
}

__attribute__((format(printf, 3, 0))) static void
emit(enum log_level level, int err, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[1024], line[1400];
	int n = 0;

	if (!log_wants(level))
		return;
	if (cur_role && cur_level == LOG_DEBUG && file_fd < 0)
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

	if (file_fd >= 0)
		write_line(file_fd, line, sizeof(line),
			   file_prefix(line, sizeof(line), level), text);
	if (file_fd < 0 || level == LOG_ERROR) {
		n = snprintf(line, sizeof(line), "podsplice: ");
		write_line(cur_fd, line, sizeof(line), (size_t)n, text);
	}
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
