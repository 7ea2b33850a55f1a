/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command's environment. Nothing here logs. */

#include <stddef.h>

#include "setup/base/config.h"

/**
 * env_get() - the value of @name in @env, or NULL
 * @name: ends at a '=' or at its end
 */
const char *env_get(char *const *env, const char *name);

/**
 * env_add() - put "K=V" strings into a list; a name that is there is replaced
 * @env: owned, NULL-terminated list of borrowed strings; NULL: a new one
 * @add: @n strings, borrowed; one without '=' is skipped
 *
 * Return: the list, moved perhaps, or NULL when there is no memory (@env is
 * freed then)
 */
char **env_add(char **env, const char *const *add, size_t n);

/**
 * env_inherit() - a copy of @env without the variables that agents_hides()
 * Return: as env_add()
 */
char **env_inherit(char *const *env);

/**
 * env_command() - the whole environment of the command: the caller's, or with
 * a rootfs a clean one; then what -e says
 * @home: HOME unless -e says it, borrowed for as long; NULL: as it is
 *
 * Return: as env_add(); meant to be executed with, not freed
 */
char **env_command(const struct run_config *run, const char *home);
