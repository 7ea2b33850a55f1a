/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What `start` needs to make a container again as `run` has made it. */

#include <stddef.h>

#define RECIPE "recipe" /* the file in the container's directory */

struct recipe {
	char *text; /* all strings, owned; the rest points into it */
	const char *cwd;
	const char *verb; /* "run", "pod create": whose words they are */
	char **words;	  /* owned, NULL-terminated: what followed it */
	char **env; /* the same: the environment, without agents' variables */
};

/**
 * recipe_save() - save @words, the current directory and the environment
 * @dir: the container's, or the pod's
 * @verb: whose words they are
 * Return: 0 or -errno, logged
 */
int recipe_save(int dir, const char *verb, char *const *words);

/**
 * recipe_load() - read what recipe_save() wrote
 * @out: release with recipe_drop()
 * Return: 0 or -errno, logged
 */
int recipe_load(int dir, struct recipe *out);

/** recipe_drop() - idempotent */
void recipe_drop(struct recipe *r);
