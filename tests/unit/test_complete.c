// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "setup/cli/complete.h"
#include "setup/cli/verbs.h"
#include "tests/unit/capture.h"

#define WORDS_MAX 8

/* Words, and what the answer begins with, has in it, and hasn't. */
struct example {
	const char *words[WORDS_MAX];
	const char *kind, *with, *without;
};

static void ask(const struct example *e, char *buf, size_t cap)
{
	char copy[WORDS_MAX + 1][64] = { "complete" };
	char *argv[WORDS_MAX + 2] = { copy[0] };
	struct capture c;
	int argc = 1, rc;

	for (; argc <= WORDS_MAX && e->words[argc - 1]; argc++) {
		(void)snprintf(copy[argc], sizeof(copy[argc]), "%s",
			       e->words[argc - 1]);
		argv[argc] = copy[argc];
	}
	c = capture_start(STDOUT_FILENO);
	rc = complete_main(argc, argv);
	capture_stop(&c, buf, cap);
	assert_int_equal(rc, 0);
}

static void must_answer(const struct example *examples, size_t n)
{
	static char got[65536];

	for (size_t i = 0; i < n; i++) {
		const struct example *e = &examples[i];
		size_t len = strlen(e->kind);

		ask(e, got, sizeof(got));
		if (strncmp(got, e->kind, len) != 0 || got[len] != '\n')
			fail_msg("%zu: not %s: %.80s", i, e->kind, got);
		if (e->with && !strstr(got, e->with))
			fail_msg("%zu: no %s: %.80s", i, e->with + 1, got);
		if (e->without && strstr(got, e->without))
			fail_msg("%zu: %s", i, e->without);
	}
}

static void before_the_verb_there_are_verbs_and_global_options(void **state)
{
	static const struct example examples[] = {
		{ { "" }, "words", "\nrun\t", "\n--" },
		{ { "ru" }, "words", "\nrun\t", NULL },
		{ { "--log-level", "debug", "" }, "words", "\nrun\t", NULL },
		{ { "--log-level=debug", "" }, "words", "\nrun\t", NULL },
		{ { "-" }, "words", "\n--version\t", "\n--publish" },
		{ { "nonsense", "" }, "words", NULL, "\t" },
		{ { "bench-load", "" }, "words", NULL, "\t" },
		{ { "help", "" }, "words", "\nrun\t", NULL },
		{ { "help", "run", "" }, "words", NULL, "\t" },
		{ { "po" }, "words", "\npod\tmake", "\npod create" },
		{ { "pod", "" }, "words", "\ncreate\t", "\nrun\t" },
		{ { "pod", "create", "-" }, "words", "\n--share\t", NULL },
		{ { "pod", "nonsense", "" }, "words", NULL, "\t" },
		{ { "bench", "" }, "words", "\ncompare\t", "\nrun\t" },
		{ { "bench", "" }, "words", "\nshow\t", "\nrun\t" },
		{ { "bench", "compare", "" }, "files", NULL, "\t" },
		{ { "bench", "show", "" }, "files", NULL, "\t" },
	};

	(void)state;
	must_answer(examples, ARRAY_SIZE(examples));
}

static void value_is_what_its_option_takes(void **state)
{
	static const struct example examples[] = {
		{ { "--log-level", "" }, "words", "\ndebug\t", NULL },
		{ { "--log-level=" }, "words", "\ndebug\t", NULL },
		{ { "run", "--log-level", "d" }, "words", "\ndebug\t", NULL },
		{ { "run", "--datapath=s" }, "words", "\nslirp\t", NULL },
		{ { "run", "--datapath", "-" }, "words", "\nauto\t", "--" },
		{ { "run", "--rootfs", "" }, "dirs", NULL, "\t" },
		{ { "run", "-itv", "" }, "files", NULL, "\t" },
		{ { "run", "-v", "a:/b", "-w", "" }, "dirs", NULL, "\t" },
		{ { "run", "--cap-add", "" }, "words", "\nnet_raw\t", NULL },
		{ { "run", "--outbound", "" }, "words", "\nlo\t", NULL },
		{ { "run", "-e", "" }, "words", "\nCOMPLETE_ME\t", NULL },
		{ { "run", "-p", "" }, "words", NULL, "\t" },
		{ { "run", "--pid", "" }, "words", "\npod\t", NULL },
		{ { "run", "--restart", "" }, "words", "\nalways\t", NULL },
		{ { "stats", "--control", "" }, "files", NULL, "\t" },
	};

	(void)state;
	must_answer(examples, ARRAY_SIZE(examples));
}

static void command_of_run_is_completed_as_a_command(void **state)
{
	static const struct example examples[] = {
		{ { "run", "" }, "command 1", NULL, NULL },
		{ { "run", "-p", "80", "" }, "command 3", NULL, NULL },
		{ { "run", "-it", "ls", "-" }, "command 2", NULL, NULL },
		{ { "run", "--", "" }, "command 2", NULL, NULL },
		{ { "run", "--", "-" }, "command 2", NULL, NULL },
		{ { "run", "--mtu=1500", "ls", "-p", "" },
		  "command 2",
		  NULL,
		  NULL },
		{ { "--log-level", "warn", "run", "" },
		  "command 3",
		  NULL,
		  NULL },
	};

	(void)state;
	must_answer(examples, ARRAY_SIZE(examples));
}

/* A placeholder decides what is offered: a new one has to be thought of. */
static void every_placeholder_is_known(void **state)
{
	static const char known[] =
		" A.B.C.0/N ADDR ADDR|IFACE BYTES CAP DIR DIR[:OPTION,...] "
		"DIR[:ro|:O] DOMAIN FILE HOST[:POD] LEVEL LINES MAC N NAME "
		"NAME=DIR NAME[=VALUE] NAME|PATH NAMESPACE,... P::/64 PATH SECONDS SPEC SRC:DST[:ro] "
		"PEER PEER,... PERCENT ROW,... S "
		"USER[:GROUP] WHEN [new:]POD pod ";

	(void)state;
	for (const struct verb *v = verbs; v->name; v++) {
		for (size_t t = 0; v->tables && v->tables[t]; t++) {
			for (size_t i = 0; i < v->tables[t]->n_opts; i++) {
				const struct opt *o = &v->tables[t]->opts[i];
				char want[64];

				(void)snprintf(want, sizeof(want), " %s ",
					       o->arg ? o->arg : "N");
				if (!strstr(known, want))
					fail_msg("--%s%s: completed how?",
						 o->name, want);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			before_the_verb_there_are_verbs_and_global_options),
		cmocka_unit_test(value_is_what_its_option_takes),
		cmocka_unit_test(command_of_run_is_completed_as_a_command),
		cmocka_unit_test(every_placeholder_is_known),
	};

	if (setenv("COMPLETE_ME", "1", 1))
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
