/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The verbs and their options: one registry, from which come the dispatch, the
 * help, the completions of shells, and the tests that compare them.
 */

#include <stdbool.h>

#include "setup/cli/opt.h"

/* What the words of a verb are that are no options. */
enum verb_args {
	VERB_NO_ARGS,
	VERB_COMMAND,	 /* a program of the host, and what belongs to it */
	VERB_CONTAINER,	 /* the name of one, or of a pod */
	VERB_CONTAINERS, /* and of more */
	VERB_CONTAINER_COMMAND, /* the name, then a command there */
	VERB_NETNS,		/* a process or a path */
	VERB_TARGET,		/* of `forward` */
	VERB_VERB,		/* a verb */
	VERB_POD,		/* the name of one */
	VERB_PODS,		/* and of more */
	VERB_FILE,		/* one of the user's */
	VERB_BENCH,		/* compare, and two of the user's files */
};

struct verb {
	const char *name;		  /* one word, or two: "pod create" */
	const char *synopsis;		  /* for the list in --help */
	int (*fn)(int argc, char **argv); /* Return: the exit status */
	/* NULL: hidden, and parses its words by itself */
	const struct opt_table *const *tables; /* NULL-terminated */
	enum verb_args args;
};

/* Ends with a NULL name. */
extern const struct verb verbs[];

/* The options that stand before a verb; NULL-terminated. */
extern const struct opt_table *const verbs_globals[];

/**
 * verbs_globals_parse() - the options that stand before the verb
 * @argv: without the program's name; reordered in place
 * @version: set when --version is among them
 * @rest: set to the verb and what follows
 *
 * Return: as opt_parse()
 */
int verbs_globals_parse(char **argv, bool *version, char ***rest);

/** verbs_find() - Return: the verb of that name, or NULL */
const struct verb *verbs_find(const char *name);

/**
 * verbs_match() - the verb that words begin with
 * @words: @n of them
 * @taken: set to how many of them are its name
 * Return: it, or NULL
 */
const struct verb *verbs_match(char *const *words, size_t n, size_t *taken);

/**
 * verbs_group() - what the verbs are about whose first word is @word
 * Return: it, or NULL: no verb of two words begins with it
 */
const char *verbs_group(const char *word);

/** verbs_second() - the second word of @verb, if @group is its first, or NULL
 */
const char *verbs_second(const struct verb *verb, const char *group);

/**
 * verbs_call() - what argv begins with; Return: the exit status
 * One that isn't there is reported, with the likely one.
 */
int verbs_call(char **argv);
