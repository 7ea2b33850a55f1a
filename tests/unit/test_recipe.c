// SPDX-License-Identifier: GPL-2.0-or-later
/* What start needs, written and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "setup/state/recipe.h"
#include "tests/unit/capture.h"

struct fixture {
	char path[64];
	int dir;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	(void)snprintf(f->path, sizeof(f->path), "/tmp/podsplice-unit.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->dir < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int rc;

	(void)unlinkat(f->dir, RECIPE, 0);
	close(f->dir);
	rc = rmdir(f->path);
	free(f);
	return rc;
}

static char a[] = "-p", b[] = "", c[] = "odd\n\xff", d[] = "--";
static char *const words[] = { a, b, c, d, NULL };

static bool has(char *const *list, const char *s)
{
	for (; *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static void words_directory_and_environment_come_back(void **state)
{
	struct fixture *f = *state;
	struct recipe r;
	char cwd[256];
	size_t i;

	assert_int_equal(setenv("UNIT_ODD", "x=\n\xff", 1), 0);
	assert_int_equal(setenv("SSH_AUTH_SOCK", "/tmp/agent", 1), 0);
	assert_int_equal(recipe_save(f->dir, "run", words), 0);
	assert_int_equal(unsetenv("UNIT_ODD"), 0);
	assert_int_equal(recipe_load(f->dir, &r), 0);
	for (i = 0; words[i]; i++)
		assert_string_equal(r.words[i], words[i]);
	assert_null(r.words[i]);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_string_equal(r.cwd, cwd);
	assert_string_equal(r.verb, "run");
	assert_true(has(r.env, "UNIT_ODD=x=\n\xff"));
	assert_false(has(r.env, "SSH_AUTH_SOCK=/tmp/agent"));
	recipe_drop(&r);
	recipe_drop(&r);
}

static void nobody_else_can_read_it(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(recipe_save(f->dir, "run", words), 0);
	assert_int_equal(fstatat(f->dir, RECIPE, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Return: what recipe_load() says of the first @len bytes */
static int load_cut(struct fixture *f, size_t len)
{
	scoped_fd fd = openat(f->dir, RECIPE, O_WRONLY);
	struct capture cap;
	struct recipe r;
	char text[256];
	int rc;

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	cap = capture_start(STDERR_FILENO);
	rc = recipe_load(f->dir, &r);
	capture_stop(&cap, text, sizeof(text));
	assert_true(!rc || is_one_message(text));
	recipe_drop(&r);
	return rc;
}

static void a_part_of_it_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(recipe_save(f->dir, "run", words), 0);
	assert_int_equal(fstatat(f->dir, RECIPE, &st, 0), 0);
	for (size_t len = (size_t)st.st_size; len-- > 0;)
		assert_int_equal(load_cut(f, len), -EINVAL);
}

static void one_that_is_not_there_is_said(void **state)
{
	struct fixture *f = *state;
	struct capture cap = capture_start(STDERR_FILENO);
	struct recipe r;
	char text[256];

	assert_int_equal(recipe_load(f->dir, &r), -ENOENT);
	assert_true(is_one_message(capture_stop(&cap, text, sizeof(text))));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(words_directory_and_environment_come_back),
		T(nobody_else_can_read_it),
		T(a_part_of_it_is_refused),
		T(one_that_is_not_there_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
