// SPDX-License-Identifier: GPL-2.0-or-later
/* See path.h. */
#include "setup/base/path.h"

#include <stdio.h>
#include <string.h>

bool path_next(const char **list, const char *name, char out[PATH_MAX])
{
	while (*list && **list) {
		const char *dir = *list;
		size_t len = strcspn(dir, ":");

		*list += len + (dir[len] == ':');
		if (snprintf(out, PATH_MAX, "%.*s/%s", (int)len, dir, name) <
		    PATH_MAX)
			return true;
	}
	return false;
}
