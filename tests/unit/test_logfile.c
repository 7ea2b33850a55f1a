// SPDX-License-Identifier: GPL-2.0-or-later
/* The log of a container, in a directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "setup/state/logfile.h"

#define TEXT_MAX 262144

struct fixture {
	char path[64];
	int dir;
	struct logfile l;
	char text[TEXT_MAX];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	(void)snprintf(f->path, sizeof(f->path), "/tmp/podsplice-unit.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	logfile_open(&f->l, f->dir, "log");
	return f->dir < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int rc;

	logfile_close(&f->l);
	(void)unlinkat(f->dir, "log", 0);
	(void)unlinkat(f->dir, "log.1", 0);
	close(f->dir);
	rc = rmdir(f->path);
	free(f);
	return rc;
}

static void write_text(struct fixture *f, const char *stream, const char *text)
{
	logfile_write(&f->l, stream, text, strlen(text));
}

static const char *contents(struct fixture *f, const char *name)
{
	char path[96];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
	n = fd_read_text(path, f->text, sizeof(f->text) - 1);
	assert_true(n >= 0);
	return f->text;
}

static size_t size_of(struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->dir, name, &st, 0) ? 0 : (size_t)st.st_size;
}

/* Is @line "TIME @rest"? Return: the next line */
static const char *must_be(const char *line, const char *rest)
{
	const char *end = strchr(line, '\n');
	const char *space = strchr(line, ' ');

	assert_non_null(end);
	assert_non_null(space);
	assert_int_equal(space - line,
			 strlen("2026-11-22T06:12:41.123456789Z"));
	assert_int_equal(space[-1], 'Z');
	assert_int_equal(end - space - 1, strlen(rest));
	assert_memory_equal(space + 1, rest, strlen(rest));
	return end + 1;
}

static void lines_have_time_stream_and_tag(void **state)
{
	struct fixture *f = *state;
	const char *at;

	write_text(f, "stdout", "one\n\nthree\npart");
	write_text(f, "stderr", "\x01odd\n");
	at = must_be(contents(f, "log"), "stdout F one");
	at = must_be(at, "stdout F ");
	at = must_be(at, "stdout F three");
	at = must_be(at, "stdout P part");
	at = must_be(at, "stderr F \x01odd");
	assert_string_equal(at, "");
}

static void a_long_line_is_cut_into_parts(void **state)
{
	struct fixture *f = *state;
	static char line[100001];
	size_t n = 0, parts = 0;
	const char *at;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	logfile_write(&f->l, "stdout", line, sizeof(line));
	at = contents(f, "log");
	for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
		const char *text = strchr(at, ' ') + sizeof("stdout P ");

		assert_int_equal(text[-2], end[1] ? 'P' : 'F');
		n += (size_t)(end - text);
		parts++;
	}
	assert_int_equal(n, sizeof(line) - 1);
	assert_true(parts > 1);
}

static void it_is_rotated_once(void **state)
{
	struct fixture *f = *state;
	char line[16];

	f->l.bytes_max = 1000;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(line, sizeof(line), "%d\n", i);
		write_text(f, "stdout", line);
		assert_true(size_of(f, "log") <= 1000);
		assert_true(size_of(f, "log.1") <= 1000);
	}
	assert_true(size_of(f, "log.1") > 900);
	assert_non_null(strstr(contents(f, "log"), " 99\n"));
	assert_non_null(strchr(contents(f, "log.1"), '\n'));
}

static void it_goes_on_where_another_ended(void **state)
{
	struct fixture *f = *state;

	f->l.bytes_max = 200;
	write_text(f, "stdout", "before\n");
	logfile_close(&f->l);
	logfile_open(&f->l, f->dir, "log");
	f->l.bytes_max = 200;
	write_text(f, "stdout", "after\n");
	(void)must_be(must_be(contents(f, "log"), "stdout F before"),
		      "stdout F after");
	/* what was there counts */
	for (int i = 0; i < 4; i++)
		write_text(f, "stdout", "more\n");
	assert_true(size_of(f, "log.1") > 0);
}

/* RLIMIT_FSIZE stands in for a full file system: writes become short. */
static void limit_files(rlim_t bytes)
{
	const struct rlimit l = { bytes, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void what_has_no_room_is_counted_and_never_half_written(void **state)
{
	struct fixture *f = *state;
	const char *at;

	(void)signal(SIGXFSZ, SIG_IGN);
	write_text(f, "stdout", "kept\n");
	limit_files(size_of(f, "log") + 20);
	write_text(f, "stdout", "lost\n");
	write_text(f, "stderr", "lost\nlost\n");
	(void)must_be(contents(f, "log"), "stdout F kept");
	limit_files(RLIM_INFINITY);
	write_text(f, "stdout", "again\n");
	at = must_be(contents(f, "log"), "stdout F kept");
	at = must_be(at, "podsplice F 3 lines were lost: no room for them");
	at = must_be(at, "stdout F again");
	assert_string_equal(at, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_have_time_stream_and_tag),
		T(a_long_line_is_cut_into_parts),
		T(it_is_rotated_once),
		T(it_goes_on_where_another_ended),
		T(what_has_no_room_is_counted_and_never_half_written),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
