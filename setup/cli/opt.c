// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Option parsing from tables.
 *
 * getopt_long() isn't used: it prints its own messages, takes abbreviations
 * (which turn into something else when an option is added), and keeps its
 * tables apart from the help. Here one table is all there is; a test compares
 * it with the manual page.
 *
 * Words of argv are looked at once, from left to right. Positionals move to
 * the front of argv as they are met, which is safe because they never
 * overtake the word being read. A short option's "=value" is taken without
 * its '=', as podman does it.
 *
 * An unknown name is looked for among the options of later versions first,
 * then among the known ones by typing distance, so that the one line a user
 * gets says what to do.
 */
#include "setup/cli/opt.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "netstack/base/log.h"

#define WORD_MAX   31
#define HELP_WIDTH 80
#define HELP_LEFT  30 /* widest option before its text moves to a new line */

/* The value of -h and --help when no table has them. */
static const struct opt help_opt = { .name = "help",
				     .letter = 'h',
				     .help = "print this help" };

/* The state of one opt_parse(). */
struct opt_run {
	const struct opt_cmd *cmd;
	char **next; /* the word to look at */
};

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned int opt_distance(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT32_MAX;
	for (unsigned int i = 0; i <= n; i++)
		d[i][0] = i;
	for (unsigned int j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			bool equal = a[i - 1] == b[j - 1];

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + !equal);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

bool opt_is_near(const char *typed, const char *name, unsigned int d)
{
	size_t len = strlen(typed), whole = strlen(name);

	/* one error in three letters, or a word left unfinished */
	return d <= (len < whole ? len : whole) / 3 ||
	       (len >= 3 && len < whole && memcmp(typed, name, len) == 0);
}

static const char *cmd_space(const struct opt_cmd *cmd)
{
	return cmd->name ? " " : "";
}

static const char *cmd_name(const struct opt_cmd *cmd)
{
	return cmd->name ? cmd->name : "";
}

/* "podsplice: run: TEXT 'WORD' (see podsplice run --help)" */
static int refuse(const struct opt_cmd *cmd, const char *text,
		  const char *dashes, const char *word, size_t len,
		  const char *behind)
{
	log_error("%s%s%s '%s%.*s'%s (see podsplice%s%s --help)", cmd_name(cmd),
		  cmd->name ? ": " : "", text, dashes,
		  (int)(len < 64 ? len : 64), word, behind, cmd_space(cmd),
		  cmd_name(cmd));
	return -EINVAL;
}

static const struct opt *find_long(const struct opt_cmd *cmd, const char *name,
				   size_t len, const struct opt_group **group)
{
	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		for (size_t i = 0; i < t->n_opts; i++) {
			const char *have = t->opts[i].name;

			if (strlen(have) != len || memcmp(have, name, len) != 0)
				continue;
			*group = &cmd->groups[g];
			return &t->opts[i];
		}
	}
	return len == 4 && memcmp(name, "help", 4) == 0 ? &help_opt : NULL;
}

static const struct opt *find_short(const struct opt_cmd *cmd, char letter,
				    const struct opt_group **group)
{
	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		for (size_t i = 0; i < t->n_opts; i++) {
			if (t->opts[i].letter != letter)
				continue;
			*group = &cmd->groups[g];
			return &t->opts[i];
		}
	}
	return letter == help_opt.letter ? &help_opt : NULL;
}

/* The known long option that @name was most likely meant to be, or NULL. */
static const char *nearest(const struct opt_cmd *cmd, const char *name)
{
	unsigned int best = UINT32_MAX;
	const char *found = NULL;

	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		for (size_t i = 0; i < t->n_opts; i++) {
			const char *have = t->opts[i].name;
			unsigned int d = opt_distance(name, have);

			if (d >= best || !opt_is_near(name, have, d))
				continue;
			best = d;
			found = have;
		}
	}
	return found;
}

static int unknown_long(const struct opt_cmd *cmd, const char *word, size_t len)
{
	char name[WORD_MAX + 1] = "", hint[WORD_MAX + 32] = "";
	const char *near;

	if (len <= WORD_MAX)
		memcpy(name, word, len);
	near = nearest(cmd, name);
	if (near)
		(void)snprintf(hint, sizeof(hint), ", did you mean '--%s'?",
			       near);
	return refuse(cmd, "unknown option", "--", word, len, hint);
}

/* @word is what follows the dash, @at the letter in it that nobody knows */
static int unknown_short(const struct opt_cmd *cmd, const char *word,
			 const char *at)
{
	char hint[WORD_MAX + 32] = "";
	const struct opt_group *group;

	if (word[1] && find_long(cmd, word, strcspn(word, "="), &group))
		(void)snprintf(hint, sizeof(hint), ", did you mean '--%.*s'?",
			       (int)strcspn(word, "="), word);
	return refuse(cmd, "unknown option", "-", at, 1, hint);
}

int opt_path(const char *opt, const char *path)
{
	if (!*path) {
		log_error("%s: the path is empty", opt);
		return -EINVAL;
	}
	if (strlen(path) >= PATH_MAX) {
		log_error("%s %.64s...: the path is too long", opt, path);
		return -EINVAL;
	}
	return 0;
}

static int set_path(const struct opt *opt, void *at, const char *value)
{
	char name[WORD_MAX + 3];

	assert(value); /* OPT_PATH() is for what has an arg */
	(void)snprintf(name, sizeof(name), "--%s", opt->name);
	if (opt_path(name, value))
		return -EINVAL;
	*(const char **)at = value;
	return 0;
}

/* Return: what opt_parse() returns when it is to stop, else 0 */
static int apply(const struct opt_cmd *cmd, const struct opt *opt,
		 const struct opt_group *group, const char *value)
{
	void *target;
	int rc;

	if (opt == &help_opt) {
		rc = opt_help(cmd, stdout);
		return rc ? rc : 1;
	}
	if (cmd->seen) {
		cmd->seen(cmd->seen_arg, opt);
		return 0;
	}
	target = group->target;
	if (group->given)
		++*group->given;
	if (opt->path)
		return set_path(opt, (char *)target + opt->path - 1, value);
	if (!opt->flag)
		return opt->apply(target, value);
	*(bool *)((char *)target + opt->flag - 1) = true;
	return 0;
}

/* @word is what follows "--" */
static int parse_long(struct opt_run *run, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct opt_group *group = NULL;
	const struct opt *opt = find_long(run->cmd, word, len, &group);

	if (!opt)
		return unknown_long(run->cmd, word, len);
	if (!opt->arg && value)
		return refuse(run->cmd, "option", "--", word, len,
			      " takes no value");
	if (opt->arg && !value) {
		if (!*run->next)
			return refuse(run->cmd, "option", "--", word, len,
				      " needs a value");
		value = *run->next++;
	}
	return apply(run->cmd, opt, group, value);
}

/* @word is what follows "-": flags, then perhaps an option with its value */
static int parse_short(struct opt_run *run, const char *word)
{
	for (const char *p = word; *p; p++) {
		const struct opt_group *group = NULL;
		const struct opt *opt = find_short(run->cmd, *p, &group);
		const char *value = NULL;
		int rc;

		if (!opt)
			return unknown_short(run->cmd, word, p);
		if (!opt->arg && p[1] == '=')
			return refuse(run->cmd, "option", "-", p, 1,
				      " takes no value");
		if (opt->arg) {
			value = p[1] ? p + 1 + (p[1] == '=') : *run->next;
			if (!value)
				return refuse(run->cmd, "option", "-", p, 1,
					      " needs a value");
			if (!p[1])
				run->next++;
		}
		rc = apply(run->cmd, opt, group, value);
		if (rc || opt->arg)
			return rc;
	}
	return 0;
}

int opt_parse(const struct opt_cmd *cmd, char **argv, char ***rest)
{
	struct opt_run run = { cmd, argv };
	size_t n = 0;

	while (*run.next) {
		char *word = *run.next;
		int rc;

		if (word[0] != '-' || !word[1]) {
			if (cmd->first_ends)
				break;
			argv[n++] = word;
			run.next++;
			continue;
		}
		run.next++;
		if (strcmp(word, "--") == 0)
			break;
		rc = word[1] == '-' ? parse_long(&run, word + 2)
				    : parse_short(&run, word + 1);
		if (rc)
			return rc;
	}
	if (!n) {
		*rest = run.next;
		return 0;
	}
	while (*run.next)
		argv[n++] = *run.next++;
	argv[n] = NULL;
	*rest = argv;
	return 0;
}

const struct opt *opt_pending(const struct opt_cmd *cmd, const char *word)
{
	const struct opt *opt = NULL;
	const struct opt_group *group;

	if (word[1] == '-') {
		opt = find_long(cmd, word + 2, strlen(word + 2), &group);
		return opt && opt->arg ? opt : NULL;
	}
	for (const char *p = word + 1; *p; p++) {
		opt = find_short(cmd, *p, &group);
		if (!opt || opt->arg)
			return opt && !p[1] ? opt : NULL;
	}
	return NULL;
}

const struct opt *opt_assigned(const struct opt_cmd *cmd, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct opt *opt;
	const struct opt_group *group;

	if (strncmp(word, "--", 2) != 0 || !word[len])
		return NULL;
	opt = find_long(cmd, word + 2, len - 2, &group);
	return opt && opt->arg ? opt : NULL;
}

static void pad(FILE *f, size_t n)
{
	(void)fprintf(f, "%*s", (int)n, "");
}

void opt_wrap(FILE *f, const char *text, size_t indent, size_t at)
{
	bool first = true;

	if (at > indent) {
		(void)fputc('\n', f);
		at = 0;
	}
	pad(f, indent - at);
	at = indent;
	while (*text) {
		size_t len = strcspn(text, " ");

		if (!first && at + 1 + len > HELP_WIDTH - 1) {
			(void)fputc('\n', f);
			pad(f, indent);
			at = indent;
			first = true;
		}
		(void)fprintf(f, "%s%.*s", first ? "" : " ", (int)len, text);
		at += len + !first;
		first = false;
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', f);
}

/* "  -p, --publish SPEC"; Return: its width */
static size_t opt_left(const struct opt *opt, char *buf, size_t cap)
{
	char letter[8] = "    ";

	if (opt->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
	return (size_t)snprintf(buf, cap, "  %s--%s%s%s", letter, opt->name,
				opt->arg ? " " : "", opt->arg ? opt->arg : "");
}

static size_t help_column(const struct opt_cmd *cmd)
{
	size_t column = 0;
	char buf[96];

	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		for (size_t i = 0; i < t->n_opts; i++) {
			size_t w = opt_left(&t->opts[i], buf, sizeof(buf));

			if (w > column && w <= HELP_LEFT)
				column = w;
		}
	}
	return column + 2;
}

static void help_line(FILE *f, const struct opt *opt, size_t column)
{
	char buf[96];
	size_t w = opt_left(opt, buf, sizeof(buf));

	(void)fputs(buf, f);
	opt_wrap(f, opt->help, column, w + 1 < column ? w : column + 1);
}

int opt_help(const struct opt_cmd *cmd, FILE *f)
{
	size_t column = help_column(cmd);
	struct opt help = help_opt;
	const struct opt_group *group;

	(void)fprintf(f, "Usage: podsplice%s%s %s\n\n", cmd_space(cmd),
		      cmd_name(cmd), cmd->synopsis);
	opt_wrap(f, cmd->about, 0, 0);
	if (cmd->list)
		cmd->list(f);
	for (size_t g = 0; g < cmd->n_groups; g++) {
		const struct opt_table *t = cmd->groups[g].table;

		(void)fprintf(f, "\n%s:\n", t->title);
		for (size_t i = 0; i < t->n_opts; i++)
			help_line(f, &t->opts[i], column);
	}
	if (find_short(cmd, 'h', &group) != &help_opt)
		help.letter = '\0';
	help_line(f, &help, column);
	return opt_flush(f);
}

int opt_flush(FILE *f)
{
	if (fflush(f) || ferror(f))
		return log_errno(errno ? errno : EIO, "write to stdout");
	return 0;
}
