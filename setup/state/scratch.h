/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Directories for the containers of a pod, empty at first: beside the pod's
 * record, and as long as that is there.
 */

#include <limits.h>

#include "setup/state/state.h"

/**
 * scratch_path() - where the directory @name of @pod is, or "" for all of them
 * Return: 0 or -ENAMETOOLONG, logged
 */
int scratch_path(const char *pod, const char *name, char out[PATH_MAX]);

/**
 * scratch_make() - make one, which everybody may write to
 * @dir: the pod's
 * @name: a label: no '/' in it, no '.'
 * Return: 0 or -errno, logged
 */
int scratch_make(int dir, const char *name);

/**
 * scratch_remove() - remove all of them, whoever owns what is in them
 * @dir: the pod's, of which nothing runs
 * Return: 0, also when there are none, or -errno, logged
 */
int scratch_remove(int dir);
