/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A log in a container's directory: lines as podman's k8s-file has them,
 *
 *	2026-11-22T06:12:41.123456789Z stdout F text
 *
 * with P instead of F when no newline followed. Rotated once: NAME.1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGFILE_BYTES_MAX (10U << 20) /* then it is rotated */
#define LOGFILE_OLD	  ".1"	      /* behind the name of the older half */

struct logfile {
	int dir;	  /* borrowed */
	const char *name; /* borrowed */
	int fd;		  /* -1: can't be opened now */
	uint64_t bytes;
	uint64_t lost; /* lines, since the last one that was written */
	uint64_t bytes_max;
};

#define LOGFILE_NULL                                                           \
	{                                                                      \
		.dir = -1, .fd = -1                                            \
	}

/**
 * logfile_open() - append to @name in @dir, from the next write on
 * @dir, @name: borrowed until logfile_close()
 */
void logfile_open(struct logfile *l, int dir, const char *name);

/**
 * logfile_write() - append what was read from @stream
 *
 * Never waits for anything but the file system. Lines that it has no room for
 * are lost; their number is written when there is room again.
 */
void logfile_write(struct logfile *l, const char *stream, const char *data,
		   size_t len);

/** logfile_close() - idempotent */
void logfile_close(struct logfile *l);
