// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of `forward`: where it leads, what it refuses. */
#include "setup/cli/config_forward.h"

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

#include "tests/unit/words.h"

struct line {
	struct words words;
	struct forward_config cfg;
};

static int parse(struct line *l, const char *words)
{
	struct capture c = capture_start(STDERR_FILENO);
	int rc;

	words_cut(&l->words, words);
	rc = config_forward_parse(&l->cfg, l->words.argv);
	capture_stop(&c, l->words.said, sizeof(l->words.said));
	return rc;
}

static void must_fail(const char *words, const char *why)
{
	struct line l = { 0 };
	int rc = parse(&l, words);

	words_refused(&l.words, rc, why);
}

static void must_lead(const char *words, const char *pod4, const char *pod6,
		      const char *netns)
{
	char text[ADDR_TEXT_MAX];
	struct line l = { 0 };
	const struct podnet *plan = &l.cfg.net.plan;

	if (parse(&l, words))
		fail_msg("%s: %s", words, l.words.said);
	assert_int_equal(plan->pod4.family, pod4 ? AF_INET : 0);
	assert_int_equal(plan->gw4.family, plan->pod4.family);
	assert_int_equal(plan->pod6.family, pod6 ? AF_INET6 : 0);
	assert_int_equal(plan->gw6.family, plan->pod6.family);
	assert_int_equal(plan->has_ipv6, pod6 != NULL);
	if (pod4)
		assert_string_equal(ip_format(&plan->pod4, text), pod4);
	if (pod6)
		assert_string_equal(ip_format(&plan->pod6, text), pod6);
	if (netns)
		assert_string_equal(l.cfg.netns, netns);
	else
		assert_null(l.cfg.netns);
	assert_int_equal(l.cfg.net.forward.kind,
			 netns ? OUTLET_NETNS : OUTLET_HOST);
	config_forward_free(&l.cfg);
}

static void forward_leads_to_its_target(void **state)
{
	(void)state;
	must_lead("-p 80:81 192.0.2.1", "192.0.2.1", NULL, NULL);
	must_lead("192.0.2.1 -p 80:81", "192.0.2.1", NULL, NULL);
	must_lead("-p 80:81 ::ffff:192.0.2.1", "192.0.2.1", NULL, NULL);
	must_lead("-p 80:81 2001:db8::1", NULL, "2001:db8::1", NULL);
	must_lead("-p 80:81 [2001:db8::1]", NULL, "2001:db8::1", NULL);
	must_lead("-p 80:81 127.0.0.1", "127.0.0.1", NULL, NULL);
	must_lead("-p 80:81 pid:42", "127.0.0.1", "::1", "42");
	must_lead("-p 80:81 netns:/a", "127.0.0.1", "::1", "/a");
}

static void forward_can_keep_no_source(void **state)
{
	struct line l = { 0 };

	(void)state;
	assert_int_equal(parse(&l, "-p 80:81 -p 82:83/udp 192.0.2.1"), 0);
	assert_int_equal(l.cfg.net.n_specs, 2);
	assert_int_equal(l.cfg.net.specs[0].source, SPEC_SOURCE_OFF);
	assert_int_equal(l.cfg.net.specs[1].source, SPEC_SOURCE_OFF);
	config_forward_free(&l.cfg);
}

static void forward_leads_to_a_unix_socket(void **state)
{
	struct line l = { 0 };

	(void)state;
	assert_int_equal(parse(&l, "-p 80:81 unix:a/b"), 0);
	assert_int_equal(l.cfg.net.forward.kind, OUTLET_UNIX);
	assert_string_equal(l.cfg.net.forward.path, "a/b");
	assert_false(l.cfg.net.plan.has_ipv6);
	config_forward_free(&l.cfg);
}

static void forward_refuses_what_makes_no_sense(void **state)
{
	(void)state;
	must_fail("192.0.2.1", "forward: nothing to forward");
	must_fail("-p 80:81", "forward: one target, not none");
	must_fail("-p 80:81 a b", "forward: one target, not several");
	must_fail("-p 80:81 a", "forward: a: no target");
	must_fail("-p 80:81 -p 80:82 192.0.2.1", "conflicts with");
	must_fail("-p x 192.0.2.1", "--publish x: ");
	must_fail("-p 80:81 0.0.0.0", "can't be connected to");
	must_fail("-p 80:81 ::", "can't be connected to");
	must_fail("-p 80:81 224.0.0.1", "can't be connected to");
	must_fail("-p 80:81 fe80::1", "can't be connected to");
	must_fail("-p 80:81 pid:", "pid:: not a process id");
	must_fail("-p 80:81 pid:1x", "pid:1x: not a process id");
	must_fail("-p 80:81 netns:", "netns:: the path is empty");
	must_fail("-p 80:81 netns:42", "netns:42: not a path");
	must_fail("-p 80:81 unix:", "unix: the path is empty");
	must_fail("-p 80:81/udp unix:/a", "UDP can't lead to a unix socket");
	must_fail(
		"-p 80:81 unix:/"
		"123456789012345678901234567890123456789012345678901234567890"
		"123456789012345678901234567890123456789012345678901234567890",
		"longer than the 107 bytes");
	must_fail("--control= -p 80:81 192.0.2.1", "--control: the path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_leads_to_its_target),
		cmocka_unit_test(forward_can_keep_no_source),
		cmocka_unit_test(forward_leads_to_a_unix_socket),
		cmocka_unit_test(forward_refuses_what_makes_no_sense),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
