// SPDX-License-Identifier: GPL-2.0-or-later
/* Which datagrams of the pod may cost another socket of libslirp's. */
#include "netstack/dgrams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "tests/unit/packet.h"

#define POD   "10.0.2.100"
#define WORLD "198.51.100.7"
#define MAX   100

static int setup(void **state)
{
	struct dgrams *d = NULL;

	if (dgrams_new(&d, MAX))
		return -1;
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	assert_null(dgrams_free(*state));
	assert_null(dgrams_free(NULL));
	return 0;
}

static bool allow(struct dgrams *d, uint8_t proto, const char *src,
		  uint16_t sport, size_t n_open)
{
	uint8_t buf[PKT_MAX];
	struct pkt s = { src, strchr(src, ':') ? "2001:db8::7" : WORLD, proto,
			 sport, 7 };
	struct frame f = pkt_frame(buf, &s);

	return dgrams_allow(d, &f, n_open);
}

static void dgrams_lets_known_sources_go_on(void **state)
{
	assert_true(allow(*state, IPPROTO_UDP, POD, 5000, MAX - 1));
	assert_false(allow(*state, IPPROTO_UDP, POD, 5001, MAX));
	assert_false(allow(*state, IPPROTO_UDP, "fd00::100", 5000, MAX));
	assert_false(allow(*state, IPPROTO_UDP, "10.0.2.101", 5000, MAX));
	assert_true(allow(*state, IPPROTO_UDP, POD, 5000, MAX));
	/* refused once, it isn't known for having tried */
	assert_false(allow(*state, IPPROTO_UDP, POD, 5001, MAX));
	assert_true(allow(*state, IPPROTO_UDP, POD, 5001, MAX - 1));
}

static void dgrams_bounds_pings_but_no_tcp(void **state)
{
	assert_true(allow(*state, IPPROTO_ICMP, POD, 0, MAX - 1));
	assert_false(allow(*state, IPPROTO_ICMP, POD, 0, MAX));
	assert_true(allow(*state, IPPROTO_TCP, POD, 5000, MAX));
	assert_true(allow(*state, IPPROTO_ICMPV6, "fd00::100", 0, MAX));
}

static void dgrams_keeps_who_goes_on_through_a_flood(void **state)
{
	assert_true(allow(*state, IPPROTO_UDP, POD, 1, 0));
	assert_true(allow(*state, IPPROTO_UDP, POD, 2, 0));
	for (uint16_t i = 0; i < 10 * MAX; i++) {
		assert_true(allow(*state, IPPROTO_UDP, POD, 1, 0));
		assert_true(allow(*state, IPPROTO_UDP, POD, 1000 + i, 0));
	}
	assert_true(allow(*state, IPPROTO_UDP, POD, 1, MAX));
	assert_false(allow(*state, IPPROTO_UDP, POD, 2, MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(dgrams_lets_known_sources_go_on),
		T(dgrams_bounds_pings_but_no_tcp),
		T(dgrams_keeps_who_goes_on_through_a_flood),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
