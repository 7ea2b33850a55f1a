// SPDX-License-Identifier: GPL-2.0-or-later
/* When a container is started again, and after how long. */
#include "setup/helper/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"

static void restart_is_wanted_as_it_was_said(void **state)
{
	const struct restart no = { .when = RESTART_NO };
	const struct restart failure = { .when = RESTART_ON_FAILURE };
	const struct restart always = { .when = RESTART_ALWAYS };

	(void)state;
	assert_false(restart_wanted(&no, 0) || restart_wanted(&no, 1));
	assert_false(restart_wanted(&failure, 0));
	assert_true(restart_wanted(&failure, 1));
	assert_true(restart_wanted(&failure, 137));
	assert_true(restart_wanted(&always, 0) && restart_wanted(&always, 1));
}

/* Milliseconds to wait after an end that came @ran_ms after the start. */
static int64_t delay(struct restart *r, int64_t ran_ms)
{
	r->began = mono_s(1000);
	return mono_to_ms(
		restart_delay(r, mono_add(r->began, mono_ms(ran_ms))));
}

static void restart_waits_longer_each_time(void **state)
{
	static const int64_t want[] = {
		100,  200,   400,   800,   1600,  3200,
		6400, 12800, 25600, 51200, 60000, 60000
	};
	struct restart r = { .when = RESTART_ALWAYS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(delay(&r, 9999), want[i]);
}

static void restart_begins_anew_after_a_steady_run(void **state)
{
	struct restart r = { .when = RESTART_ALWAYS };

	(void)state;
	assert_int_equal(delay(&r, 0), 100);
	assert_int_equal(delay(&r, 0), 200);
	assert_int_equal(delay(&r, 10000), 100);
	assert_int_equal(delay(&r, 0), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_is_wanted_as_it_was_said),
		cmocka_unit_test(restart_waits_longer_each_time),
		cmocka_unit_test(restart_begins_anew_after_a_steady_run),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
