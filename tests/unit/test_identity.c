// SPDX-License-Identifier: GPL-2.0-or-later
/* -u: its form, and who it is by files like /etc/passwd and /etc/group. */
#include "setup/pod/identity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "tests/unit/capture.h"

struct files {
	char dir[32], passwd[64], group[64];
};

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/sh\n"
				  "# a comment\n"
				  "broken line\n"
				  "web:x:33:34:web:/srv/web:/bin/sh\n"
				  "33:x:44:45:a number for a name:/n:/bin/sh\n"
				  "nohome:x:50:51:::\n";

static const char group_text[] = "root:x:0:\n"
				 "web:x:34:\n"
				 "tls:x:60:nohome,web\n"
				 "mail:x:61:webmaster\n"
				 "adm:x:62:web\n";

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int files_new(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/identity.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->passwd, sizeof(f->passwd), "%s/passwd", f->dir);
	(void)snprintf(f->group, sizeof(f->group), "%s/group", f->dir);
	put(f->passwd, passwd_text);
	put(f->group, group_text);
	*state = f;
	return 0;
}

static int files_free(void **state)
{
	struct files *f = *state;

	(void)unlink(f->passwd);
	(void)unlink(f->group);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static void find(const struct files *f, struct identity *id, const char *user)
{
	if (identity_find(id, user, f->passwd, f->group))
		fail_msg("%s: not found", user);
}

static void the_form_is_user_or_user_and_group(void **state)
{
	static const char *const good[] = { "root",
					    "0",
					    "web:adm",
					    "1:2",
					    "4294967294",
					    "a.b-c_d:9x",
					    "4294967294:4294967294" };
	static const char *const bad[] = { "",
					   ":",
					   "a:",
					   ":b",
					   "a:b:c",
					   "a b",
					   "a\n",
					   "4294967295",
					   "1:4294967295",
					   "99999999999999999999",
					   "\x7f" };
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!identity_form_ok(good[i]))
			fail_msg("'%s' is refused", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (identity_form_ok(bad[i]))
			fail_msg("'%s' is taken", bad[i]);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(identity_form_ok(longest));
}

static void a_name_has_its_group_its_groups_and_its_home(void **state)
{
	struct identity id;

	find(*state, &id, "web");
	assert_int_equal(id.uid, 33);
	assert_int_equal(id.gid, 34);
	assert_string_equal(id.home, "/srv/web");
	assert_int_equal(id.n_groups, 2);
	assert_int_equal(id.groups[0], 60);
	assert_int_equal(id.groups[1], 62);
}

static void a_group_that_is_given_is_the_only_one(void **state)
{
	struct identity id;

	find(*state, &id, "web:mail");
	assert_int_equal(id.uid, 33);
	assert_int_equal(id.gid, 61);
	assert_int_equal(id.n_groups, 0);
	find(*state, &id, "web:7");
	assert_int_equal(id.gid, 7);
}

static void a_number_is_looked_up_too(void **state)
{
	struct identity id;

	find(*state, &id, "50");
	assert_int_equal(id.gid, 51);
	assert_int_equal(id.n_groups, 1);
	assert_string_equal(id.home, "/");
	/* the first entry that it is, by name or by number */
	find(*state, &id, "33");
	assert_int_equal(id.uid, 33);
	find(*state, &id, "44");
	assert_int_equal(id.uid, 44);
}

static void a_number_needs_no_entry_and_no_file(void **state)
{
	const struct files *f = *state;
	struct identity id;

	find(f, &id, "1000");
	assert_int_equal(id.uid, 1000);
	assert_int_equal(id.gid, 0);
	assert_string_equal(id.home, "/");
	assert_int_equal(
		identity_find(&id, "5:6", "/nonexistent/p", "/nonexistent/g"),
		0);
	assert_int_equal(id.uid, 5);
	assert_int_equal(id.gid, 6);
}

static void refused(const struct files *f, const char *user, const char *why)
{
	struct capture c = capture_start(STDERR_FILENO);
	struct identity id;
	int rc = identity_find(&id, user, f->passwd, f->group);
	char text[256];

	capture_stop(&c, text, sizeof(text));
	assert_int_equal(rc, -ENOENT);
	if (!strstr(text, why))
		fail_msg("%s: '%s'", user, text);
}

static void who_is_not_there_is_named(void **state)
{
	refused(*state, "nobody", "--user nobody: no such user in");
	refused(*state, "webmaster", "no such user");
	refused(*state, "web:nogroup", "--user web:nogroup: no such group in");
}

/* It would wait for somebody who writes to it. */
static void a_fifo_is_no_file_of_users(void **state)
{
	const struct files *f = *state;
	struct identity id;

	assert_int_equal(unlink(f->passwd), 0);
	assert_int_equal(mkfifo(f->passwd, 0600), 0);
	find(f, &id, "5");
	refused(f, "web", "no such user");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_is_user_or_user_and_group),
		cmocka_unit_test_setup_teardown(
			a_name_has_its_group_its_groups_and_its_home, files_new,
			files_free),
		cmocka_unit_test_setup_teardown(
			a_group_that_is_given_is_the_only_one, files_new,
			files_free),
		cmocka_unit_test_setup_teardown(a_number_is_looked_up_too,
						files_new, files_free),
		cmocka_unit_test_setup_teardown(
			a_number_needs_no_entry_and_no_file, files_new,
			files_free),
		cmocka_unit_test_setup_teardown(who_is_not_there_is_named,
						files_new, files_free),
		cmocka_unit_test_setup_teardown(a_fifo_is_no_file_of_users,
						files_new, files_free),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
