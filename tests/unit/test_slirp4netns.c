// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of slirp4netns: what it makes of uplink's, what it refuses.
 * What it says to whom is compared with the original in tests/ns.
 */
#include "setup/personality/slirp4netns_opts.h"

#include <arpa/inet.h>
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

#include "tests/unit/words.h"

struct line {
	struct words words;
	struct slirp4netns_config cfg;
	char out[4096];
};

/* @text begins with the program's name */
static int parse(struct line *l, const char *text)
{
	struct capture out, err;
	int argc = 0, rc;

	words_cut(&l->words, text);
	while (l->words.argv[argc])
		argc++;
	(void)fflush(stdout);
	out = capture_start(STDOUT_FILENO);
	err = capture_start(STDERR_FILENO);
	rc = slirp4netns_parse(&l->cfg, argc, l->words.argv);
	(void)fflush(stdout);
	capture_stop(&err, l->words.said, sizeof(l->words.said));
	capture_stop(&out, l->out, sizeof(l->out));
	return rc;
}

static void must_parse(struct line *l, const char *text)
{
	int rc = parse(l, text);

	if (rc)
		fail_msg("%s: %s", text, l->words.said);
}

static void must_fail(const char *text, const char *why, bool usage)
{
	struct line l = { 0 };
	int rc = parse(&l, text);

	if (rc != -EINVAL || !strstr(l.words.said, why) ||
	    usage != (strstr(l.out, "Usage:") != NULL))
		fail_msg("%s: %d %s%s", text, rc, l.words.said, l.out);
	slirp4netns_free(&l.cfg);
}

static const char *text_of(const struct ip *ip)
{
	static char buf[ADDR_TEXT_MAX];

	return ip_format(ip, buf);
}

static void defaults_are_those_of_slirp4netns(void **state)
{
	struct line l = { 0 };
	const struct uplink_config *up = &l.cfg.uplink;
	const struct podnet *plan = &up->net.plan;

	(void)state;
	must_parse(&l, "slirp4netns 1234 tap0");
	assert_string_equal(up->target, "/proc/1234/ns/net");
	assert_string_equal(plan->tap, "tap0");
	assert_true(up->bare && up->plain && up->own_mtu);
	assert_false(up->own_mac || plan->has_ipv6);
	assert_true(up->net.host_loopback && up->net.serve_dns);
	assert_int_equal(plan->mtu_bytes, 1500);
	assert_int_equal(up->ready_fd, -1);
	assert_int_equal(up->exit_fd, -1);
	assert_null(up->api);
	assert_null(up->userns);
	assert_string_equal(text_of(&plan->pod4), "10.0.2.100");
	assert_string_equal(text_of(&plan->dhcp4), "10.0.2.15");
	assert_int_equal(up->net.manager.notify, -1);
	assert_string_equal(l.out, "");
	slirp4netns_free(&l.cfg);
}

static void options_and_words_come_in_any_order(void **state)
{
	static const char *const lines[] = {
		"slirp4netns -c -e 3 -r 4 -m 9000 -6 -a /s --cidr=10.9.0.0/16 "
		"--disable-host-loopback --disable-dns 77 tap11",
		"slirp4netns 77 tap11 -6c --mtu=9000 --exit-fd 3 --ready-fd=4 "
		"--api-socket /s --cidr 10.9.0.0/16 --no-host-loopback "
		"--disable-dns",
		"slirp4netns -c 77 --conf -e3 -r4 --mt 9000 tap11 --enable-ipv6 "
		"--api=/s --ci=10.9.0.0/16 --disable-h --disable-d --enable-se "
		"--enable-sandbox",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct line l = { 0 };
		const struct uplink_config *up = &l.cfg.uplink;

		must_parse(&l, lines[i]);
		assert_string_equal(up->target, "/proc/77/ns/net");
		assert_string_equal(up->net.plan.tap, "tap11");
		assert_false(up->bare || up->net.host_loopback ||
			     up->net.serve_dns);
		assert_true(up->net.plan.has_ipv6);
		assert_int_equal(up->net.plan.mtu_bytes, 9000);
		assert_int_equal(up->exit_fd, 3);
		assert_int_equal(up->ready_fd, 4);
		assert_string_equal(up->api, "/s");
		assert_string_equal(text_of(&up->net.plan.gw4), "10.9.0.2");
		slirp4netns_free(&l.cfg);
	}
}

static void what_engines_pass_is_taken(void **state)
{
	static const char *const lines[] = {
		"slirp4netns --disable-host-loopback --mtu=65520 "
		"--enable-sandbox --enable-seccomp --enable-ipv6 -c -e 3 -r 4 "
		"--netns-type=path /proc/self/ns/net tap0",
		"slirp4netns --mtu 65520 -r 3 --disable-host-loopback "
		"--enable-sandbox --enable-seccomp --userns-path=/proc/1/ns "
		"--netns-type=path /proc/self/ns/net tap0",
		"slirp4netns --mtu 65520 -r 3 -c 1 tap0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct line l = { 0 };

		must_parse(&l, lines[i]);
		assert_int_equal(l.cfg.uplink.net.plan.mtu_bytes, 65520);
		assert_int_equal(l.cfg.uplink.bare, i == 1);
		slirp4netns_free(&l.cfg);
	}
}

static void an_unknown_type_means_a_path(void **state)
{
	struct line l = { 0 };

	(void)state;
	must_parse(&l, "slirp4netns --netns-type=what /proc/self/ns/net tap0");
	assert_string_equal(l.cfg.uplink.target, "/proc/self/ns/net");
	slirp4netns_free(&l.cfg);
}

static void macs_may_be_short_but_must_be_some_ones(void **state)
{
	static const uint8_t want[] = { 2, 0xa, 0, 0, 0, 0xff };
	static const char *const bad[] = {
		"",
		"2",
		"2:a:0:0:0",
		"2:a:0:0:0:",
		"2:a:0:0:0:f:1",
		"2:a:0:0:0:100",
		"2:a:0:0:0:-1",
		"2:a::0:0:1",
		"0:0:0:0:0:0",
		"3:0:0:0:0:1",
		"2-0-0-0-0-1",
	};
	struct line l = { 0 };

	(void)state;
	must_parse(&l, "slirp4netns -c --macaddress=2:A:0:0:00:ff 1 tap0");
	assert_memory_equal(l.cfg.uplink.net.plan.pod_mac, want, 6);
	assert_true(l.cfg.uplink.own_mac);
	slirp4netns_free(&l.cfg);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[128];

		(void)snprintf(text, sizeof(text),
			       "slirp4netns -c --macaddress=%s 1 tap0", bad[i]);
		must_fail(text, "invalid MAC address", false);
	}
}

static void outbound_addresses_are_of_their_family(void **state)
{
	struct line l = { 0 };
	const struct net_config *net = &l.cfg.uplink.net;

	(void)state;
	must_parse(&l, "slirp4netns --outbound-addr=192.0.2.1 "
		       "--outbound-addr6=2001:db8::1 1 tap0");
	assert_string_equal(text_of(&net->outbound4), "192.0.2.1");
	assert_string_equal(text_of(&net->outbound6), "2001:db8::1");
	slirp4netns_free(&l.cfg);
	must_parse(&l, "slirp4netns --outbound-addr=lo 1 tap0");
	assert_string_equal(text_of(&net->outbound4), "127.0.0.1");
	slirp4netns_free(&l.cfg);
	must_fail("slirp4netns --outbound-addr=::1 1 tap0",
		  "outbound-addr has to be valid ipv4 address or interface "
		  "name",
		  false);
	must_fail("slirp4netns --outbound-addr6=192.0.2.1 1 tap0",
		  "outbound-addr6 has to be valid ipv6", false);
}

static void small_mtus_have_no_ipv6(void **state)
{
	struct line l = { 0 };

	(void)state;
	must_parse(&l, "slirp4netns -c -6 -m 1279 1 tap0");
	assert_false(l.cfg.uplink.net.plan.has_ipv6);
	assert_non_null(strstr(l.words.said, "too small for IPv6"));
	slirp4netns_free(&l.cfg);
	must_parse(&l, "slirp4netns -c -6 -m 1280 1 tap0");
	assert_true(l.cfg.uplink.net.plan.has_ipv6);
	slirp4netns_free(&l.cfg);
}

static void help_and_version_need_nothing_else(void **state)
{
	struct line l = { 0 };

	(void)state;
	must_parse(&l, "slirp4netns --help");
	assert_int_equal(l.cfg.what, SLIRP4NETNS_HELP);
	slirp4netns_free(&l.cfg);
	must_parse(&l, "slirp4netns nonsense -c -v --nonsense");
	assert_int_equal(l.cfg.what, SLIRP4NETNS_VERSION);
	slirp4netns_free(&l.cfg);
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *text, *why;
		bool usage;
	} cases[] = {
		{ "slirp4netns", "are needed", true },
		{ "slirp4netns 1", "are needed", true },
		{ "slirp4netns 1x tap0", "PID must be", true },
		{ "slirp4netns 99999999999 tap0", "PID must be", true },
		{ "slirp4netns 1 lo", "TAPNAME", true },
		{ "slirp4netns 1 a/b", "TAPNAME", true },
		{ "slirp4netns 1 tap%d", "TAPNAME", true },
		{ "slirp4netns -m 87 1 tap0", "MTU 87: not supported", true },
		{ "slirp4netns -m 65522 1 tap0", "MTU must be", true },
		{ "slirp4netns -e 2147483648 1 tap0", "exit-fd must be", true },
		{ "slirp4netns -r 1x 1 tap0", "ready-fd must be", true },
		{ "slirp4netns --target-type=bess /s", "not supported", true },
		{ "slirp4netns --macaddress=2:0:0:0:0:1 1 tap0",
		  "--macaddr cannot be specified", true },
		{ "slirp4netns --cidr=10.0.2.0/33 1 tap0", "invalid CIDR",
		  false },
		{ "slirp4netns --cidr=10.0.2.0/26 1 tap0", "prefix length",
		  false },
		{ "slirp4netns --cidr=10.0.2.1/25 1 tap0", "network address",
		  false },
		{ "slirp4netns --cidr=fd00::/24 1 tap0", "invalid CIDR",
		  false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		must_fail(cases[i].text, cases[i].why, cases[i].usage);
}

static void too_many_words_are_a_warning(void **state)
{
	struct line l = { 0 };

	(void)state;
	must_parse(&l, "slirp4netns --create-sandbox 1 tap0 and more");
	assert_non_null(strstr(l.out, "too many arguments"));
	assert_non_null(strstr(l.out, "--create-sandbox is deprecated, please "
				      "use --enable-sandbox"));
	slirp4netns_free(&l.cfg);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test(fn)
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_those_of_slirp4netns),
		TEST(options_and_words_come_in_any_order),
		TEST(what_engines_pass_is_taken),
		TEST(an_unknown_type_means_a_path),
		TEST(macs_may_be_short_but_must_be_some_ones),
		TEST(outbound_addresses_are_of_their_family),
		TEST(small_mtus_have_no_ipv6),
		TEST(help_and_version_need_nothing_else),
		TEST(mistakes_are_told),
		TEST(too_many_words_are_a_warning),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
