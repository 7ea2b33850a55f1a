/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The verbs that start, stop and remove containers, and what they have in
 * common with those for pods. */

#include <stdbool.h>
#include <stdint.h>

#include "setup/state/state.h"

struct opt_table;

/* The target of both is a struct life. */
extern const struct opt_table verb_stop_opts, verb_rm_opts;

struct life {
	uint64_t seconds;
	bool force;
};

struct life_verb {
	enum state_kind kind;
	const char *synopsis, *about;
	const struct opt_table *opts; /* or NULL */
	/* Return: 0 or -errno, logged */
	int (*one)(const struct life *l, const char *name);
	bool silent; /* prints the names itself */
};

/**
 * verb_life() - such a verb, for all the names in @argv
 * What fails for one name doesn't keep the others from being served.
 * Return: the exit status
 */
int verb_life(char **argv, const struct life_verb *verb);

/* As in main.c's table of verbs; Return: the exit status */
int verb_start(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_rm(int argc, char **argv);
