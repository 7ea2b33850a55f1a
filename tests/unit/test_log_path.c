// SPDX-License-Identifier: GPL-2.0-or-later
/* A log that outgrows itself: kept once, and never lost for nothing. */
#include "setup/base/log_path.h"

#include <fcntl.h>
#include <limits.h>
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
#include "netstack/base/log.h"
#include "tests/unit/capture.h"

/* In a directory of its own, which is the current one; open as "log". */
static int set_up(void **state)
{
	char *dir = strdup("/tmp/log_path.XXXXXX");

	if (!dir || !mkdtemp(dir) || chdir(dir))
		return -1;
	*state = dir;
	return log_path_open("log");
}

static int tear_down(void **state)
{
	char *dir = *state;

	fd_drop(log_file_ref());
	if (chdir(dir))
		return -1;
	(void)unlink("log");
	(void)unlink("log.1");
	(void)unlink("moved");
	(void)rmdir("log.1");
	/* fails when something else was left there */
	if (chdir("/") || rmdir(dir))
		return -1;
	free(dir);
	return 0;
}

static off_t size_of(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? -1 : st.st_size;
}

/* A log that has outgrown itself, by holes. */
static void fill(void)
{
	assert_int_equal(ftruncate(*log_file_ref(), LOG_PATH_BYTES_MAX), 0);
}

/* Return: what was said on stderr meanwhile */
static char *check(char *text, size_t cap)
{
	struct capture c = capture_start(STDERR_FILENO);

	log_path_check();
	return capture_stop(&c, text, cap);
}

static void log_is_rotated_from_another_directory(void **state)
{
	const char *dir = *state;
	char text[512];

	assert_int_equal(chdir("/"), 0);
	fill();
	assert_string_equal(check(text, sizeof(text)), "");
	assert_int_equal(size_of(dir, "log"), 0);
	assert_int_equal(size_of(dir, "log.1"), LOG_PATH_BYTES_MAX);
}

static void log_that_fits_is_left_alone(void **state)
{
	char text[512];

	assert_int_equal(ftruncate(*log_file_ref(), LOG_PATH_BYTES_MAX - 1), 0);
	assert_string_equal(check(text, sizeof(text)), "");
	assert_int_equal(size_of(*state, "log"), LOG_PATH_BYTES_MAX - 1);
	assert_int_equal(size_of(*state, "log.1"), -1);
}

/* and that is said once */
static void log_that_cannot_be_kept_is_not_emptied(void **state)
{
	char text[512];

	assert_int_equal(mkdir("log.1", 0700), 0);
	fill();
	assert_true(is_one_message(check(text, sizeof(text))));
	assert_non_null(strstr(text, "/log: rotate: Is a directory"));
	assert_true(size_of(*state, "log") > LOG_PATH_BYTES_MAX);
	assert_string_equal(check(text, sizeof(text)), "");
	assert_true(size_of(*state, "log") > LOG_PATH_BYTES_MAX);
}

static void log_that_was_moved_is_not_emptied(void **state)
{
	char text[512];
	scoped_fd other = -1;

	assert_int_equal(rename("log", "moved"), 0);
	other = open("log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(other >= 0);
	fill();
	assert_true(is_one_message(check(text, sizeof(text))));
	assert_true(size_of(*state, "moved") > LOG_PATH_BYTES_MAX);
	assert_int_equal(size_of(*state, "log.1"), -1);
}

static void pipe_is_a_log_that_is_not_rotated(void **state)
{
	char path[32], text[512];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	assert_int_equal(log_path_open(path), 0);
	assert_string_equal(check(text, sizeof(text)), "");
	close(fds[0]);
	close(fds[1]);
}

static void must_be_refused(const char *path)
{
	char text[512];
	struct capture c = capture_start(STDERR_FILENO);
	int rc = log_path_open(path);

	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_true(rc < 0);
}

static void path_that_leaves_no_room_is_refused(void **state)
{
	char path[PATH_MAX + 1] = "";

	(void)state;
	must_be_refused(path);
	must_be_refused("nosuch/log");
	memset(path, '/', PATH_MAX);
	must_be_refused(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(log_is_rotated_from_another_directory),
		TEST(log_that_fits_is_left_alone),
		TEST(log_that_cannot_be_kept_is_not_emptied),
		TEST(log_that_was_moved_is_not_emptied),
		TEST(pipe_is_a_log_that_is_not_rotated),
		TEST(path_that_leaves_no_room_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
