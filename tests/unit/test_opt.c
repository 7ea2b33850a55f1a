// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The option parser with tables of its own: what it accepts in which spelling,
 * what one line it says otherwise, and what the help looks like.
 */
#include "setup/cli/opt.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "tests/unit/capture.h"

#define WORDS_MAX 16

/* What was applied, as text: "name=value;flag;" */
struct seen {
	char text[512];
};

static int note(void *target, const char *name, const char *value)
{
	struct seen *seen = target;
	size_t at = strlen(seen->text);

	(void)snprintf(seen->text + at, sizeof(seen->text) - at, "%s%s%s;",
		       name, value ? "=" : "", value ? value : "");
	return 0;
}

static int on_all(void *t, const char *v)
{
	return note(t, "all", v);
}

static int on_inter(void *t, const char *v)
{
	return note(t, "interactive", v);
}

static int on_publish(void *t, const char *v)
{
	return note(t, "publish", v);
}

static int on_mtu(void *t, const char *v)
{
	if (strcmp(v, "bad") == 0) {
		log_error("--mtu %s: no number", v);
		return -EINVAL;
	}
	return note(t, "mtu", v);
}

static const struct opt first_opts[] = {
	{ "all", 'a', NULL, "everything", on_all },
	{ "interactive", 'i', NULL, "keep stdin open", on_inter },
	{ "publish", 'p', "SPEC", "a port", on_publish },
};

static const struct opt second_opts[] = {
	{ "mtu", 0, "BYTES",
	  "a long text that has to be wrapped because it doesn't fit behind "
	  "the column of the options, not even on two lines of them (1500)",
	  on_mtu },
};

static const struct opt_table first = { "First", first_opts,
					ARRAY_SIZE(first_opts) };
static const struct opt_table second = { "Second", second_opts,
					 ARRAY_SIZE(second_opts) };

/* One parse, its words split at '|' into @argv. Return: opt_parse()'s */
static int parse(const char *words, bool first_ends, struct seen *seen,
		 char **argv, char ***rest)
{
	const struct opt_group groups[] = { { &first, seen },
					    { &second, seen } };
	const struct opt_cmd cmd = {
		.name = "test",
		.synopsis = "[OPTION]...",
		.about = "Does nothing.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
		.first_ends = first_ends,
	};
	char *copy = argv[WORDS_MAX] = strdup(words);
	size_t n = 0;

	while (copy && *words && n < WORDS_MAX - 1)
		argv[n++] = strsep(&copy, "|");
	argv[n] = NULL;
	seen->text[0] = '\0';
	return opt_parse(&cmd, argv, rest);
}

static void opt_takes_every_spelling_of_options_and_values(void **state)
{
	static const struct {
		const char *words, *seen, *rest;
	} t[] = {
		{ "", "", "" },
		{ "--all", "all;", "" },
		{ "-a", "all;", "" },
		{ "--publish|80", "publish=80;", "" },
		{ "--publish=80", "publish=80;", "" },
		{ "--publish=", "publish=;", "" },
		{ "--publish=a=b", "publish=a=b;", "" },
		{ "--publish|--all", "publish=--all;", "" },
		{ "--publish|--", "publish=--;", "" },
		{ "-p|80", "publish=80;", "" },
		{ "-p80:81", "publish=80:81;", "" },
		{ "-p=80", "publish=80;", "" },
		{ "-ai", "all;interactive;", "" },
		{ "-aip80", "all;interactive;publish=80;", "" },
		{ "-aip|80|-a", "all;interactive;publish=80;all;", "" },
		{ "-p1|-p|2|--publish=3", "publish=1;publish=2;publish=3;",
		  "" },
		{ "--mtu|1|--mtu|2", "mtu=1;mtu=2;", "" },
		{ "-a|cmd", "all;", "cmd " },
		{ "cmd|-a", "all;", "cmd " },
		{ "x|-a|y|-p|1|z", "all;publish=1;", "x y z " },
		{ "x|--|-a|--", "", "x -a -- " },
		{ "--|-a", "", "-a " },
		{ "-|-a", "all;", "- " },
		{ "a|b|c", "", "a b c " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *argv[WORDS_MAX + 1], **rest, got[64] = "";
		struct seen seen;

		assert_int_equal(parse(t[i].words, false, &seen, argv, &rest),
				 0);
		for (; *rest; rest++) {
			strcat(got, *rest);
			strcat(got, " ");
		}
		assert_string_equal(seen.text, t[i].seen);
		assert_string_equal(got, t[i].rest);
		free(argv[WORDS_MAX]);
	}
}

static void opt_sets_the_flag_that_is_given_and_no_other(void **state)
{
	struct flags {
		bool first, between, last;
	} f = { false, false, false };
	static const struct opt opts[] = {
		{ "first", 'f', NULL, "at offset 0",
		  OPT_FLAG(struct flags, first) },
		{ "between", 0, NULL, "not given",
		  OPT_FLAG(struct flags, between) },
		{ "last", 'l', NULL, "elsewhere",
		  OPT_FLAG(struct flags, last) },
	};
	const struct opt_table table = { "Flags", opts, ARRAY_SIZE(opts) };
	const struct opt_group group = { &table, &f };
	const struct opt_cmd cmd = { .groups = &group, .n_groups = 1 };
	char last[] = "--last", letter[] = "-f", *argv[] = { last, NULL },
	     **rest;

	(void)state;
	assert_int_equal(opt_parse(&cmd, argv, &rest), 0);
	assert_true(f.last && !f.between && !f.first);
	argv[0] = letter;
	assert_int_equal(opt_parse(&cmd, argv, &rest), 0);
	assert_true(f.last && !f.between && f.first);
}

static void opt_takes_a_path_that_is_one(void **state)
{
	struct paths {
		const char *other, *path;
	} p = { NULL, NULL };
	static const struct opt opts[] = {
		{ "path", 'p', "PATH", "a path", OPT_PATH(struct paths, path) },
	};
	const struct opt_table table = { "Paths", opts, ARRAY_SIZE(opts) };
	const struct opt_group group = { &table, &p };
	const struct opt_cmd cmd = { .groups = &group, .n_groups = 1 };
	char good[] = "--path=a/b", empty[] = "--path=", letter[] = "-p",
	     text[256], longest[PATH_MAX + 1], *argv[] = { good, NULL, NULL },
	     **rest;
	struct capture c;

	(void)state;
	assert_int_equal(opt_parse(&cmd, argv, &rest), 0);
	assert_string_equal(p.path, "a/b");
	assert_null(p.other);
	argv[0] = empty;
	c = capture_start(STDERR_FILENO);
	assert_int_equal(opt_parse(&cmd, argv, &rest), -EINVAL);
	assert_string_equal(capture_stop(&c, text, sizeof(text)),
			    "podsplice: --path: the path is empty\n");
	memset(longest, 'x', PATH_MAX);
	longest[PATH_MAX] = '\0';
	argv[0] = letter;
	argv[1] = longest;
	c = capture_start(STDERR_FILENO);
	assert_int_equal(opt_parse(&cmd, argv, &rest), -EINVAL);
	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_string_equal(p.path, "a/b");
}

static void opt_leaves_a_command_and_its_options_alone(void **state)
{
	char *argv[WORDS_MAX + 1], **rest;
	struct seen seen;

	(void)state;
	assert_int_equal(parse("-a|ls|-i|--help|--", true, &seen, argv, &rest),
			 0);
	assert_string_equal(seen.text, "all;");
	assert_string_equal(rest[0], "ls");
	assert_string_equal(rest[2], "--help");
	assert_string_equal(rest[3], "--");
	assert_null(rest[4]);
	free(argv[WORDS_MAX]);
	assert_int_equal(parse("-a|--|-i|x", true, &seen, argv, &rest), 0);
	assert_string_equal(rest[0], "-i");
	assert_string_equal(rest[1], "x");
	free(argv[WORDS_MAX]);
}

static void opt_says_in_one_line_what_is_wrong(void **state)
{
	static const struct {
		const char *words, *line;
	} t[] = {
		{ "--foo", "test: unknown option '--foo' (see podsplice test "
			   "--help)" },
		{ "--foo=bar", "unknown option '--foo' (see" },
		{ "--al", "unknown option '--al' (see" },
		{ "--alll", "did you mean '--all'?" },
		{ "--pubilsh|80", "unknown option '--pubilsh', did you mean "
				  "'--publish'? (see podsplice test --help)" },
		{ "--inter", "did you mean '--interactive'?" },
		{ "--interactve=1", "did you mean '--interactive'?" },
		{ "--", NULL },
		{ "-x", "unknown option '-x'" },
		{ "-ax", "unknown option '-x'" },
		{ "-mtu|1500", "unknown option '-m', did you mean '--mtu'?" },
		{ "-mtu=1500", "unknown option '-m', did you mean '--mtu'?" },
		{ "--publish", "option '--publish' needs a value" },
		{ "-p", "option '-p' needs a value" },
		{ "-aip", "option '-p' needs a value" },
		{ "--all=1", "option '--all' takes no value" },
		{ "--all=", "option '--all' takes no value" },
		{ "-a=1", "option '-a' takes no value" },
		{ "--help=1", "option '--help' takes no value" },
		{ "--mtu|bad", "--mtu bad: no number" },
		{ "---all", "unknown option '---all'" },
		{ "--=x", "unknown option '--'" },
		{ "-\n", "unknown option '-\\x0a'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct capture c = capture_start(STDERR_FILENO);
		char *argv[WORDS_MAX + 1], **rest, text[2048];
		struct seen seen;
		int rc = parse(t[i].words, false, &seen, argv, &rest);

		capture_stop(&c, text, sizeof(text));
		free(argv[WORDS_MAX]);
		if (!t[i].line) {
			assert_int_equal(rc, 0);
			assert_string_equal(text, "");
			continue;
		}
		assert_int_equal(rc, -EINVAL);
		if (!is_one_message(text) || !strstr(text, t[i].line))
			fail_msg("%s: %s", t[i].words, text);
	}
}

static void opt_survives_a_word_of_any_length(void **state)
{
	char *argv[WORDS_MAX + 1], **rest, text[2048], word[40000] = "--";
	struct capture c = capture_start(STDERR_FILENO);
	struct seen seen;

	(void)state;
	memset(word + 2, 'p', sizeof(word) - 3);
	assert_int_equal(parse(word, true, &seen, argv, &rest), -EINVAL);
	free(argv[WORDS_MAX]);
	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
}

static void opt_help_is_aligned_and_fits_80_columns(void **state)
{
	static const char want[] =
		"Usage: podsplice test [OPTION]...\n\n"
		"Does nothing.\n\n"
		"First:\n"
		"  -a, --all           everything\n"
		"  -i, --interactive   keep stdin open\n"
		"  -p, --publish SPEC  a port\n\n"
		"Second:\n"
		"      --mtu BYTES     a long text that has to be wrapped "
		"because it doesn't fit\n"
		"                      behind the column of the options, not "
		"even on two lines\n"
		"                      of them (1500)\n"
		"  -h, --help          print this help\n";
	char *argv[WORDS_MAX + 1], **rest, text[4096];
	struct seen seen;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct capture c = capture_start(STDOUT_FILENO);
		int rc = parse(i ? "-ah" : "--help", true, &seen, argv, &rest);

		capture_stop(&c, text, sizeof(text));
		free(argv[WORDS_MAX]);
		assert_int_equal(rc, 1);
		assert_string_equal(text, want);
	}
}

static void opt_help_reports_a_full_disk(void **state)
{
	struct capture err = capture_start(STDERR_FILENO);
	struct opt_cmd cmd = { .name = "test", .synopsis = "", .about = "" };
	FILE *full = fopen("/dev/full", "we");
	char text[512];
	int rc;

	(void)state;
	assert_non_null(full);
	rc = opt_help(&cmd, full);
	(void)fclose(full);
	capture_stop(&err, text, sizeof(text));
	assert_int_equal(rc, -ENOSPC);
	assert_true(is_one_message(text));
}

static void opt_distance_counts_typing_errors(void **state)
{
	(void)state;
	assert_int_equal(opt_distance("", ""), 0);
	assert_int_equal(opt_distance("", "abc"), 3);
	assert_int_equal(opt_distance("abc", "abc"), 0);
	assert_int_equal(opt_distance("abc", "acb"), 1);
	assert_int_equal(opt_distance("abc", "abcd"), 1);
	assert_int_equal(opt_distance("abc", "bc"), 1);
	assert_int_equal(opt_distance("kitten", "sitting"), 3);
	assert_int_equal(
		opt_distance("a", "0123456789012345678901234567890123456789"),
		UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			opt_takes_every_spelling_of_options_and_values),
		cmocka_unit_test(opt_sets_the_flag_that_is_given_and_no_other),
		cmocka_unit_test(opt_takes_a_path_that_is_one),
		cmocka_unit_test(opt_leaves_a_command_and_its_options_alone),
		cmocka_unit_test(opt_says_in_one_line_what_is_wrong),
		cmocka_unit_test(opt_survives_a_word_of_any_length),
		cmocka_unit_test(opt_help_is_aligned_and_fits_80_columns),
		cmocka_unit_test(opt_help_reports_a_full_disk),
		cmocka_unit_test(opt_distance_counts_typing_errors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
