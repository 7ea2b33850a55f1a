/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which of the user's sockets would act for the user outside the pod: agents
 * with keys, session bus, container engines. Hidden when there is no rootfs.
 */

#include <stdbool.h>

/** Called with the path of something to cover; Return: 0 or -errno to stop */
typedef int (*agents_path_fn)(void *arg, const char *path);

/**
 * agents_hides() - is this "K=V" about something hidden? Then the command
 * doesn't get it.
 */
bool agents_hides(const char *var);

/**
 * agents_sockets() - call @fn for each path that one variable names
 * @var: "K=V"
 */
int agents_sockets(const char *var, agents_path_fn fn, void *arg);

/**
 * agents_known() - call @fn for each existing path at which such sockets are
 * by custom, and for runtime directories of any user
 * @env: HOME and GNUPGHOME are read
 */
int agents_known(char *const *env, agents_path_fn fn, void *arg);
