// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of capabilities, and what --cap-add and --cap-drop come to. */
#include "setup/pod/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"

#define BIT(cap) (1ULL << (cap))

static const uint64_t podmans = 0x800405fb;

static void a_name_is_taken_in_any_case_and_with_or_without_its_prefix(void **s)
{
	static const char *const names[] = { "net_raw", "NET_RAW",
					     "CAP_NET_RAW", "cap_Net_Raw" };
	uint64_t cap;

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(caps_parse(names[i], &cap), 0);
		assert_true(cap == BIT(CAP_NET_RAW));
	}
	assert_int_equal(caps_parse("all", &cap), 0);
	assert_true(cap == CAPS_ALL);
}

static void what_is_no_name_is_refused(void **s)
{
	static const char *const names[] = {
		"",	"CAP_",	   "net-raw", "13",	   "CAP_CAP_CHOWN",
		"rawr", "CAP_ALL", "chown ",  "chown,kill"
	};
	uint64_t cap;

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (caps_parse(names[i], &cap) != -EINVAL)
			fail_msg("'%s' is a capability", names[i]);
}

static void the_set_is_podmans_unless_it_is_changed(void **s)
{
	static const struct {
		struct caps caps;
		uint64_t set;
	} t[] = {
		{ { 0, 0 }, 0x800405fb },
		{ { BIT(CAP_NET_RAW), 0 }, 0x800405fb | BIT(CAP_NET_RAW) },
		{ { 0, BIT(CAP_CHOWN) }, 0x800405fa },
		{ { 0, BIT(CAP_SYS_ADMIN) }, 0x800405fb },
		{ { 0, CAPS_ALL }, 0 },
		{ { BIT(CAP_KILL), CAPS_ALL }, BIT(CAP_KILL) },
		{ { CAPS_ALL, 0 }, ~CAPS_ALL },
		{ { CAPS_ALL, BIT(CAP_SYS_ADMIN) },
		  ~CAPS_ALL & ~BIT(CAP_SYS_ADMIN) },
	};

	(void)s;
	assert_true(caps_choose(&t[0].caps) == podmans);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (caps_choose(&t[i].caps) != t[i].set)
			fail_msg("case %zu: %llx", i,
				 (unsigned long long)caps_choose(&t[i].caps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_name_is_taken_in_any_case_and_with_or_without_its_prefix),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(the_set_is_podmans_unless_it_is_changed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
