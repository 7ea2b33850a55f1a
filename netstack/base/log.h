/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One line per message on stderr: "podsplice: OBJECT: what went wrong". */

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/**
 * log_init() - choose what is printed and where
 * @level: messages above it are dropped
 * @fd:    borrowed, must stay open while anything logs; 2 until called
 */
void log_init(enum log_level level, int fd);

/**
 * log_file() - every message goes to a file, with time, process and level
 * @fd: opened with O_APPEND, owned; -1: no file (any more), closed elsewhere
 *
 * Errors go where they went before, too; nothing else does.
 */
void log_file(int fd);

/** log_file_ref() - where its descriptor is kept, for sys_keep_fds() */
int *log_file_ref(void);

/**
 * log_role() - name this process in debug messages ("netstack", "portfwd")
 * @role: a string that outlives the process
 */
void log_role(const char *role);

/**
 * log_hold() - keep the next error message in @buf instead of printing it
 * @buf: emptied; the first message is kept, later ones are dropped; NULL: print
 *	 again from now on
 *
 * For an attempt that has a fallback: its failure is a reason, not an error.
 */
void log_hold(char *buf, size_t cap);

/** log_level_parse() - "error|warn|info|debug"; Return: 0 or -EINVAL, silent */
int log_level_parse(const char *s, enum log_level *out);

/** log_wants() - is a message of @level printed? Saves building its text. */
bool log_wants(enum log_level level);

/*
 * Messages need no newline and no "podsplice:". Control characters in them
 * (they may come from a hostile pod) are printed as \xNN. errno is preserved.
 */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * log_errno() - log an error with the text of @err behind it
 * @err: a positive errno value
 *
 * Return: -@err, so that a failing call site is one line:
 *	return log_errno(errno, "open %s", path);
 */
int log_errno(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
