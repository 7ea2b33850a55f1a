/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Log to another descriptor at the level that is set. */

#include "netstack/base/log.h"

static inline void log_here(int fd)
{
	enum log_level level = LOG_ERROR;

	while (level < LOG_DEBUG && log_wants(level + 1))
		level++;
	log_init(level, fd);
}
