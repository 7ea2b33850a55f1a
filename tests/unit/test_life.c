// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stop and rm, of what goes away just when it is looked for or taken, or is in
 * use whenever it is to be removed: the linker puts __wrap_state_find() and
 * __wrap_state_take() between them and the records.
 */
#include "setup/cli/verb_life.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "setup/base/exit.h"
#include "setup/cli/verb_pod.h"
#include "setup/state/state.h"
#include "tests/unit/capture.h"
#include "tests/unit/state_dir.h"

int __real_state_find(const struct state *s, const char *name,
		      struct state_record *rec);
int __wrap_state_find(const struct state *s, const char *name,
		      struct state_record *rec);

int __real_state_take(const struct state *s, const char *name,
		      struct state_own *out);
int __wrap_state_take(const struct state *s, const char *name,
		      struct state_own *out);

/* Ours, and until when. */
static struct state_own own = STATE_OWN_NULL;
static enum { UNTIL_FOUND, UNTIL_TAKEN, TO_THE_END } stays;

int __wrap_state_find(const struct state *s, const char *name,
		      struct state_record *rec)
{
	if (own.dir >= 0 && stays == UNTIL_FOUND)
		state_remove(&own);
	return __real_state_find(s, name, rec);
}

int __wrap_state_take(const struct state *s, const char *name,
		      struct state_own *out)
{
	if (own.dir >= 0 && stays == UNTIL_TAKEN)
		state_remove(&own);
	if (stays == TO_THE_END)
		return -EBUSY; /* without the wait for its owner */
	return __real_state_take(s, name, out);
}

struct fixture {
	struct state_dir dir;
	struct state s;
};

static int set_up_a(enum state_kind kind, void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct state_record rec = { .kind = kind,
				    .dir = -1,
				    .detached = true,
				    .remove = true,
				    .finished_ms = 1 };

	*state = f;
	if (state_dir_make(&f->dir) ||
	    state_proc_of(getpid(), &rec.supervisor) || state_open(&f->s))
		return -1;
	stays = UNTIL_FOUND;
	return state_create(&f->s, "brief", &rec, &own);
}

static int set_up(void **state)
{
	return set_up_a(STATE_CONTAINER, state);
}

static int set_up_pod(void **state)
{
	return set_up_a(STATE_POD, state);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int rc;

	if (own.dir >= 0)
		state_remove(&own);
	state_close(&f->s);
	rc = state_dir_remove(&f->dir);
	free(f);
	return rc;
}

/* Return: @err, with what was said there */
static char *call(int (*verb)(int argc, char **argv), char *option, int status,
		  char *err, size_t cap)
{
	char name[] = "verb", brief[] = "brief", out[64];
	char *argv[] = { name, option, brief, NULL };
	struct capture c_out = capture_start(STDOUT_FILENO);
	struct capture c_err = capture_start(STDERR_FILENO);
	int rc = verb(ARRAY_SIZE(argv) - 1, argv);

	(void)capture_stop(&c_err, err, cap);
	(void)capture_stop(&c_out, out, sizeof(out));
	assert_int_equal(rc, status);
	assert_string_equal(out, status ? "" : "brief\n");
	return err;
}

static void rm_by_force_is_silent_about_one_that_went_away(void **state)
{
	char option[] = "-f", err[256];

	(void)state;
	assert_string_equal(call(verb_rm, option, 0, err, sizeof(err)), "");
}

static void rm_by_force_tells_of_one_that_never_goes(void **state)
{
	char option[] = "-f", err[256];

	(void)state;
	stays = TO_THE_END;
	assert_string_equal(call(verb_rm, option, EXIT_OURS, err, sizeof(err)),
			    "podsplice: brief: is started again and again\n");
}

static void pod_rm_by_force_tells_of_one_that_is_being_removed(void **state)
{
	char option[] = "-f", err[256];

	(void)state;
	stays = TO_THE_END;
	assert_string_equal(
		call(verb_pod_rm, option, EXIT_OURS, err, sizeof(err)),
		"podsplice: brief: is being removed\n");
}

static void rm_tells_once_of_one_that_went_away(void **state)
{
	char option[] = "--", err[256];

	(void)state;
	assert_string_equal(
		call(verb_rm, option, EXIT_OURS, err, sizeof(err)),
		"podsplice: brief: no such container (podsplice ps -a)\n");
}

static void rm_tells_once_of_one_that_goes_away(void **state)
{
	stays = UNTIL_TAKEN;
	rm_tells_once_of_one_that_went_away(state);
}

static void stop_tells_of_one_that_went_away(void **state)
{
	char option[] = "-t1", err[256];

	(void)state;
	assert_string_equal(
		call(verb_stop, option, EXIT_OURS, err, sizeof(err)),
		"podsplice: brief: no such container (podsplice ps -a)\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rm_by_force_is_silent_about_one_that_went_away),
		TEST(rm_by_force_tells_of_one_that_never_goes),
		cmocka_unit_test_setup_teardown(
			pod_rm_by_force_tells_of_one_that_is_being_removed,
			set_up_pod, tear_down),
		TEST(rm_tells_once_of_one_that_went_away),
		TEST(rm_tells_once_of_one_that_goes_away),
		TEST(stop_tells_of_one_that_went_away),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
