// SPDX-License-Identifier: GPL-2.0-or-later
/* Ownership of descriptors, and small files in one piece. */
#include "netstack/base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/log.h"
#include "tests/unit/harness.h"

static void dropped_descriptor_is_closed_once(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

	(void)state;
	fd_drop(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd, copy); /* the number comes again */
	copy = -1;
	fd_drop(&copy); /* and is not ours to close twice */
	assert_true(fcntl(fd, F_GETFD) >= 0);
	fd_drop(&fd);
}

static int guarded(bool take)
{
	scoped_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return take ? fd_take(&fd) : fd;
}

static void guard_closes_what_was_not_taken(void **state)
{
	int fd = guarded(true);

	(void)state;
	assert_true(fcntl(fd, F_GETFD) >= 0);
	fd_drop(&fd);
	assert_int_equal(fcntl(guarded(false), F_GETFD), -1);
}

static void nonblock_is_set_or_refused(void **state)
{
	int p[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_nonblock(p[0]), 0);
	assert_int_equal(read(p[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	fd_drop(&p[0]);
	fd_drop(&p[1]);
	log_init(LOG_ERROR, -1);
	assert_int_equal(fd_nonblock(-1), -EBADF);
	log_init(LOG_WARN, STDERR_FILENO);
}

/* A file in memory, by a path that open() takes. */
static int memory_file(const char *content, char *path, size_t cap)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)snprintf(path, cap, "/proc/self/fd/%d", fd);
	return fd;
}

static void text_is_read_whole_or_not_at_all(void **state)
{
	char path[64], buf[16];
	scoped_fd fd = memory_file("0123456789", path, sizeof(path));

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_read_text(path, buf, sizeof(buf)), 10);
	assert_string_equal(buf, "0123456789");
	assert_int_equal(fd_read_text(path, buf, 11), 10); /* with its NUL */
	assert_string_equal(buf, "0123456789");
	assert_int_equal(fd_read_text(path, buf, 10), -E2BIG);
	assert_int_equal(fd_read_text(path, buf, 3), -E2BIG);
	assert_int_equal(fd_read_text("/nowhere/file", buf, 3), -ENOENT);
	assert_int_equal(fd_read_text("/proc", buf, 3), -EISDIR);
}

static void text_is_written_in_one_piece(void **state)
{
	char path[64], buf[16] = "";
	scoped_fd fd = memory_file("", path, sizeof(path));

	(void)state;
	assert_int_equal(fd_write_text(path, "12 34"), 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5);
	assert_string_equal(buf, "12 34");
	assert_int_equal(fd_write_text("/nowhere/file", "x"), -ENOENT);
}

static void who_waits_is_told_once(void **state)
{
	char buf[4];
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_tell_ready(&p[1]), 0);
	assert_int_equal(p[1], -1);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], '1');
	assert_int_equal(read(p[0], buf, sizeof(buf)), 0); /* closed */
	fd_drop(&p[0]);
	p[1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_tell_ready(&p[1]), -ENOSPC);
	assert_int_equal(p[1], -1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dropped_descriptor_is_closed_once),
		cmocka_unit_test(guard_closes_what_was_not_taken),
		cmocka_unit_test(nonblock_is_set_or_refused),
		cmocka_unit_test(text_is_read_whole_or_not_at_all),
		cmocka_unit_test(text_is_written_in_one_piece),
		cmocka_unit_test(who_waits_is_told_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
