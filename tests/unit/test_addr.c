// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses: text, classes, networks, endpoints. */
#include "netstack/base/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "netstack/base/list.h"

static struct ip ip(const char *s)
{
	struct ip out;

	if (ip_parse(s, &out))
		fail_msg("%s", s);
	return out;
}

static void is_text(const struct ip *a, const char *want)
{
	char buf[ADDR_TEXT_MAX];

	assert_string_equal(ip_format(a, buf), want);
}

static void ip_parse_takes_both_families_and_brackets(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "[::]", "::" },
		{ "2001:DB8:0:0::1", "2001:db8::1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888",
		  "1111:2222:3333:4444:5555:6666:7777:8888" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip a = ip(t[i].in);

		is_text(&a, t[i].out);
		assert_int_equal(ip_len(&a), strchr(t[i].out, ':') ? 16 : 4);
	}
}

static void ip_parse_refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"256.1.1.1",
		"1.2.3.4 ",
		" 1.2.3.4",
		"01.2.3.4x",
		"0x7f.1.1.1",
		"[1.2.3.4]",
		"[]",
		"[",
		"]",
		"[::1",
		"::1]",
		"[[::1]]",
		":",
		":::",
		"1::2::3",
		"fe80::1%lo",
		"[::1]:80",
		"::1/64",
		"localhost",
		"g::1",
		"1:2:3:4:5:6",
		"12345::1",
		"::1.2.3.4.5",
		"1.2.3.4:80",
		"11111111111111111111111111111111111111111111111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ip a = { .family = 77 };

		if (ip_parse(bad[i], &a) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(a.family, 77);
	}
}

static void ip_format_of_no_address_is_a_question_mark(void **state)
{
	struct ip none = { 0 };

	(void)state;
	is_text(&none, "?");
}

static void ip_equal_is_false_across_families(void **state)
{
	struct ip a = ip("10.0.2.2"), b = ip("10.0.2.2"), c = ip("10.0.2.3");
	struct ip any4 = ip("0.0.0.0"), any6 = ip("::");

	(void)state;
	assert_true(ip_equal(&a, &b));
	assert_false(ip_equal(&a, &c));
	assert_true(ip_equal(&any6, &any6));
	assert_false(ip_equal(&any4, &any6));
}

static void ip_in_net_compares_exactly_the_prefix(void **state)
{
	static const struct {
		const char *ip, *net;
		unsigned int prefix;
		bool in;
	} t[] = {
		{ "10.0.2.100", "10.0.2.0", 24, true },
		{ "10.0.3.100", "10.0.2.0", 24, false },
		{ "10.0.2.127", "10.0.2.0", 25, true },
		{ "10.0.2.128", "10.0.2.0", 25, false },
		{ "10.0.2.1", "10.0.2.1", 32, true },
		{ "10.0.2.2", "10.0.2.1", 32, false },
		{ "1.2.3.4", "0.0.0.0", 0, true },
		{ "127.255.255.255", "0.0.0.0", 1, true },
		{ "128.0.0.0", "0.0.0.0", 1, false },
		{ "fd00::1", "fd00::", 64, true },
		{ "fd00::1:0:0:0:1", "fd00::", 64, false },
		{ "::1", "::1", 128, true },
		{ "::2", "::1", 128, false },
		{ "fe80::1", "10.0.2.0", 0, false },
		{ "10.0.2.1", "::", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip a = ip(t[i].ip), net = ip(t[i].net);

		if (ip_in_net(&a, &net, t[i].prefix) != t[i].in)
			fail_msg("%s in %s/%u", t[i].ip, t[i].net, t[i].prefix);
	}
}

static void ip_unmap_takes_the_disguise_off_ipv4(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "::ffff:1.2.3.4", "1.2.3.4" },
		{ "::ffff:0:0", "0.0.0.0" },
		{ "::1.2.3.4", "::1.2.3.4" },
		{ "64:ff9b::1.2.3.4", "64:ff9b::102:304" },
		{ "::1", "::1" },
		{ "1.2.3.4", "1.2.3.4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip a = ip(t[i].in), b = ip_unmap(&a);

		is_text(&b, t[i].out);
	}
}

static void ip_classes_follow_their_prefixes(void **state)
{
	static const struct {
		const char *ip;
		bool any, loopback, linklocal, multicast;
	} t[] = {
		{ "0.0.0.0", true, false, false, false },
		{ "0.0.0.1", false, false, false, false },
		{ "::", true, false, false, false },
		{ "126.255.255.255", false, false, false, false },
		{ "127.0.0.0", false, true, false, false },
		{ "127.255.255.255", false, true, false, false },
		{ "128.0.0.0", false, false, false, false },
		{ "::1", false, true, false, false },
		{ "::2", false, false, false, false },
		{ "169.253.255.255", false, false, false, false },
		{ "169.254.0.0", false, false, true, false },
		{ "169.254.255.255", false, false, true, false },
		{ "169.255.0.0", false, false, false, false },
		{ "fe7f::1", false, false, false, false },
		{ "fe80::1", false, false, true, false },
		{ "febf::1", false, false, true, false },
		{ "fec0::1", false, false, false, false },
		{ "223.255.255.255", false, false, false, false },
		{ "224.0.0.0", false, false, false, true },
		{ "239.255.255.255", false, false, false, true },
		{ "240.0.0.0", false, false, false, false },
		{ "feff::1", false, false, false, false },
		{ "ff00::", false, false, false, true },
		{ "ff02::1", false, false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip a = ip(t[i].ip);

		if (ip_is_any(&a) != t[i].any ||
		    ip_is_loopback(&a) != t[i].loopback ||
		    ip_is_linklocal(&a) != t[i].linklocal ||
		    ip_is_multicast(&a) != t[i].multicast)
			fail_msg("%s", t[i].ip);
	}
}

static void ip_bytes_are_in_network_order(void **state)
{
	const uint8_t want4[] = { 1, 2, 3, 4 };
	const uint8_t want6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct ip a = ip("1.2.3.4"), b = ip("2001:db8::1");

	(void)state;
	assert_memory_equal(ip_bytes(&a), want4, 4);
	assert_memory_equal(ip_bytes(&b), want6, 16);
}

static void endpoint_gives_back_what_it_was_made_of(void **state)
{
	static const struct {
		const char *ip, *text;
		uint16_t port;
	} t[] = {
		{ "192.0.2.1", "192.0.2.1:80", 80 },
		{ "0.0.0.0", "0.0.0.0:0", 0 },
		{ "2001:db8::1", "[2001:db8::1]:65535", 65535 },
		{ "::", "[::]:8080", 8080 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888",
		  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", 65535 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip a = ip(t[i].ip), back;
		union endpoint ep = endpoint_make(&a, t[i].port);
		char buf[ADDR_TEXT_MAX];

		back = endpoint_ip(&ep);
		assert_true(ip_equal(&a, &back));
		assert_int_equal(endpoint_port(&ep), t[i].port);
		assert_string_equal(endpoint_format(&ep, buf), t[i].text);
		assert_int_equal(endpoint_len(&ep),
				 a.family == AF_INET
					 ? sizeof(struct sockaddr_in)
					 : sizeof(struct sockaddr_in6));
	}
}

static void endpoint_ip_unmaps_an_ipv4_client_of_a_dual_socket(void **state)
{
	struct ip mapped = ip("::ffff:192.0.2.1"), a;
	union endpoint ep = endpoint_make(&mapped, 80);
	char buf[ADDR_TEXT_MAX];

	(void)state;
	a = endpoint_ip(&ep);
	is_text(&a, "192.0.2.1");
	assert_int_equal(endpoint_port(&ep), 80);
	assert_string_equal(endpoint_format(&ep, buf), "192.0.2.1:80");
}

static void cidr_parse_wants_a_network_of_its_family(void **state)
{
	static const struct {
		const char *s;
		int family, rc;
		const char *net;
		unsigned int prefix;
	} t[] = {
		{ "10.0.2.0/24", AF_INET, 0, "10.0.2.0", 24 },
		{ "0.0.0.0/0", AF_INET, 0, "0.0.0.0", 0 },
		{ "10.0.2.128/25", AF_INET, 0, "10.0.2.128", 25 },
		{ "10.0.2.1/32", AF_INET, 0, "10.0.2.1", 32 },
		{ "fd00::/64", AF_INET6, 0, "fd00::", 64 },
		{ "::/0", AF_INET6, 0, "::", 0 },
		{ "::1/128", AF_INET6, 0, "::1", 128 },
		{ "10.0.2.1/24", AF_INET, -ERANGE, NULL, 0 },
		{ "10.0.2.128/24", AF_INET, -ERANGE, NULL, 0 },
		{ "0.0.0.1/0", AF_INET, -ERANGE, NULL, 0 },
		{ "fd00::1/64", AF_INET6, -ERANGE, NULL, 0 },
		{ "10.0.2.0/24", AF_INET6, -EINVAL, NULL, 0 },
		{ "fd00::/64", AF_INET, -EINVAL, NULL, 0 },
		{ "10.0.2.0", AF_INET, -EINVAL, NULL, 0 },
		{ "10.0.2.0/", AF_INET, -EINVAL, NULL, 0 },
		{ "/24", AF_INET, -EINVAL, NULL, 0 },
		{ "10.0.2.0/33", AF_INET, -EINVAL, NULL, 0 },
		{ "fd00::/129", AF_INET6, -EINVAL, NULL, 0 },
		{ "10.0.2.0/-1", AF_INET, -EINVAL, NULL, 0 },
		{ "10.0.2.0/24/", AF_INET, -EINVAL, NULL, 0 },
		{ "10.0.2.0/255.255.255.0", AF_INET, -EINVAL, NULL, 0 },
		{ "[fd00::]/64", AF_INET6, -EINVAL, NULL, 0 },
		{ "", AF_INET, -EINVAL, NULL, 0 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/64",
		  AF_INET6, -EINVAL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip net = { 0 };
		unsigned int prefix = 777;

		if (cidr_parse(t[i].s, t[i].family, &net, &prefix) != t[i].rc)
			fail_msg("%s", t[i].s);
		assert_int_equal(prefix, t[i].rc ? 777 : t[i].prefix);
		if (!t[i].rc)
			is_text(&net, t[i].net);
	}
}

static void ip_offset_carries_into_higher_bytes(void **state)
{
	static const struct {
		const char *net;
		uint32_t n;
		const char *want;
	} t[] = {
		{ "10.0.2.0", 0, "10.0.2.0" },
		{ "10.0.2.0", 100, "10.0.2.100" },
		{ "10.0.2.128", 100, "10.0.2.228" },
		{ "10.0.2.200", 100, "10.0.3.44" },
		{ "10.0.255.255", 1, "10.1.0.0" },
		{ "0.0.0.0", 0x01020304, "1.2.3.4" },
		{ "fd00::", 0x100, "fd00::100" },
		{ "fd00::ffff", 1, "fd00::1:0" },
		{ "fd00::ffff:ffff:ffff:ffff", 1, "fd00:0:0:1::" },
		{ "fd00::", UINT32_MAX, "fd00::ffff:ffff" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct ip net = ip(t[i].net), got = ip_offset(&net, t[i].n);

		is_text(&got, t[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_parse_takes_both_families_and_brackets),
		cmocka_unit_test(ip_parse_refuses_everything_else),
		cmocka_unit_test(ip_format_of_no_address_is_a_question_mark),
		cmocka_unit_test(ip_equal_is_false_across_families),
		cmocka_unit_test(ip_in_net_compares_exactly_the_prefix),
		cmocka_unit_test(ip_unmap_takes_the_disguise_off_ipv4),
		cmocka_unit_test(ip_classes_follow_their_prefixes),
		cmocka_unit_test(ip_bytes_are_in_network_order),
		cmocka_unit_test(endpoint_gives_back_what_it_was_made_of),
		cmocka_unit_test(
			endpoint_ip_unmaps_an_ipv4_client_of_a_dual_socket),
		cmocka_unit_test(cidr_parse_wants_a_network_of_its_family),
		cmocka_unit_test(ip_offset_carries_into_higher_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
