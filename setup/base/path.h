/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Lists of directories, as PATH is one. */

#include <limits.h>
#include <stdbool.h>

/**
 * path_next() - the file @name in the next directory of a list
 * @list: what is left of it, separated by ':', advanced; NULL: no list
 * @out: set to the file's path, whether it exists or not
 * A path that is too long is left out.
 *
 * Return: false at the end of the list
 */
bool path_next(const char **list, const char *name, char out[PATH_MAX]);
