// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Published ports: a table of texts with their canonical form, a table of
 * malformed texts with the reason a person gets, and the law that the parser
 * takes back whatever the formatter wrote.
 */
#include "portfwd/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "netstack/base/list.h"

static const struct good {
	const char *text, *canonical;
} good[] = {
	{ "80", "80/tcp" },
	{ "80/tcp", "80/tcp" },
	{ "80/udp", "80/udp" },
	{ "0:80", "80/tcp" },
	{ "00080", "80/tcp" },
	{ "8080:80", "8080:80/tcp" },
	{ "8080:80/udp", "8080:80/udp" },
	{ "1:65535", "1:65535/tcp" },
	{ "65535:1", "65535:1/tcp" },
	{ "8000-8010", "8000-8010/tcp" },
	{ "0:8000-8010", "8000-8010/tcp" },
	{ "80-80", "80/tcp" },
	{ "9000-9010:8000-8010", "9000-9010:8000-8010/tcp" },
	{ "1-65535:1-65535", "1-65535:1-65535/tcp" },
	{ "1-65535", "1-65535/tcp" },
	{ "127.0.0.1:80", "127.0.0.1::80/tcp" },
	{ "127.0.0.1::80", "127.0.0.1::80/tcp" },
	{ "127.0.0.1:0:80", "127.0.0.1::80/tcp" },
	{ "127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp" },
	{ "127.0.0.1:90-92:80-82/udp", "127.0.0.1:90-92:80-82/udp" },
	{ "127.0.0.1:80-82", "127.0.0.1::80-82/tcp" },
	{ "0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp" },
	{ "169.254.7.7:8080:80", "169.254.7.7:8080:80/tcp" },
	{ "[::]:80", "[::]::80/tcp" },
	{ "[::]::80", "[::]::80/tcp" },
	{ "[::1]:8080:80", "[::1]:8080:80/tcp" },
	{ "[2001:DB8:0::1]:8080:80", "[2001:db8::1]:8080:80/tcp" },
	{ "[::ffff:127.0.0.1]:8080:80", "127.0.0.1:8080:80/tcp" },
	{ "%eth0:80", "%eth0::80/tcp" },
	{ "%eth0::80", "%eth0::80/tcp" },
	{ "%eth0:8080:80/udp", "%eth0:8080:80/udp" },
	{ "%eth0.100:8080:80", "%eth0.100:8080:80/tcp" },
	{ "%fifteen-chars-i:1:1", "%fifteen-chars-i:1:1/tcp" },
	{ "80,source=keep", "80/tcp" },
	{ "80,source=off", "80/tcp,source=off" },
	{ "80/udp,source=off", "80/udp,source=off" },
	{ "80,proxy=v1", "80/tcp,proxy=v1" },
	{ "80/tcp,proxy=v2", "80/tcp,proxy=v2" },
	{ "80,max=1", "80/tcp,max=1" },
	{ "80,max=4294967295", "80/tcp,max=4294967295" },
	{ "53/udp,idle=30", "53/udp,idle=30" },
	{ "53/udp,idle=86400,max=7", "53/udp,max=7,idle=86400" },
	{ "[::]:81-82:83-84,max=9,proxy=v2,source=off",
	  "[::]:81-82:83-84/tcp,source=off,proxy=v2,max=9" },
};

static const struct bad {
	const char *text, *reason; /* a part of it */
} bad[] = {
	{ "", "no port" },
	{ ",", "no port" },
	{ ",max=1", "no port" },
	{ "/tcp", "no pod port" },
	{ "0", "pod port 0 is not in 1..65535" },
	{ "8080:0", "pod port 0 is not in 1..65535" },
	{ "65536", "pod port 65536" },
	{ "65536:80", "host port 65536 is not in 0..65535" },
	{ "99999999999999999999999:80", "host port 9999" },
	{ "http", "'http' is no pod port" },
	{ "8080:http", "'http' is no pod port" },
	{ "http:80", "'http' is no host port" },
	{ "+80", "'+80' is no pod port" },
	{ "-80", "lacks an end" },
	{ "80-", "lacks an end" },
	{ "-", "lacks an end" },
	{ "80-:80-81", "lacks an end" },
	{ " 80", "is no pod port" },
	{ "80 ", "is no pod port" },
	{ "0x50", "is no pod port" },
	{ "80\n", "is no pod port" },
	{ ":80", "no host port before ':'" },
	{ "8080:", "no pod port" },
	{ ":", "no host port before ':'" },
	{ "::", "too many colons" },
	{ "1:2:3", "'1' is no address" },
	{ "localhost:8080:80", "'localhost' is no address" },
	{ "1:2:3:4", "in brackets" },
	{ "::1:8080:80", "in brackets" },
	{ "fe80::1:8080:80", "in brackets" },
	{ "127.0.0.1", "no pod port" },
	{ "127.0.0.1:", "no pod port" },
	{ "127.0.0.1::", "no pod port" },
	{ "127.0.0.1:80:", "no pod port" },
	{ "127.0.0.1:1:2:3", "too many colons" },
	{ "127.0.0.256:80", "is no address" },
	{ "127.1:80", "is no address" },
	{ "example.org:8080:80", "'example.org' is no address" },
	{ "224.0.0.1:80", "multicast" },
	{ "[ff02::1]:80", "multicast" },
	{ "[fe80::1]:80", "%INTERFACE instead" },
	{ "[fe80::1%eth0]:80", "%INTERFACE alone" },
	{ "127.0.0.1%lo:80", "%INTERFACE alone" },
	{ "[::1", "'[' without ']'" },
	{ "[::1]", "no pod port" },
	{ "[::1]80", "':' expected" },
	{ "[]:80", "is no address" },
	{ "[127.0.0.1]:80", "is no address" },
	{ "[:::1]:80", "is no address" },
	{ "%:80", "no interface name" },
	{ "%eth0", "no pod port" },
	{ "%eth0:", "no pod port" },
	{ "%sixteen-charact0:80", "too long" },
	{ "%et h0:80", "no interface name" },
	{ "90-80", "runs backwards" },
	{ "90-80:80-90", "the host port range 90-80 runs backwards" },
	{ "0-5:80-85", "host port 0 is not in 1..65535" },
	{ "0-5", "pod port 0 is not in 1..65535" },
	{ "65530-65536", "pod port 65536" },
	{ "1-2-3", "'2-3' is no pod port" },
	{ "8080-8081:80", "2 host ports but 1 pod ports" },
	{ "8080:80-81", "equal length" },
	{ "80/", "unknown protocol ''" },
	{ "80/sctp", "sctp can't be published" },
	{ "80/TCP", "unknown protocol 'TCP'" },
	{ "80/tcp/udp", "no pod port" },
	{ "80,", "nothing between" },
	{ "80,,max=1", "nothing between" },
	{ "80,max=1,", "nothing between" },
	{ "80,max", "option 'max' has no value" },
	{ "80,max=", "max= is not a number" },
	{ "80,max=0", "max=0 is not a number of at least 1" },
	{ "80,max=4294967296", "max=4294967296" },
	{ "80,max=1k", "max=1k" },
	{ "80,max=1,max=1", "max= is given twice" },
	{ "80,source=off,source=off", "source= is given twice" },
	{ "80,source=", "source= is not keep or off" },
	{ "80,source=no", "source=no is not keep or off" },
	{ "80,proxy=v3", "proxy=v3 is not v1 or v2" },
	{ "80/udp,proxy=v2", "proxy= is for tcp only" },
	{ "80,idle=5", "idle= is for udp only" },
	{ "80/udp,idle=0", "idle=0 is not in 1..86400" },
	{ "80/udp,idle=86401", "idle=86401" },
	{ "80,color=red", "unknown option 'color'" },
	{ "80,=1", "unknown option ''" },
};

static void must_parse(const char *text, struct spec *out)
{
	char err[SPEC_ERR_MAX] = "";

	if (spec_parse(text, out, err))
		fail_msg("%s: %s", text, err);
}

static void spec_parses_and_writes_every_form_of_the_manual(void **state)
{
	char buf[SPEC_TEXT_MAX];
	struct spec spec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		must_parse(good[i].text, &spec);
		assert_string_equal(spec_format(&spec, buf, sizeof(buf)),
				    good[i].canonical);
	}
}

static void spec_gives_a_reason_for_each_malformed_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char err[SPEC_ERR_MAX] = "";
		struct spec spec = { .count = 77 };

		if (spec_parse(bad[i].text, &spec, err) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i].text);
		if (!strstr(err, bad[i].reason))
			fail_msg("'%s': '%s' lacks '%s'", bad[i].text, err,
				 bad[i].reason);
		assert_int_equal(spec.count, 77);
	}
}

static void spec_reason_of_a_huge_text_fits_its_buffer(void **state)
{
	static const char *const head[] = { "",	   "%",	      "[",	  "80/",
					    "80,", "80,max=", "1.1.1.1:", "1.",
					    "0-",  "1:1:" };
	char text[4096], err[SPEC_ERR_MAX + 1];
	struct spec spec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(head); i++) {
		memset(text, 'x', sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		memcpy(text, head[i], strlen(head[i]));
		memset(err, '!', sizeof(err));
		assert_int_equal(spec_parse(text, &spec, err), -EINVAL);
		assert_int_equal(err[SPEC_ERR_MAX], '!');
		assert_true(strlen(err) > 5 && strlen(err) < SPEC_ERR_MAX - 1);
	}
}

static bool same(const struct spec *a, const struct spec *b)
{
	return a->proto == b->proto &&
	       a->host_addr.family == b->host_addr.family &&
	       (!a->host_addr.family ||
		ip_equal(&a->host_addr, &b->host_addr)) &&
	       strcmp(a->ifname, b->ifname) == 0 &&
	       a->host_port == b->host_port && a->pod_port == b->pod_port &&
	       a->count == b->count && a->source == b->source &&
	       a->proxy == b->proxy && a->max_flows == b->max_flows &&
	       a->idle_s == b->idle_s;
}

static void roundtrip(const struct spec *spec)
{
	char buf[SPEC_TEXT_MAX];
	struct spec again;

	must_parse(spec_format(spec, buf, sizeof(buf)), &again);
	if (!same(spec, &again))
		fail_msg("%s came back different", buf);
}

/* The options that make sense with the protocol, all combinations. */
static void roundtrip_options(struct spec spec)
{
	for (unsigned int bits = 0; bits < 8; bits++) {
		spec.source = bits & 1 ? SPEC_SOURCE_OFF : SPEC_SOURCE_KEEP;
		spec.max_flows = bits & 2 ? UINT32_MAX : 0;
		if (spec.proto == SPEC_UDP)
			spec.idle_s = bits & 4 ? 86400 : 0;
		for (int p = SPEC_PROXY_NONE; p <= SPEC_PROXY_V2; p++) {
			spec.proxy = spec.proto == SPEC_TCP ? (enum spec_proxy)p
							    : SPEC_PROXY_NONE;
			roundtrip(&spec);
		}
	}
}

static void spec_parser_takes_back_what_the_formatter_wrote(void **state)
{
	static const char *const addrs[] = {
		"",	     "0.0.0.0",
		"127.0.0.1", "255.255.255.255",
		"::",	     "2001:db8::1",
		"::1",	     "2001:db8:1111:2222:3333:4444:5555:6666",
		"%eth0",     "%fifteen-chars-i",
	};
	static const uint16_t hosts[] = { 0, 1, 80, 1023, 40000, 65535 };
	static const uint16_t counts[] = { 1, 2, 100, 25536, 65535 };

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(addrs); a++) {
		struct spec spec = { 0 };

		if (addrs[a][0] == '%')
			strcpy(spec.ifname, addrs[a] + 1);
		else if (addrs[a][0])
			assert_int_equal(ip_parse(addrs[a], &spec.host_addr),
					 0);
		for (size_t i = 0;
		     i < ARRAY_SIZE(hosts) * ARRAY_SIZE(counts) * 4; i++) {
			spec.host_port = hosts[i % ARRAY_SIZE(hosts)];
			spec.count = counts[i / ARRAY_SIZE(hosts) %
					    ARRAY_SIZE(counts)];
			spec.proto = i & 1 ? SPEC_UDP : SPEC_TCP;
			spec.idle_s = 0;
			spec.pod_port =
				i & 2 ? 1 : (uint16_t)(65536 - spec.count);
			if (spec.host_port + spec.count <= 65536)
				roundtrip_options(spec);
		}
	}
}

static void spec_text_is_cut_but_terminated_in_a_small_buffer(void **state)
{
	char whole[SPEC_TEXT_MAX], buf[SPEC_TEXT_MAX];
	struct spec spec;

	(void)state;
	must_parse("[2001:db8:1111:2222:3333:4444:5555:6666]:10000-19999:10000-"
		   "19999/tcp,source=off,proxy=v2,max=4294967295",
		   &spec);
	spec_format(&spec, whole, sizeof(whole));
	assert_true(strlen(whole) < sizeof(whole) - 1);
	for (size_t cap = 1; cap <= strlen(whole) + 1; cap++) {
		memset(buf, '!', sizeof(buf));
		spec_format(&spec, buf, cap);
		assert_int_equal(strlen(buf), cap - 1);
		assert_memory_equal(buf, whole, cap - 1);
		assert_int_equal(buf[cap], '!');
	}
}

static void spec_conflict_follows_the_rules_of_the_kernel(void **state)
{
	static const struct {
		const char *a, *b;
		bool conflict;
	} t[] = {
		{ "8080:80", "8080:81", true },
		{ "8080:80", "8081:80", false },
		{ "8080:80", "8080:80/udp", false },
		{ "8080:80/udp", "8080:80/udp", true },
		{ "80", "80", false },
		{ "8080:80", "8080", false },
		{ "8000-8010:1-11", "8010:80", true },
		{ "8000-8010:1-11", "8011:80", false },
		{ "65535:1", "65530-65535:1-6", true },
		{ "8080:80", "0.0.0.0:8080:80", true },
		{ "8080:80", "[::]:8080:80", true },
		{ "8080:80", "127.0.0.1:8080:80", true },
		{ "8080:80", "%eth0:8080:80", true },
		{ "127.0.0.1:8080:80", "%eth0:8080:80", true },
		{ "%eth0:8080:80", "%eth0:8080:80", true },
		{ "%eth0:8080:80", "%eth1:8080:80", false },
		{ "0.0.0.0:8080:80", "[::]:8080:80", false },
		{ "0.0.0.0:8080:80", "127.0.0.1:8080:80", true },
		{ "127.0.0.2:8080:80", "127.0.0.1:8080:80", false },
		{ "127.0.0.1:8080:80", "127.0.0.1:8080:80", true },
		{ "[::]:8080:80", "[::1]:8080:80", true },
		{ "127.0.0.1:8080:80", "[::1]:8080:80", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct spec a, b;

		must_parse(t[i].a, &a);
		must_parse(t[i].b, &b);
		if (spec_conflicts(&a, &b) != t[i].conflict ||
		    spec_conflicts(&b, &a) != t[i].conflict)
			fail_msg("%s and %s", t[i].a, t[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			spec_parses_and_writes_every_form_of_the_manual),
		cmocka_unit_test(spec_gives_a_reason_for_each_malformed_text),
		cmocka_unit_test(spec_reason_of_a_huge_text_fits_its_buffer),
		cmocka_unit_test(
			spec_parser_takes_back_what_the_formatter_wrote),
		cmocka_unit_test(
			spec_text_is_cut_but_terminated_in_a_small_buffer),
		cmocka_unit_test(spec_conflict_follows_the_rules_of_the_kernel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
