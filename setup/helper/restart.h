/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* When a command that has ended is started again. No clock, no system call. */

#include "netstack/base/mono.h"
#include "setup/base/config.h"

struct restart {
	enum restart_when when;
	struct mono began; /* the last start */
	struct mono delay; /* the last one; 0: none yet */
};

/** restart_wanted() - after an end with that exit status? */
bool restart_wanted(const struct restart *r, int status);

/**
 * restart_delay() - how long to wait after an end at @now
 * 0.1 s, twice as long each time, a minute at most; from the beginning after
 * one that ran for ten seconds.
 */
struct mono restart_delay(struct restart *r, struct mono now);
