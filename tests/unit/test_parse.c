// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers and hardware addresses out of text. */
#include "netstack/base/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "netstack/base/list.h"

static void parse_uint_takes_decimal_numbers_in_their_range(void **state)
{
	static const struct {
		const char *s;
		uint64_t min, max, want;
		int rc;
	} t[] = {
		{ "0", 0, 9, 0, 0 },
		{ "7", 0, 9, 7, 0 },
		{ "9", 0, 9, 9, 0 },
		{ "10", 0, 9, 0, -ERANGE },
		{ "0", 1, 9, 0, -ERANGE },
		{ "007", 0, 9, 7, 0 },
		{ "65535", 1, 65535, 65535, 0 },
		{ "65536", 1, 65535, 0, -ERANGE },
		{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0 },
		{ "18446744073709551616", 0, UINT64_MAX - 1, 0, -ERANGE },
		{ "99999999999999999999999999", 0, 100, 0, -ERANGE },
		{ "99999999999999999999999999x", 0, 100, 0, -EINVAL },
		{ "", 0, 9, 0, -EINVAL },
		{ "+1", 0, 9, 0, -EINVAL },
		{ "-1", 0, 9, 0, -EINVAL },
		{ " 1", 0, 9, 0, -EINVAL },
		{ "1 ", 0, 9, 0, -EINVAL },
		{ "1\n", 0, 9, 0, -EINVAL },
		{ "0x1", 0, 9, 0, -EINVAL },
		{ "1.0", 0, 9, 0, -EINVAL },
		{ "1e1", 0, 99, 0, -EINVAL },
		{ "\xd9\xa1", 0, 9, 0, -EINVAL }, /* ARABIC-INDIC ONE */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t v = 77;

		if (parse_uint(t[i].s, t[i].min, t[i].max, &v) != t[i].rc)
			fail_msg("'%s'", t[i].s);
		assert_true(v == (t[i].rc ? 77 : t[i].want));
	}
}

static void parse_uint_n_looks_at_no_more_than_it_is_given(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(parse_uint_n("8080:80", 4, 0, 65535, &v), 0);
	assert_int_equal(v, 8080);
	assert_int_equal(parse_uint_n("8080:80", 5, 0, 65535, &v), -EINVAL);
	assert_int_equal(parse_uint_n("8080", 0, 0, 65535, &v), -EINVAL);
	assert_int_equal(parse_uint_n("1\0002", 3, 0, 999, &v), -EINVAL);
}

static void parse_mac_takes_unicast_addresses_only(void **state)
{
	static const char *const bad[] = {
		"",
		"02:00:00:00:00",
		"02:00:00:00:00:0",
		"02:00:00:00:00:011",
		"02:00:00:00:00:01:",
		"02-00-00-00-00-01",
		"0200:00:00:00:0001",
		"02:00:00:00:00:0g",
		"02:00:00:00: 0:01",
		"00:00:00:00:00:00",
		"01:00:5e:00:00:01",
		"ff:ff:ff:ff:ff:ff",
		"02:00:00:00:00:01 ",
	};
	const uint8_t want[6] = { 0x02, 0xab, 0xCD, 0, 0xff, 0x09 };
	uint8_t mac[6] = { 0 };

	(void)state;
	assert_int_equal(parse_mac("02:ab:CD:00:fF:09", mac), 0);
	assert_memory_equal(mac, want, 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_mac(bad[i], mac), -EINVAL);
		assert_memory_equal(mac, want, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			parse_uint_takes_decimal_numbers_in_their_range),
		cmocka_unit_test(
			parse_uint_n_looks_at_no_more_than_it_is_given),
		cmocka_unit_test(parse_mac_takes_unicast_addresses_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
