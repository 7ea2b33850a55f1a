/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * --log-file: one file that all processes of the helper append to. What
 * outgrows it is kept in PATH.1, once: copied, because processes that have no
 * files any more (sandbox.h) hold it open.
 */

#define LOG_PATH_BYTES_MAX (10 << 20)

/**
 * log_path_open() - log to @path from now on
 * What has no name in the file system, such as a pipe, is never rotated.
 * Return: 0 or -errno, logged
 */
int log_path_open(const char *path);

/**
 * log_path_check() - rotate the file if it has outgrown itself
 * Harmless without --log-file. Of what is written meanwhile by others, a line
 * may be lost. A file whose old half can't be kept is emptied only when there
 * is no room for it; otherwise that is logged, once, and the file grows.
 */
void log_path_check(void);
