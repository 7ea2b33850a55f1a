// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of our own, among files of others. */
#include "setup/base/own_file.h"

#include <errno.h>
#include <fcntl.h>
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

#include "netstack/base/fd.h"
#include "tests/unit/capture.h"

struct fixture {
	char dir[64], path[96];
	struct own_file f;
};

static int set_up(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/own_file.XXXXXX");
	if (!mkdtemp(t->dir)) {
		free(t);
		return -1;
	}
	(void)snprintf(t->path, sizeof(t->path), "%s/pid", t->dir);
	t->f = (struct own_file)OWN_FILE_NULL;
	*state = t;
	return own_file_dir(&t->f, "--pidfile", t->path);
}

static int tear_down(void **state)
{
	struct fixture *t = *state;

	own_file_drop(&t->f);
	(void)unlink(t->path);
	/* fails when something else was left there */
	if (rmdir(t->dir))
		return -1;
	free(t);
	return 0;
}

static void must_read(const struct fixture *t, const char *want)
{
	char text[32];

	assert_true(fd_read_text(t->path, text, sizeof(text)) >= 0);
	assert_string_equal(text, want);
}

static void own_file_is_made_and_removed(void **state)
{
	struct fixture *t = *state;
	struct stat st;

	assert_int_equal(access(t->path, F_OK), -1);
	assert_int_equal(own_file_write(&t->f, "12\n"), 0);
	must_read(t, "12\n");
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	own_file_drop(&t->f);
	assert_int_equal(access(t->path, F_OK), -1);
	own_file_drop(&t->f);
}

static void own_file_replaces_a_link_not_what_it_names(void **state)
{
	struct fixture *t = *state;
	char other[96];
	struct stat st;

	(void)snprintf(other, sizeof(other), "%s/other", t->dir);
	assert_int_equal(symlink(other, t->path), 0);
	assert_int_equal(own_file_write(&t->f, "12\n"), 0);
	assert_int_equal(lstat(t->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(access(other, F_OK), -1);
}

static void own_file_of_another_stays(void **state)
{
	struct fixture *t = *state;
	int fd;

	assert_int_equal(own_file_write(&t->f, "12\n"), 0);
	assert_int_equal(unlink(t->path), 0);
	fd = open(t->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "34\n", 3), 3);
	close(fd);
	own_file_drop(&t->f);
	must_read(t, "34\n");
}

static void own_file_that_was_never_written_removes_nothing(void **state)
{
	struct fixture *t = *state;
	struct own_file f;

	assert_int_equal(own_file_write(&t->f, "12\n"), 0);
	assert_int_equal(own_file_dir(&f, "--pidfile", t->path), 0);
	own_file_drop(&f);
	must_read(t, "12\n");
}

static void own_file_needs_a_directory_it_can_write(void **state)
{
	struct fixture *t = *state;
	struct own_file f;
	struct capture c;
	char text[256];

	(void)t;
	c = capture_start(STDERR_FILENO);
	assert_int_equal(own_file_dir(&f, "--pidfile", "/nowhere/pid"),
			 -ENOENT);
	assert_int_equal(own_file_dir(&f, "--pidfile", "/tmp/"), -EINVAL);
	capture_stop(&c, text, sizeof(text));
	assert_non_null(strstr(text, "--pidfile /nowhere/pid: its directory"));
	assert_non_null(strstr(text, "--pidfile /tmp/: not the name"));
	assert_int_equal(own_file_dir(&f, "--pidfile", "/proc/pid"), 0);
	assert_true(own_file_write(&f, "12\n") < 0);
	own_file_drop(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own_file_is_made_and_removed),
		TEST(own_file_replaces_a_link_not_what_it_names),
		TEST(own_file_of_another_stays),
		TEST(own_file_that_was_never_written_removes_nothing),
		TEST(own_file_needs_a_directory_it_can_write),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
