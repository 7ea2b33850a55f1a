// SPDX-License-Identifier: GPL-2.0-or-later
/* What a message looks like, whatever is put into it. */
#include "netstack/base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "tests/unit/capture.h"

static char text[65536];

static int teardown(void **state)
{
	(void)state;
	log_role(NULL);
	log_init(LOG_WARN, STDERR_FILENO);
	return 0;
}

static const char *said(enum log_level level, const char *message)
{
	struct capture c = capture_start(STDERR_FILENO);

	if (level == LOG_ERROR)
		log_error("%s", message);
	else if (level == LOG_WARN)
		log_warn("%s", message);
	else if (level == LOG_INFO)
		log_info("%s", message);
	else
		log_debug("%s", message);
	return capture_stop(&c, text, sizeof(text));
}

static void levels_above_the_chosen_one_are_dropped(void **state)
{
	(void)state;
	for (int max = LOG_ERROR; max <= LOG_DEBUG; max++) {
		log_init((enum log_level)max, STDERR_FILENO);
		for (int l = LOG_ERROR; l <= LOG_DEBUG; l++) {
			enum log_level level = (enum log_level)l;

			assert_int_equal(log_wants(level), l <= max);
			assert_string_equal(said(level, "hello"),
					    l <= max ? "podsplice: hello\n"
						     : "");
		}
	}
}

static void level_names_are_parsed(void **state)
{
	static const char *const bad[] = { "",	      "ERROR",	"err",
					   "warning", "debug ", "4" };
	enum log_level level = LOG_ERROR;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("info", &level), 0);
	assert_int_equal(level, LOG_INFO);
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_ERROR);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(log_level_parse(bad[i], &level), -EINVAL);
}

static void controls_are_escaped_and_a_message_is_one_line(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "a\nb", "a\\x0ab" },
		{ "a\r\nb\n", "a\\x0d\\x0ab\\x0a" },
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "\t\x7f", "\\x09\\x7f" },
		/* CSI in UTF-8: a terminal takes it like ESC [ */
		{ "\xc2\x9b"
		  "31m",
		  "\\xc2\x9b"
		  "31m" },
		/* other UTF-8 stays readable */
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xc2\xa0\xe2\x82\xac", "\xc2\xa0\xe2\x82\xac" },
		{ "", "" },
	};
	char want[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		(void)snprintf(want, sizeof(want), "podsplice: %s\n", t[i].out);
		assert_string_equal(said(LOG_ERROR, t[i].in), want);
	}
}

static void every_byte_value_leaves_one_line_without_controls(void **state)
{
	char in[256];

	(void)state;
	for (int i = 1; i < 256; i++)
		in[i - 1] = (char)i;
	in[255] = '\0';
	said(LOG_ERROR, in);
	assert_true(is_one_message(text));
	for (const char *p = text; p[1]; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	assert_null(strstr(text, "\xc2\x80"));
}

static void overlong_message_is_cut_and_still_one_line(void **state)
{
	static char in[8192];

	(void)state;
	for (size_t len = 900; len < 1500; len++) {
		memset(in, 'x', len);
		in[len] = '\0';
		assert_true(is_one_message(said(LOG_ERROR, in)));
	}
	memset(in, '\n', sizeof(in) - 1);
	assert_true(is_one_message(said(LOG_ERROR, in)));
	assert_true(strlen(text) < 1500);
}

static void log_errno_says_the_error_and_returns_it(void **state)
{
	struct capture c = capture_start(STDERR_FILENO);
	int rc = log_errno(ENOENT, "open %s", "/nowhere");

	(void)state;
	capture_stop(&c, text, sizeof(text));
	assert_int_equal(rc, -ENOENT);
	assert_string_equal(
		text, "podsplice: open /nowhere: No such file or directory\n");
}

static void errno_survives_a_message(void **state)
{
	(void)state;
	log_init(LOG_ERROR, -1); /* write() fails with EBADF */
	errno = EXDEV;
	log_error("lost");
	assert_int_equal(errno, EXDEV);
	(void)log_errno(ENOENT, "lost");
	assert_int_equal(errno, EXDEV);
	log_debug("dropped");
	assert_int_equal(errno, EXDEV);
}

static void role_is_told_at_debug_level_only(void **state)
{
	(void)state;
	log_role("netstack");
	assert_string_equal(said(LOG_WARN, "a"), "podsplice: a\n");
	log_init(LOG_DEBUG, STDERR_FILENO);
	assert_string_equal(said(LOG_WARN, "a"), "podsplice: [netstack] a\n");
	assert_string_equal(said(LOG_DEBUG, "b"), "podsplice: [netstack] b\n");
	log_role(NULL);
	assert_string_equal(said(LOG_DEBUG, "b"), "podsplice: b\n");
}

#define TEST(fn) cmocka_unit_test_teardown(fn, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(levels_above_the_chosen_one_are_dropped),
		TEST(level_names_are_parsed),
		TEST(controls_are_escaped_and_a_message_is_one_line),
		TEST(every_byte_value_leaves_one_line_without_controls),
		TEST(overlong_message_is_cut_and_still_one_line),
		TEST(log_errno_says_the_error_and_returns_it),
		TEST(errno_survives_a_message),
		TEST(role_is_told_at_debug_level_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
