// SPDX-License-Identifier: GPL-2.0-or-later
/* Id maps: what is read out of files, and what a new namespace gets. */
#include "setup/base/idmap_internal.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"

struct file {
	int fd;
	char path[64];
};

static struct file file_with(const char *text)
{
	struct file f = { .fd = memfd_create("subid", MFD_CLOEXEC) };

	assert_true(f.fd >= 0);
	assert_int_equal(write(f.fd, text, strlen(text)), strlen(text));
	(void)snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

/* "outside+count ..." of what was found */
static const char *subids(const char *text, const char *name, uid_t uid)
{
	static char out[2048];
	struct file f = file_with(text);
	struct idmap map;
	size_t len = 0;

	idmap_read_subids(f.path, name, uid, &map);
	fd_drop(&f.fd);
	out[0] = '\0';
	for (size_t i = 0; i < map.n; i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len,
					"%s%lu+%lu", i ? " " : "",
					map.rows[i].outside, map.rows[i].count);
	return out;
}

static void ranges_are_found_by_name_and_by_number(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "ann:100000:65536\n", "100000+65536" },
		{ "ann:100000:65536", "100000+65536" },
		{ "1000:200000:65536\n", "200000+65536" },
		{ "bob:1:2\nann:100000:65536\neve:3:4\n", "100000+65536" },
		{ "ann:100000:65536\n1000:300000:10\nann:400000:1\n",
		  "100000+65536 300000+10 400000+1" },
		{ "anna:1:2\nan:3:4\n10000:5:6\n100:7:8\n", "" },
		{ "", "" },
		{ "\n:\n::\n:1:2\n", "" },
		{ "ann\nann:\nann:1\nann:1:\nann:1:0\nann:x:y\n", "" },
		{ "# ann:1:2\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_string_equal(subids(t[i].text, "ann", 1000), t[i].want);
	assert_string_equal(subids("ann:1:2\n1000:3:4\n", NULL, 1000), "3+4");
}

static void more_ranges_than_there_is_room_for_are_cut_off(void **state)
{
	char text[4096] = "";
	struct idmap map;
	struct file f;

	(void)state;
	for (int i = 0; i < 100; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "ann:%d:1\n", 100000 + i);
	f = file_with(text);
	idmap_read_subids(f.path, "ann", 1000, &map);
	fd_drop(&f.fd);
	assert_int_equal(map.n, IDMAP_ROWS_MAX - 1);
}

static void overlong_line_gives_no_range_of_another_user(void **state)
{
	char text[1024];

	(void)state;
	/* cut in 255s, the second piece would begin with "ann:" */
	memset(text, 'x', 255);
	(void)snprintf(text + 255, sizeof(text) - 255,
		       "ann:0:65536\nann:100000:65536\n");
	assert_string_equal(subids(text, "ann", 1000), "100000+65536");
}

static void file_that_is_missing_has_no_ranges(void **state)
{
	struct idmap map = { .n = 5 };

	(void)state;
	idmap_read_subids("/nowhere/subuid", "ann", 1000, &map);
	assert_int_equal(map.n, 0);
	map.n = 5;
	idmap_read_own("/nowhere/uid_map", &map);
	assert_int_equal(map.n, 0);
}

static void map_of_a_process_is_read(void **state)
{
	struct file f = file_with("         0       1000          1\n"
				  "         1     100000      65536\n");
	struct idmap map;

	(void)state;
	idmap_read_own(f.path, &map);
	fd_drop(&f.fd);
	assert_int_equal(map.n, 2);
	assert_int_equal(map.rows[1].inside, 1);
	assert_int_equal(map.rows[1].outside, 100000);
	assert_int_equal(map.rows[1].count, 65536);
	idmap_read_own("/proc/self/uid_map", &map);
	assert_true(map.n > 0);
}

/* Whoever we are: root of a new namespace is we, and there is a way to it. */
static void new_namespace_gets_a_map(void **state)
{
	char c = 0, path[64];
	struct idmap map;
	int go[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)!write(go[1], unshare(CLONE_NEWUSER) ? "n" : "y", 1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	if (c == 'y') {
		assert_int_equal(idmap_from_outside(pid), 0);
		(void)snprintf(path, sizeof(path), "/proc/%d/uid_map",
			       (int)pid);
		idmap_read_own(path, &map);
		assert_true(map.n > 0);
		assert_int_equal(map.rows[0].inside, 0);
		assert_int_equal(map.rows[0].outside, geteuid());
		(void)snprintf(path, sizeof(path), "/proc/%d/gid_map",
			       (int)pid);
		idmap_read_own(path, &map);
		assert_true(map.n > 0);
		assert_int_equal(map.rows[0].inside, 0);
		assert_int_equal(map.rows[0].outside, getegid());
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fd_drop(&go[0]);
	fd_drop(&go[1]);
	if (c != 'y') {
		print_message("# no user namespaces here\n");
		skip();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_found_by_name_and_by_number),
		cmocka_unit_test(
			more_ranges_than_there_is_room_for_are_cut_off),
		cmocka_unit_test(overlong_line_gives_no_range_of_another_user),
		cmocka_unit_test(file_that_is_missing_has_no_ranges),
		cmocka_unit_test(map_of_a_process_is_read),
		cmocka_unit_test(new_namespace_gets_a_map),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
