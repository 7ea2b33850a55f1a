/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A runtime directory of a test's own, for its records. After <cmocka.h>. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct state_dir {
	char path[64];
};

/* Return: 0 or -1 */
static inline int state_dir_make(struct state_dir *d)
{
	(void)snprintf(d->path, sizeof(d->path), "/tmp/podsplice-unit.XXXXXX");
	return mkdtemp(d->path) && !setenv("XDG_RUNTIME_DIR", d->path, 1) ? 0
									  : -1;
}

/* Return: 0; else something was left in it */
static inline int state_dir_remove(const struct state_dir *d)
{
	char path[128];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/podsplice/containers", d->path);
	rc = rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/podsplice", d->path);
	return rmdir(path) || rmdir(d->path) || rc;
}
