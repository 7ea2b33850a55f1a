// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories of a pod's containers: made, and removed whatever is in them. */
#include "setup/state/scratch.h"

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

#define DEEP 500 /* directories in one another */

static int setup(void **state)
{
	static char dir[32];

	(void)snprintf(dir, sizeof(dir), "/tmp/test_scratch.XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(*state);
}

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void scratch_is_anybodys_to_write(void **state)
{
	scoped_fd dir = open_dir(AT_FDCWD, *state);
	mode_t mask = umask(077);
	struct stat st;

	assert_int_equal(scratch_make(dir, "data"), 0);
	assert_int_equal(scratch_make(dir, "more"), 0);
	assert_int_equal(fstatat(dir, "volumes/data", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0777);
	assert_int_equal(fstatat(dir, "volumes", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	(void)umask(mask);
	assert_int_equal(scratch_remove(dir), 0);
	assert_int_equal(faccessat(dir, "volumes", F_OK, 0), -1);
}

static void scratch_goes_whatever_is_in_it(void **state)
{
	scoped_fd dir = open_dir(AT_FDCWD, *state), at = -1;
	scoped_fd file = -1;

	assert_int_equal(scratch_make(dir, "data"), 0);
	at = open_dir(dir, "volumes/data");
	file = openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	assert_true(file >= 0);
	/* what they lead to stays */
	assert_int_equal(symlinkat(*state, at, "link"), 0);
	assert_int_equal(symlinkat("nowhere", at, "dangling"), 0);
	assert_int_equal(mkfifoat(at, "fifo", 0600), 0);
	for (int i = 0; i < DEEP; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = open_dir(at, "d");
		fd_drop(&at);
		at = next;
	}
	/* nobody may look into it */
	assert_int_equal(mkdirat(at, "closed", 0700), 0);
	assert_int_equal(mkdirat(at, "closed/d", 0), 0);
	assert_int_equal(fchmodat(at, "closed", 0, 0), 0);
	assert_int_equal(scratch_remove(dir), 0);
	assert_int_equal(faccessat(dir, "volumes", F_OK, 0), -1);
}

static void scratch_that_is_not_there_is_fine(void **state)
{
	scoped_fd dir = open_dir(AT_FDCWD, *state);

	assert_int_equal(scratch_remove(dir), 0);
}

static void scratch_is_beside_the_record(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/1", 1), 0);
	assert_int_equal(scratch_path("web", "data", path), 0);
	assert_string_equal(
		path, "/run/user/1/podsplice/containers/web/volumes/data");
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_int_equal(scratch_path("web", "", path), 0);
	assert_memory_equal(path, "/tmp/podsplice-", 15);
	assert_non_null(strstr(path, "/containers/web/volumes/"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(scratch_is_anybodys_to_write),
		T(scratch_goes_whatever_is_in_it),
		T(scratch_that_is_not_there_is_fine),
		cmocka_unit_test(scratch_is_beside_the_record),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
