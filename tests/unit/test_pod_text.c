// SPDX-License-Identifier: GPL-2.0-or-later
/* What the containers of a pod find in their hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "setup/helper/pod_text.h"

#define LOCAL                                                                  \
	"127.0.0.1\tlocalhost\n"                                               \
	"::1\tlocalhost ip6-localhost ip6-loopback\n"

static void make_network(struct network *n, const struct net_config *cfg)
{
	*n = (struct network){ .cfg = cfg };
	assert_int_equal(ip_parse("10.0.2.100", &n->plan.pod4), 0);
	assert_int_equal(ip_parse("10.0.2.2", &n->plan.gw4), 0);
	assert_int_equal(ip_parse("fd00::100", &n->plan.pod6), 0);
	assert_int_equal(ip_parse("fd00::2", &n->plan.gw6), 0);
}

static void names_have_the_pods_addresses(void **state)
{
	struct net_config cfg = { 0 };
	char buf[POD_HOSTS_MAX];
	struct network n;

	(void)state;
	make_network(&n, &cfg);
	pod_text_hosts(&n, "web front", buf);
	assert_string_equal(buf, LOCAL "10.0.2.100\tweb\n10.0.2.100\tfront\n");
	n.plan.has_ipv6 = true;
	cfg.host_loopback = true;
	pod_text_hosts(&n, "web", buf);
	assert_string_equal(buf, LOCAL "10.0.2.2\thost.containers.internal\n"
				       "fd00::2\thost.containers.internal\n"
				       "10.0.2.100\tweb\nfd00::100\tweb\n");
}

static void too_many_names_are_cut_at_a_whole_line(void **state)
{
	static const struct net_config cfg = { .host_loopback = true };
	char names[2 * POD_HOSTS_MAX], buf[POD_HOSTS_MAX];
	struct network n;

	(void)state;
	make_network(&n, &cfg);
	for (size_t i = 0; i < sizeof(names) - 1; i++)
		names[i] = i % 50 == 49 ? ' ' : 'x';
	names[sizeof(names) - 1] = '\0';
	pod_text_hosts(&n, names, buf);
	assert_in_range(strlen(buf), POD_HOSTS_MAX - 100, POD_HOSTS_MAX - 1);
	assert_int_equal(buf[strlen(buf) - 1], '\n');
	assert_non_null(strstr(buf, "\n10.0.2.2\thost.containers.internal\n"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_the_pods_addresses),
		cmocka_unit_test(too_many_names_are_cut_at_a_whole_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
