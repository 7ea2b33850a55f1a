// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Completion, out of the tables that parse.
 *
 * The scripts for bash, zsh and fish know nothing of podsplice: each time they
 * hand over the words and show what is answered. So there is one logic, it
 * can't differ from the program that is completed, even another version's, and
 * names of containers and interfaces are those of the moment.
 *
 * What a value may be follows from its placeholder, or from the table where it
 * is one of a few words.
 */
#include "setup/cli/complete.h"

#include <cap-ng.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "setup/base/exit.h"
#include "setup/cli/opt.h"
#include "setup/cli/verbs.h"
#include "setup/state/state.h"

#define TABLES_MAX 8
#define KIND(kind) (1U << (kind))

static void kind(const char *name)
{
	(void)puts(name);
}

static void candidate(const char *word, const char *description)
{
	(void)printf("%s\t%s\n", word, description);
}

/* ---- values ---- */

static void put_files(void)
{
	kind("files");
}

static void put_dirs(void)
{
	kind("dirs");
}

static void put_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();

	kind("words");
	for (struct if_nameindex *i = all; i && i->if_index; i++)
		candidate(i->if_name, "interface");
	if (all)
		if_freenameindex(all);
}

static void put_caps(void)
{
	kind("words");
	candidate("ALL", "all of them");
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		const char *name = capng_capability_to_name(cap);

		if (name)
			candidate(name, "capability");
	}
}

static void put_environment(void)
{
	kind("words");
	for (char **e = environ; *e; e++)
		(void)printf("%.*s\tvariable\n", (int)strcspn(*e, "="), *e);
}

static int put_name(void *arg, struct state_record *rec)
{
	const unsigned int *wanted = arg;

	if (*wanted & KIND(rec->kind))
		candidate(rec->name,
			  rec->phase == STATE_EXITED ? "has ended" : "runs");
	return 0;
}

/* @wanted: KIND() of those to offer */
static void put_names(unsigned int wanted)
{
	struct state s = STATE_NULL;

	kind("words");
	/* said on stderr, which the shells don't show; there are none then */
	if (state_open(&s) == 0)
		(void)state_each(&s, put_name, &wanted);
	state_close(&s);
}

static void put_pods(void)
{
	put_names(KIND(STATE_POD));
}

/* By how the placeholder of an option begins. */
static const struct {
	const char *placeholder;
	void (*put)(void);
} values[] = {
	{ "FILE", put_files },
	{ "PATH", put_files },
	{ "SRC:", put_files },
	{ "DIR", put_dirs },
	{ "ADDR|IFACE", put_interfaces },
	{ "CAP", put_caps },
	{ "NAME[=VALUE]", put_environment },
	{ "[new:]POD", put_pods },
};

static void put_words(const char *words)
{
	kind("words");
	while (*words) {
		size_t len = strcspn(words, " ");

		(void)printf("%.*s\tvalue\n", (int)len, words);
		words += len + (words[len] == ' ');
	}
}

static void put_value(const struct opt *opt)
{
	if (opt->words) {
		put_words(opt->words);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const char *p = values[i].placeholder;

		if (strncmp(opt->arg, p, strlen(p)) == 0) {
			values[i].put();
			return;
		}
	}
	kind("words");
}

/* ---- what is no value ---- */

static void put_options(const struct opt_cmd *cmd)
{
	kind("words");
	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		for (size_t i = 0; i < t->n_opts; i++) {
			const struct opt *o = &t->opts[i];

			(void)printf("--%s\t%s\n", o->name, o->help);
			if (o->letter)
				(void)printf("-%c\t%s\n", o->letter, o->help);
		}
	}
	candidate("--help", "print this help");
}

static void put_group(const char *group)
{
	kind("words");
	for (const struct verb *v = verbs; v->name; v++)
		if (verbs_second(v, group))
			candidate(verbs_second(v, group), v->synopsis);
}

/* The first words of all; a group's verbs stand together. */
static void put_verbs(void)
{
	char word[32] = "";

	kind("words");
	for (const struct verb *v = verbs; v->name; v++) {
		const char *about;

		if (!v->synopsis || verbs_second(v, word))
			continue;
		(void)snprintf(word, sizeof(word), "%.*s",
			       (int)strcspn(v->name, " "), v->name);
		about = verbs_group(word);
		candidate(word, about ? about : v->synopsis);
	}
}

/* @at: where the command starts, @nth: how many of its sort precede the word */
static void put_argument(enum verb_args args, int at, int nth)
{
	switch (args) {
	case VERB_COMMAND:
		(void)printf("command %d\n", at);
		return;
	case VERB_CONTAINERS:
		put_names(KIND(STATE_CONTAINER));
		return;
	case VERB_CONTAINER:
		if (nth == 0) {
			put_names(KIND(STATE_CONTAINER) | KIND(STATE_POD));
			return;
		}
		break;
	case VERB_CONTAINER_COMMAND:
		if (nth == 0)
			put_names(KIND(STATE_CONTAINER) | KIND(STATE_POD));
		else
			put_files();
		return;
	case VERB_FILE:
	case VERB_NETNS:
		if (nth == 0) {
			put_files();
			return;
		}
		break;
	case VERB_VERB:
		if (nth == 0) {
			put_verbs();
			return;
		}
		break;
	case VERB_PODS:
		put_names(KIND(STATE_POD));
		return;
	case VERB_POD:
		if (nth == 0) {
			put_names(KIND(STATE_POD));
			return;
		}
		break;
	case VERB_BENCH:
		if (nth > 0) {
			put_files();
			return;
		}
		kind("words");
		candidate("compare", "what changed between two files");
		candidate("show", "the tables of a file, a report, charts");
		return;
	case VERB_TARGET:
	case VERB_NO_ARGS:
		break;
	}
	kind("words");
}

/* ---- the words before ---- */

/* How far options and arguments were read. */
struct place {
	int at;			   /* the argument to look at, of argc */
	int nth;		   /* arguments that were no options */
	bool options;		   /* options may follow */
	const struct opt *pending; /* its value is next, or NULL */
};

/* Read what precedes the last word, up to the first argument if @first_ends. */
static void walk(const struct opt_cmd *cmd, int argc, char **argv,
		 struct place *p)
{
	for (; p->at < argc - 1; p->at++) {
		const char *word = argv[p->at];

		if (p->pending) {
			p->pending = NULL;
		} else if (p->options && strcmp(word, "--") == 0) {
			p->options = false;
		} else if (p->options && word[0] == '-' && word[1]) {
			p->pending = opt_pending(cmd, word);
		} else {
			if (cmd->first_ends)
				return;
			p->nth++;
		}
	}
}

/* The last word, if it is an option or the value of one; Return: was it? */
static bool put_option(const struct opt_cmd *cmd, const char *word,
		       const struct place *p)
{
	const struct opt *opt = p->pending;

	if (opt) {
		put_value(opt);
		return true;
	}
	if (!p->options || word[0] != '-')
		return false;
	opt = opt_assigned(cmd, word);
	if (opt)
		put_value(opt);
	else
		put_options(cmd);
	return true;
}

/* @tables: NULL-terminated */
static void make_cmd(struct opt_cmd *cmd, struct opt_group *groups,
		     const struct opt_table *const *tables)
{
	cmd->groups = groups;
	for (; tables[cmd->n_groups] && cmd->n_groups < TABLES_MAX;
	     cmd->n_groups++)
		groups[cmd->n_groups].table = tables[cmd->n_groups];
}

static void complete_verb(const struct verb *verb, int at, int argc,
			  char **argv)
{
	struct opt_group groups[TABLES_MAX] = { 0 };
	struct opt_cmd cmd = { .first_ends =
				       verb->args == VERB_COMMAND ||
				       verb->args == VERB_CONTAINER_COMMAND };
	struct place p = { .at = at, .options = true };

	make_cmd(&cmd, groups, verb->tables);
	walk(&cmd, argc, argv, &p);
	/* behind the first argument that ended the options? */
	if (p.at < argc - 1)
		p.nth++;
	else if (put_option(&cmd, argv[argc - 1], &p))
		return;
	put_argument(verb->args, p.at, p.nth);
}

static void complete(int argc, char **argv)
{
	struct opt_group groups[TABLES_MAX] = { 0 };
	struct opt_cmd cmd = { .first_ends = true };
	struct place p = { .options = true };
	const struct verb *verb;
	size_t taken;

	make_cmd(&cmd, groups, verbs_globals);
	walk(&cmd, argc, argv, &p);
	if (p.at == argc - 1) {
		if (!put_option(&cmd, argv[p.at], &p))
			put_verbs();
		return;
	}
	verb = verbs_match(argv + p.at, (size_t)(argc - 1 - p.at), &taken);
	if (verb && verb->tables)
		complete_verb(verb, p.at + (int)taken, argc, argv);
	else if (p.at == argc - 2 && verbs_group(argv[p.at]))
		put_group(argv[p.at]);
	else
		kind("words");
}

int complete_main(int argc, char **argv)
{
	if (argc > 1)
		complete(argc - 1, argv + 1);
	return opt_flush(stdout) ? EXIT_OURS : 0;
}
