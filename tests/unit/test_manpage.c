// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registry of verbs, their help, the completions and the manual page name
 * the same verbs and options. The page is argv[1], or MANPAGE as compiled in.
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
#include "setup/cli/complete.h"
#include "setup/cli/opt.h"
#include "setup/cli/verbs.h"
#include "tests/unit/capture.h"

#ifndef MANPAGE
#define MANPAGE "setup/podsplice.1"
#endif

#define PAGE_MAX  131072
#define ITEMS_MAX 256

/* A ".It Fl" line of the page: what it says about one option, and where. */
struct item {
	char section[64], letter, name[32], arg[64];
};

struct texts {
	char page[PAGE_MAX];
	struct item items[ITEMS_MAX];
	size_t n_items;
};

/* Cut ".It Fl p , Fl -publish Ar SPEC" into its parts. */
static void item_read(const char *line, struct item *it)
{
	char copy[256], *p = copy, *word;
	enum { NONE, FLAG, ARG } next = NONE;

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

/* Read all of them, each with the ".Ss" it is below. */
static void items_read(struct texts *t)
{
	char section[64] = "";

	for (const char *p = t->page; (p = strchr(p, '\n'));) {
		p++;
		if (strncmp(p, ".Ss ", 4) == 0)
			(void)snprintf(section, sizeof(section), "%.*s",
				       (int)strcspn(p + 4, "\n"), p + 4);
		if (strncmp(p, ".Sh ", 4) == 0)
			section[0] = '\0';
		if (strncmp(p, ".It Fl ", 7) != 0)
			continue;
		assert_true(t->n_items < ITEMS_MAX);
		memcpy(t->items[t->n_items].section, section, sizeof(section));
		item_read(p, &t->items[t->n_items++]);
	}
}

/* "Options of stats and flows" tells about stats, and so does what is common */
static bool tells_about(const char *section, const char *verb)
{
	static const char start[] = "Options of ";
	char words[80], want[64];

	if (strcmp(section, "Network options") == 0 ||
	    strcmp(section, "Options of every verb") == 0)
		return true;
	if (strncmp(section, start, sizeof(start) - 1) != 0)
		return false;
	/* verbs of two words have a space in them, too */
	(void)snprintf(words, sizeof(words), " and %.63s and ",
		       section + sizeof(start) - 1);
	(void)snprintf(want, sizeof(want), " and %s and ", verb);
	return strstr(words, want);
}

static const struct item *find_item(const struct texts *t, const char *verb,
				    const char *name)
{
	for (size_t i = 0; i < t->n_items; i++)
		if (strcmp(t->items[i].name, name) == 0 &&
		    tells_about(t->items[i].section, verb))
			return &t->items[i];
	return NULL;
}

/* ---- each verb, each option ---- */

typedef void (*option_fn)(const struct verb *verb, const struct opt *o,
			  void *arg);

/* Return: how many options */
static size_t each_option(const struct verb *verb, option_fn fn, void *arg)
{
	size_t n = 0;

	for (size_t t = 0; verb->tables && verb->tables[t]; t++)
		for (size_t i = 0; i < verb->tables[t]->n_opts; i++, n++)
			fn(verb, &verb->tables[t]->opts[i], arg);
	return n;
}

static void must_be_on_the_page(const struct verb *verb, const struct opt *o,
				void *arg)
{
	const struct item *it = find_item(arg, verb->name, o->name);

	if (!it) {
		fail_msg("the page lacks %s --%s", verb->name, o->name);
		return; /* for the analyser: a failure doesn't return */
	}
	if (it->letter != o->letter)
		fail_msg("%s --%s: the letter differs", verb->name, o->name);
	if (!o->arg != !it->arg[0] ||
	    (o->arg && strncmp(o->arg, it->arg, strlen(it->arg)) != 0))
		fail_msg("%s --%s %s: the page says '%s'", verb->name, o->name,
			 o->arg ? o->arg : "", it->arg);
}

static void manpage_describes_every_verb_and_option(void **state)
{
	struct texts *t = *state;

	for (const struct verb *v = verbs; v->name; v++) {
		char want[64];

		if (!v->synopsis)
			continue;
		(void)snprintf(want, sizeof(want), "\n.It Cm %s", v->name);
		if (!strstr(t->page, want))
			fail_msg("the page lacks the verb %s", v->name);
		(void)each_option(v, must_be_on_the_page, t);
	}
}

/* @arg: an item; once it is found, its name is cut off */
static void is_item(const struct verb *verb, const struct opt *o, void *arg)
{
	struct item *it = arg;

	if (strcmp(o->name, it->name) == 0 &&
	    tells_about(it->section, verb->name))
		it->name[0] = '\0';
}

static void manpage_describes_no_option_that_does_not_exist(void **state)
{
	const struct texts *t = *state;

	for (size_t i = 0; i < t->n_items; i++) {
		struct item it = t->items[i];

		for (const struct verb *v = verbs; v->name; v++)
			(void)each_option(v, is_item, &it);
		/* these two are no verb's: built in, and the program's */
		if (it.name[0] && strcmp(it.name, "help") != 0 &&
		    strcmp(it.name, "version") != 0)
			fail_msg("--%s is on the page only, in '%s'", it.name,
				 it.section);
	}
	assert_true(t->n_items > 20);
}

/* What the verb prints for the words, which begin with its name. */
static void output(int (*fn)(int argc, char **argv), char **words, char *buf,
		   size_t cap)
{
	struct capture c = capture_start(STDOUT_FILENO);
	int argc = 0, rc;

	while (words[argc])
		argc++;
	rc = fn(argc, words);
	capture_stop(&c, buf, cap);
	assert_int_equal(rc, 0);
}

static void verb_output(const struct verb *verb, char *word, char *buf,
			size_t cap)
{
	char name[64], *words[] = { name, word, NULL };

	(void)snprintf(name, sizeof(name), "%s", verb->name);
	output(verb->fn, words, buf, cap);
}

static void must_be_in_the_help(const struct verb *verb, const struct opt *o,
				void *arg)
{
	char want[128], letter[8] = "    ";

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(want, sizeof(want), "\n  %s--%s%s%s", letter, o->name,
		       o->arg ? " " : "", o->arg ? o->arg : "");
	if (!strstr(arg, want))
		fail_msg("the help of %s lacks '%s'", verb->name, want + 1);
}

static void help_shows_each_option_of_the_registry_once(void **state)
{
	static char help[PAGE_MAX];
	char word[] = "--help";

	(void)state;
	for (const struct verb *v = verbs; v->name; v++) {
		size_t lines = 0;

		if (!v->tables)
			continue;
		verb_output(v, word, help, sizeof(help));
		for (const char *p = help; (p = strchr(p, '\n')); p++)
			lines += strncmp(p + 1, "  -", 3) == 0 ||
				 strncmp(p + 1, "      --", 8) == 0;
		/* and --help */
		assert_int_equal(lines,
				 1 + each_option(v, must_be_in_the_help, help));
	}
}

static void manpage_default_of_an_option_is_in_the_help_too(void **state)
{
	static const char *const both[] = { "10.0.2.0/24", "fd00::/64", "tap0",
					    "warn",	   "1280",	"65520",
					    "576" };
	static char help[PAGE_MAX];
	const struct texts *t = *state;
	char word[] = "--help";

	verb_output(verbs_find("run"), word, help, sizeof(help));
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		assert_non_null(strstr(t->page, both[i]));
		assert_non_null(strstr(help, both[i]));
	}
}

static void must_be_completed(const struct verb *verb, const struct opt *o,
			      void *arg)
{
	char want[512];

	(void)snprintf(want, sizeof(want), "\n--%s\t%s\n", o->name, o->help);
	if (!strstr(arg, want))
		fail_msg("%s --%s is not completed", verb->name, o->name);
	(void)snprintf(want, sizeof(want), "\n-%c\t%s\n", o->letter, o->help);
	if (o->letter && !strstr(arg, want))
		fail_msg("%s -%c is not completed", verb->name, o->letter);
}

static void completion_offers_each_verb_and_option_of_the_registry(void **state)
{
	static char got[PAGE_MAX];
	char complete[] = "complete", empty[] = "", dash[] = "-", name[64];
	char *before[] = { complete, empty, NULL, NULL };
	char *after[] = { complete, name, dash, NULL, NULL };

	(void)state;
	for (const struct verb *v = verbs; v->name; v++) {
		char want[128], *second;

		(void)snprintf(name, sizeof(name), "%s", v->name);
		second = strchr(name, ' ');
		if (second)
			*second++ = '\0';
		before[1] = second ? name : empty;
		before[2] = second ? empty : NULL;
		output(complete_main, before, got, sizeof(got));
		(void)snprintf(want, sizeof(want), "\n%s\t%s\n",
			       second ? second : name,
			       v->synopsis ? v->synopsis : "");
		assert_int_equal(!!strstr(got, want), !!v->synopsis);
		if (!v->tables)
			continue;
		after[2] = second ? second : dash;
		after[3] = second ? dash : NULL;
		output(complete_main, after, got, sizeof(got));
		(void)each_option(v, must_be_completed, got);
		assert_non_null(strstr(got, "\n--help\t"));
	}
}

static void verbs_have_no_name_and_no_letter_twice(void **state)
{
	(void)state;
	for (const struct verb *v = verbs; v->name; v++) {
		bool letters[128] = { false };
		const char *names[64];
		size_t n = 0;

		for (size_t t = 0; v->tables && v->tables[t]; t++) {
			for (size_t j = 0; j < v->tables[t]->n_opts; j++) {
				const struct opt *o = &v->tables[t]->opts[j];

				for (size_t k = 0; k < n; k++)
					assert_string_not_equal(names[k],
								o->name);
				names[n++] = o->name;
				assert_false(letters[(int)o->letter]);
				letters[(int)o->letter] = o->letter != 0;
				assert_non_null(o->help);
				/* one of them; a flag has no value */
				assert_int_equal(
					!!o->apply + !!o->flag + !!o->path, 1);
				assert_false(o->flag && o->arg);
				assert_false(o->path && !o->arg);
			}
		}
	}
}

int main(int argc, char **argv)
{
	static struct texts t;
	const char *path = argc > 1 ? argv[1] : MANPAGE;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(
			manpage_describes_every_verb_and_option, &t),
		cmocka_unit_test_prestate(
			manpage_describes_no_option_that_does_not_exist, &t),
		cmocka_unit_test_prestate(
			manpage_default_of_an_option_is_in_the_help_too, &t),
		cmocka_unit_test(help_shows_each_option_of_the_registry_once),
		cmocka_unit_test(
			completion_offers_each_verb_and_option_of_the_registry),
		cmocka_unit_test(verbs_have_no_name_and_no_letter_twice),
	};

	if (fd_read_text(path, t.page, sizeof(t.page)) <= 0) {
		(void)fprintf(stderr, "%s: can't be read\n", path);
		return 1;
	}
	items_read(&t);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
