/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What idmap.c reads, for its tests. */

#include <stddef.h>

#include "setup/base/idmap.h"

#define IDMAP_ROWS_MAX 32

struct idmap_row {
	unsigned long inside, outside, count;
};

struct idmap {
	struct idmap_row rows[IDMAP_ROWS_MAX];
	size_t n;
};

/** idmap_read_own() - a file like /proc/self/uid_map; none: no rows */
void idmap_read_own(const char *path, struct idmap *map);

/**
 * idmap_read_subids() - a user's ranges in a file like /etc/subuid
 * @name: NULL: only by number
 *
 * One row less than there is room for: the caller's own id comes first.
 */
void idmap_read_subids(const char *path, const char *name, uid_t uid,
		       struct idmap *map);
