// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables, the help and the manual page name the same options. The page is
 * argv[1], or MANPAGE as compiled in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "setup/config.h"
#include "setup/config_files.h"
#include "setup/config_net.h"
#include "setup/config_uplink.h"
#include "setup/opt.h"
#include "setup/verb_life.h"
#include "setup/verb_logs.h"
#include "setup/verb_port.h"
#include "setup/verb_ps.h"
#include "setup/verb_stats.h"
#include "tests/unit/capture.h"

#ifndef MANPAGE
#define MANPAGE "setup/podsplice.1"
#endif

#define PAGE_MAX 65536
#define N_TABLES 4

struct texts {
	char page[PAGE_MAX];
	char help[PAGE_MAX];
};

/* A ".It Fl" line of the page: what it says about one option. */
struct item {
	char letter, name[32], arg[64];
};

static const struct opt_table *table(size_t i)
{
	const struct opt_table *const tables[N_TABLES] = {
		&config_run_opts, &config_files_opts, &config_net_opts,
		&config_global_opts
	};

	return tables[i];
}

/* Cut ".It Fl p , Fl -publish Ar SPEC" into its parts. */
static void item_read(const char *line, struct item *it)
{
	char copy[256], *p = copy, *word;
	enum { NONE, FLAG, ARG } next = NONE;

	*it = (struct item){ 0 };
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"),
		       line);
	while ((word = strsep(&p, " "))) {
		if (next == FLAG && word[0] == '-')
			(void)snprintf(it->name, sizeof(it->name), "%.31s",
				       word + 1);
		else if (next == FLAG)
			it->letter = word[0];
		else if (next == ARG && !it->arg[0])
			(void)snprintf(it->arg, sizeof(it->arg), "%.63s", word);
		next = strcmp(word, "Fl") == 0	 ? FLAG
		       : strcmp(word, "Ar") == 0 ? ARG
						 : NONE;
	}
}

/* The next line of options at or behind @p, or NULL. */
static const char *item_next(const char *p)
{
	static const char start[] = "\n.It Fl ";

	p = strstr(p, start);
	return p ? p + 1 : NULL;
}

static bool find_item(const char *page, const char *name, struct item *it)
{
	for (const char *p = page; (p = item_next(p));) {
		item_read(p, it);
		if (strcmp(it->name, name) == 0)
			return true;
	}
	return false;
}

static void must_describe(const char *page, const struct opt_table *table)
{
	for (size_t j = 0; j < table->n_opts; j++) {
		const struct opt *o = &table->opts[j];
		struct item it = { 0 };

		if (!find_item(page, o->name, &it))
			fail_msg("the page lacks --%s", o->name);
		if (it.letter != o->letter)
			fail_msg("--%s: the letter differs", o->name);
		if (!o->arg != !it.arg[0] ||
		    (o->arg && strncmp(o->arg, it.arg, strlen(it.arg)) != 0))
			fail_msg("--%s %s: the page says '%s'", o->name,
				 o->arg ? o->arg : "", it.arg);
	}
}

/* Tables of other verbs than run, and the sections that describe them. */
static const struct {
	const struct opt_table *table;
	const char *section;
} others[] = {
	{ &verb_query_opts, "\n.Ss Options of stats and flows" },
	{ &verb_stats_opts, "\n.Ss Options of stats and flows" },
	{ &config_uplink_opts, "\n.Ss Options of uplink" },
	{ &verb_logs_opts, "\n.Ss Options of logs" },
	{ &verb_port_opts, "\n.Ss Options of port" },
	{ &verb_ps_opts, "\n.Ss Options of ps" },
	{ &verb_rm_opts, "\n.Ss Options of rm" },
	{ &verb_stop_opts, "\n.Ss Options of stop" },
};

static void manpage_describes_every_option_of_the_tables(void **state)
{
	const struct texts *t = *state;

	for (size_t i = 0; i < N_TABLES; i++)
		must_describe(t->page, table(i));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const char *own = strstr(t->page, others[i].section);

		assert_non_null(own);
		must_describe(own, others[i].table);
	}
}

static bool in_tables(const char *name)
{
	/* these two are no run options: built in, and main()'s */
	if (strcmp(name, "help") == 0 || strcmp(name, "version") == 0)
		return true;
	for (size_t i = 0; i < N_TABLES + ARRAY_SIZE(others); i++) {
		const struct opt_table *t =
			i < N_TABLES ? table(i) : others[i - N_TABLES].table;

		for (size_t j = 0; j < t->n_opts; j++)
			if (strcmp(t->opts[j].name, name) == 0)
				return true;
	}
	return false;
}

static void manpage_describes_no_option_that_does_not_exist(void **state)
{
	const struct texts *t = *state;
	size_t n = 0;

	for (const char *p = t->page; (p = item_next(p)); n++) {
		struct item it;

		item_read(p, &it);
		if (!in_tables(it.name))
			fail_msg("--%s is on the page only", it.name);
	}
	assert_true(n > 20);
}

static void manpage_default_of_an_option_is_in_the_help_too(void **state)
{
	static const char *const both[] = { "10.0.2.0/24", "fd00::/64", "tap0",
					    "warn",	   "1280",	"65520",
					    "576" };
	const struct texts *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		assert_non_null(strstr(t->page, both[i]));
		assert_non_null(strstr(t->help, both[i]));
	}
}

static void help_shows_each_option_of_the_tables_once(void **state)
{
	const struct texts *t = *state;
	size_t lines = 0, options = 0;

	for (const char *p = t->help; (p = strchr(p, '\n')); p++)
		lines += strncmp(p + 1, "  -", 3) == 0 ||
			 strncmp(p + 1, "      --", 8) == 0;
	for (size_t i = 0; i < N_TABLES; i++) {
		for (size_t j = 0; j < table(i)->n_opts; j++) {
			const struct opt *o = &table(i)->opts[j];
			char want[128], letter[8] = "    ";

			if (o->letter)
				(void)snprintf(letter, sizeof(letter), "-%c, ",
					       o->letter);
			(void)snprintf(want, sizeof(want), "\n  %s--%s%s%s ",
				       letter, o->name, o->arg ? " " : "",
				       o->arg ? o->arg : "");
			if (!strstr(t->help, want))
				fail_msg("the help lacks '%s'", want + 1);
			options++;
		}
	}
	assert_int_equal(lines, options + 1); /* and --help */
}

static void tables_have_no_name_and_no_letter_twice(void **state)
{
	bool letters[128] = { false };
	const char *names[64];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < N_TABLES; i++) {
		for (size_t j = 0; j < table(i)->n_opts; j++) {
			const struct opt *o = &table(i)->opts[j];

			for (size_t k = 0; k < n; k++)
				assert_string_not_equal(names[k], o->name);
			names[n++] = o->name;
			assert_false(letters[(int)o->letter]);
			letters[(int)o->letter] = o->letter != 0;
			assert_non_null(o->help);
			assert_non_null(o->apply);
		}
	}
}

static int load(struct texts *t, const char *path)
{
	char help[] = "--help", *argv[] = { help, NULL };
	struct capture c = capture_start(STDOUT_FILENO);
	struct run_config cfg;
	int rc = config_run_parse(&cfg, argv);

	capture_stop(&c, t->help, sizeof(t->help));
	if (rc != 1 || fd_read_text(path, t->page, sizeof(t->page)) <= 0) {
		(void)fprintf(stderr, "%s: can't be read\n", path);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct texts t;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(
			manpage_describes_every_option_of_the_tables, &t),
		cmocka_unit_test_prestate(
			manpage_describes_no_option_that_does_not_exist, &t),
		cmocka_unit_test_prestate(
			manpage_default_of_an_option_is_in_the_help_too, &t),
		cmocka_unit_test_prestate(
			help_shows_each_option_of_the_tables_once, &t),
		cmocka_unit_test(tables_have_no_name_and_no_letter_twice),
	};

	if (load(&t, argc > 1 ? argv[1] : MANPAGE))
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
