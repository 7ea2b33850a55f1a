/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Options of a command: tables that parse and that print the help. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct opt {
	const char *name; /* long name, without dashes */
	char letter;	  /* short name, '\0': none */
	const char *arg;  /* placeholder of the value, NULL: takes none */
	const char *help; /* what it does (what happens without it) */
	/*
	 * Called once for each time the option is given, in order: a single
	 * value is overwritten (the last wins), a list grows. @value is NULL
	 * without arg, else it lives as long as argv. Return: 0, or -EINVAL
	 * with one line logged.
	 */
	int (*apply)(void *target, const char *value);
	const char *words; /* the values there are, spaces between; or NULL */
	/*
	 * Without apply or path, and only without arg: which bool of the target
	 * becomes true. Set by OPT_FLAG(), 0: none.
	 */
	size_t flag;
	/* Instead of them, with arg: which const char *; set by OPT_PATH(). */
	size_t path;
};

/*
 * Ends the entry of an option that sets a bool, instead of apply: @member of
 * the group's target, a @type. What is no bool doesn't compile.
 */
#define OPT_FLAG(type, member)                                                 \
	.flag = _Generic(((type *)0)->member, bool : 1 + offsetof(type, member))

/*
 * Ends the entry of an option whose value is a path, in the same way: @member
 * becomes the value when opt_path() agrees.
 */
#define OPT_PATH(type, member)                                                 \
	.path = _Generic(((type *)0)->member,                                  \
			 const char * : 1 + offsetof(type, member))

/* Options that belong together: one heading of the help. */
struct opt_table {
	const char *title;
	const struct opt *opts;
	size_t n_opts;
};

/* A table, and the object its options fill. */
struct opt_group {
	const struct opt_table *table;
	void *target;
	size_t *given; /* counts those that were given; or NULL */
};

struct opt_cmd {
	const char *name;      /* "run"; NULL: podsplice itself */
	const char *synopsis;  /* behind the name in the usage line */
	const char *about;     /* what it does, a sentence or two */
	void (*list)(FILE *f); /* prints a section of its own, or NULL */
	const struct opt_group *groups;
	size_t n_groups;
	bool first_ends; /* the first positional ends the options */
	/* called with each option instead of applying it; or NULL */
	void (*seen)(void *arg, const struct opt *opt);
	void *seen_arg;
};

/**
 * opt_parse() - apply the options in @argv
 * @argv: NULL-terminated, without the command's name; reordered in place
 * @rest: set to the positionals, NULL-terminated, inside @argv
 *
 * Takes --name value, --name=value, -n value, -nvalue, bundles of short
 * options, and "--", which ends the options. --help is built in, and so is -h
 * unless a table has it for something else.
 *
 * Return: 0; 1 when the help was printed; a negative errno with one line
 *         logged. What was applied before an error stays applied.
 */
int opt_parse(const struct opt_cmd *cmd, char **argv, char ***rest);

/**
 * opt_pending() - the option whose value is the word behind @word
 * Return: it; NULL when @word has the value in it, or needs none
 */
const struct opt *opt_pending(const struct opt_cmd *cmd, const char *word);

/** opt_assigned() - the option that has its value in @word, --name=value */
const struct opt *opt_assigned(const struct opt_cmd *cmd, const char *word);

/**
 * opt_path() - is @path, the argument of @opt, the form of one?
 * Return: 0 or -EINVAL, logged; the message quotes a part of a long one
 */
int opt_path(const char *opt, const char *path);

/** opt_help() - print the help; Return: 0 or -errno, logged */
int opt_help(const struct opt_cmd *cmd, FILE *f);

/**
 * opt_wrap() - print @text in 80 columns
 * @indent: of each line
 * @at:	    the column the cursor is in; the first line is padded to @indent
 */
void opt_wrap(FILE *f, const char *text, size_t indent, size_t at);

/** opt_flush() - the end of output on @f; Return: 0 or -errno, logged */
int opt_flush(FILE *f);

/**
 * opt_distance() - how many typing errors are between @a and @b?
 *
 * A letter missing, added, changed, or swapped with its neighbour. Words of
 * more than 31 letters are far from everything.
 */
unsigned int opt_distance(const char *a, const char *b);

/** opt_is_near() - is @typed likely a mistyped @name, at distance @d? */
bool opt_is_near(const char *typed, const char *name, unsigned int d);
