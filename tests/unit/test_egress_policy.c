// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a SYN of the pod may go, by the bytes of its destination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "portfwd/egress.h"
#include "tests/unit/packet.h"

static void check(bool host_loopback, const char *dst, const char *to,
		  enum syn_what verdict)
{
	struct podnet plan = pkt_plan();
	struct egress_config cfg = { .plan = &plan,
				     .host_loopback = host_loopback };
	struct ip ip = pkt_ip(dst), got = { 0 };
	enum syn_what what = SYN_N_WHATS;
	bool allowed = egress_policy(&cfg, &ip, &got, &what);

	if (allowed != (to != NULL))
		fail_msg("%s: %s", dst, allowed ? "allowed" : "refused");
	if (to) {
		struct ip want = pkt_ip(to);

		assert_true(ip_equal(&got, &want));
	} else if (what != verdict) {
		fail_msg("%s: verdict %d, not %d", dst, (int)what,
			 (int)verdict);
	}
}

static void the_world_is_allowed_as_it_is(void **state)
{
	static const char *const all[] = {
		"1.0.0.0",	    "8.8.8.8",	      "9.255.255.255",
		"10.0.1.255",	    "10.0.3.0",	      "126.255.255.255",
		"128.0.0.0",	    "169.253.0.1",    "169.255.0.1",
		"192.168.1.1",	    "198.51.100.7",   "223.255.255.255",
		"2001:db8::7",	    "fd00:0:0:1::2",  "fc00::1",
		"64:ff9b::7f00:1",  "2002:7f00:1::1", "fec0::1",
		"::fffe:127.0.0.1", "::1:0:0:1",      "1::",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		check(false, all[i], all[i], 0);
		check(true, all[i], all[i], 0);
	}
}

static void what_reaches_the_hosts_own_is_refused(void **state)
{
	static const char *const all[] = {
		"0.0.0.0",
		"0.0.0.1",
		"0.255.255.255",
		"127.0.0.0",
		"127.0.0.1",
		"127.255.255.255",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.254",
		"255.255.255.255",
		"169.254.0.1",
		"169.254.169.254",
		"::",
		"::1",
		"::2",
		"::127.0.0.1",
		"::10.0.2.2",
		"::ffff:127.0.0.1",
		"::ffff:0.0.0.0",
		"::ffff:8.8.8.8",
		"::ffff:10.0.2.2",
		"ff02::1",
		"ff0e::1",
		"fe80::1",
		"febf::1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		check(false, all[i], NULL, SYN_NET);
		check(true, all[i], NULL, SYN_NET);
	}
}

static void gateway_is_the_hosts_loopback_only_when_allowed(void **state)
{
	(void)state;
	check(false, "10.0.2.2", NULL, SYN_NET);
	check(false, "fd00::2", NULL, SYN_NET);
	check(true, "10.0.2.2", "127.0.0.1", 0);
	check(true, "fd00::2", "::1", 0);
}

static void nothing_else_is_in_the_pods_subnets(void **state)
{
	static const char *const nobody[] = {
		"10.0.2.0",   "10.0.2.1",   "10.0.2.77",
		"10.0.2.100", "10.0.2.255", "fd00::",
		"fd00::1",    "fd00::100",  "fd00::ffff:ffff:ffff:ffff",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		check(false, nobody[i], NULL, SYN_HOST);
		check(true, nobody[i], NULL, SYN_HOST);
	}
	/* there, but not for TCP that comes here */
	check(false, "10.0.2.3", NULL, SYN_RESET);
	check(false, "fd00::3", NULL, SYN_RESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_world_is_allowed_as_it_is),
		cmocka_unit_test(what_reaches_the_hosts_own_is_refused),
		cmocka_unit_test(
			gateway_is_the_hosts_loopback_only_when_allowed),
		cmocka_unit_test(nothing_else_is_in_the_pods_subnets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("egress_policy", tests, NULL, NULL);
}
