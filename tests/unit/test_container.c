// SPDX-License-Identifier: GPL-2.0-or-later
/* A container's record, from the start to the end, as its supervisor has it. */
#include "setup/state/container.h"

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

#include "setup/state/background.h"
#include "tests/unit/capture.h"
#include "tests/unit/state_dir.h"

struct fixture {
	struct state_dir dir;
	struct container c;
};

static int set_up(void **state)
{
	static char word[] = "sleep";
	static char *const words[] = { word, NULL };
	const struct run_config cfg = { .name = "web",
					.detach = true,
					.argv = words,
					.verb = "run",
					.words = words };
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (state_dir_make(&f->dir))
		return -1;
	return container_register(&f->c, &cfg);
}

static struct state_record record(void)
{
	struct state_record rec = { .dir = -1 };
	struct state s;

	assert_int_equal(state_open(&s), 0);
	assert_int_equal(state_find(&s, "web", &rec), 0);
	state_close(&s);
	state_drop(&rec);
	return rec;
}

/* Does the test leave a record? Then it is removed. */
static bool stays(void)
{
	struct state s;
	struct state_own own;
	int rc = state_open(&s);

	assert_int_equal(rc, 0);
	rc = state_take(&s, "web", &own);
	if (!rc)
		state_remove(&own);
	state_close(&s);
	return !rc;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int rc;

	container_ended(&f->c, -1);
	rc = state_dir_remove(&f->dir);
	free(f);
	return rc;
}

/* One whose caller waits at the other end of @told */
static struct background waiting(int told)
{
	struct background b = { .dir = -1, .caller = told, .user_err = -1 };

	for (int i = 0; i < BACKGROUND_N; i++)
		b.streams[i].src.fd = -1;
	return b;
}

/* Of a start whose record can't be written: the name of the file is taken. */
static int start_unsaved(struct container *c)
{
	struct capture err = capture_start(STDERR_FILENO);
	char text[256];
	int rc;

	assert_int_equal(mkdirat(c->own.dir, "state.json.tmp", 0700), 0);
	rc = container_started(c, getpid(), NULL);
	assert_int_equal(unlinkat(c->own.dir, "state.json.tmp", AT_REMOVEDIR),
			 0);
	(void)capture_stop(&err, text, sizeof(text));
	assert_true(is_one_message(text));
	return rc;
}

static void who_waits_is_told_the_name(void **state)
{
	struct fixture *f = *state;
	struct background b;
	int told[2];
	char text[16];

	assert_int_equal(pipe(told), 0);
	b = waiting(told[1]);
	assert_int_equal(
		container_tell(&f->c, container_started(&f->c, getpid(), NULL),
			       &b),
		0);
	assert_int_equal(record().phase, STATE_RUNNING);
	assert_int_equal(read(told[0], text, sizeof(text)), 4);
	assert_memory_equal(text + 1, "web", 3);
	close(told[0]);
	container_ended(&f->c, 3);
	assert_int_equal(record().exit_code, 3);
	assert_true(stays());
}

static void one_that_cannot_be_saved_was_never_started(void **state)
{
	struct fixture *f = *state;
	struct background b = waiting(-1);
	int rc = start_unsaved(&f->c);

	assert_int_not_equal(rc, 0);
	assert_int_equal(container_tell(&f->c, rc, &b), rc);
	container_ended(&f->c, 125);
	assert_false(stays());
}

static void in_the_foreground_it_runs_all_the_same(void **state)
{
	struct fixture *f = *state;
	int rc = start_unsaved(&f->c);

	assert_int_not_equal(rc, 0);
	assert_int_equal(container_tell(&f->c, rc, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_waits_is_told_the_name),
		TEST(one_that_cannot_be_saved_was_never_started),
		TEST(in_the_foreground_it_runs_all_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
