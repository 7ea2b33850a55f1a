// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What may reach user space's TCP/IP. Whatever connect() on the host would
 * take for the host itself must not.
 */
#include "netstack/policy.h"

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
#include "tests/unit/packet.h"

enum { TCP = IPPROTO_TCP, UDP = IPPROTO_UDP };

static const char *source_for(const char *dst)
{
	return strchr(dst, ':') ? "fd00::100" : "10.0.2.100";
}

static bool allowed(const char *dst, uint8_t proto, uint16_t dport,
		    bool host_loopback)
{
	struct pkt s = { source_for(dst), dst,	 proto,
			 40000,		  dport, FRAME_TCP_SYN };
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	return policy_allows(&f, &plan, host_loopback);
}

/* TCP, UDP and ping; 'y' and 'n' in this order */
static void expect(const char *dst, uint16_t dport, const char *want)
{
	uint8_t icmp = strchr(dst, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	const uint8_t protos[3] = { TCP, UDP, icmp };

	for (int i = 0; i < 6; i++)
		if (allowed(dst, protos[i % 3], dport, i > 2) !=
		    (want[i % 3] == 'y'))
			fail_msg("%s, protocol %u, port %u, host loopback %d",
				 dst, protos[i % 3], dport, i > 2);
}

static void world_is_allowed(void **state)
{
	(void)state;
	expect("198.51.100.7", 80, "yyy");
	expect("8.8.8.8", 53, "yyy");
	expect("1.0.0.0", 1, "yyy");
	expect("126.255.255.255", 1, "yyy");
	expect("128.0.0.0", 1, "yyy");
	expect("192.168.1.1", 69, "yyy"); /* TFTP, but not libslirp's */
	expect("223.255.255.255", 1, "yyy");
	expect("2001:db8::7", 80, "yyy");
	expect("64:ff9b::7f00:1", 80, "yyy"); /* NAT64: no host does it */
	expect("fd01::1", 80, "yyy");
}

static void every_spelling_of_the_hosts_loopback_is_refused(void **state)
{
	static const char *const t[] = {
		"127.0.0.1",
		"127.0.0.0",
		"127.1.2.3",
		"127.255.255.255",
		"0.0.0.0",
		"0.0.0.1",
		"0.255.255.255",
		"::",
		"::1",
		"::2",
		"::127.0.0.1",
		"::10.0.2.2",
		"::ffff:0.0.0.0",
		"::ffff:127.0.0.1",
		"::ffff:127.8.9.10",
		"::ffff:10.0.2.2",
		"::ffff:198.51.100.7",
		"::ffff:ffff:ffff",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		expect(t[i], 80, "nnn");
		expect(t[i], 53, "nnn");
		expect(t[i], 67, "nnn");
	}
	/* neighbours of the mapped prefix are addresses like others */
	expect("::fffe:127.0.0.1", 80, "yyy");
	expect("::1:ffff:127.0.0.1", 80, "yyy");
	expect("1::1", 80, "yyy");
}

static void options_and_fragments_do_not_get_around_it(void **state)
{
	static const uint8_t ext[] = { TCP, 0, 1, 4, 0, 0, 0, 0 };
	const struct pkt t[] = {
		{ "10.0.2.100", "127.0.0.1", TCP, 1, 2, .opt = 8 },
		{ "10.0.2.100", "127.0.0.1", TCP, 1, 2, .frag = 0x2000 },
		{ "10.0.2.100", "0.0.0.0", UDP, 1, 67, .frag = 0x0010 },
		{ "fd00::100", "::1", TCP, 1, 2, .ext = ext, .ext_len = 8 },
	};
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f = pkt_frame(buf, &t[i]);

		assert_false(policy_allows(&f, &plan, false));
		assert_false(policy_allows(&f, &plan, true));
	}
}

static void gateway_is_reachable_but_tftp_is_not(void **state)
{
	(void)state;
	expect("10.0.2.2", 80, "yyy");
	expect("10.0.2.2", 67, "yyy");
	expect("10.0.2.2", 69, "yny");
	expect("fd00::2", 80, "yyy");
	expect("fd00::2", 69, "yny");
}

/*
 * Queries don't come this far where we serve DNS: netstack.c takes them.
 * libslirp would ask the host's own 127.0.0.1 in their place.
 */
static void dns_address_answers_pings_and_nothing_else(void **state)
{
	static const uint16_t ports[] = { 0, 53, 67, 80, 853, 65535 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		expect("10.0.2.3", ports[i], "nny");
		expect("fd00::3", ports[i], "nny");
	}
}

/* Ports are in the first fragment alone, and libslirp puts them together. */
static void fragments_reach_the_gateway_with_host_loopback_alone(void **state)
{
	static const uint8_t first[] = { UDP, 0, 0, 1, 0, 0, 0, 1 };
	static const uint8_t later[] = { UDP, 0, 0, 0x08, 0, 0, 0, 1 };
	static const struct {
		const char *dst;
		bool closed, open; /* without and with host loopback */
	} t[] = {
		{ "10.0.2.2", false, true },	{ "10.0.2.3", false, false },
		{ "10.0.2.4", false, false },	{ "fd00::2", false, true },
		{ "fd00::3", false, false },	{ "fd00::4", false, false },
		{ "198.51.100.7", true, true }, { "2001:db8::7", true, true },
	};
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t) * 2; i++) {
		const char *dst = t[i / 2].dst;
		struct pkt s = { source_for(dst),
				 dst,
				 UDP,
				 40000,
				 53,
				 .data = 8,
				 .frag = i % 2 ? 0x0001 : 0x2000,
				 .ext_first = 44,
				 .ext = i % 2 ? later : first,
				 .ext_len = strchr(dst, ':') ? 8 : 0 };
		struct frame f = pkt_frame(buf, &s);

		assert_true(f.is_fragment);
		assert_int_equal(policy_allows(&f, &plan, false),
				 t[i / 2].closed);
		assert_int_equal(policy_allows(&f, &plan, true), t[i / 2].open);
	}
}

static void rest_of_the_pods_own_subnets_is_refused(void **state)
{
	(void)state;
	expect("10.0.2.1", 80, "nnn");
	expect("10.0.2.100", 80, "nnn");
	expect("10.0.2.0", 80, "nnn");
	expect("10.0.1.255", 80, "yyy");
	expect("10.0.3.0", 80, "yyy");
	expect("fd00::100", 80, "nny"); /* neighbour discovery */
	expect("fd00::1:2:3", 80, "nny");
}

static void broadcast_is_for_dhcp_alone(void **state)
{
	(void)state;
	expect("255.255.255.255", 67, "nyn");
	expect("10.0.2.255", 67, "nyn");
	expect("255.255.255.255", 69, "nnn");
	expect("10.0.2.255", 53, "nnn");
	expect("255.255.255.254", 67, "nnn");
	expect("240.0.0.1", 80, "nnn");
}

static void multicast_takes_no_tcp(void **state)
{
	(void)state;
	expect("224.0.0.1", 80, "nyy");
	expect("239.255.255.250", 1900, "nyy");
	expect("ff02::1", 80, "nyy");
	expect("ff02::1:ff00:2", 80, "nyy");
	expect("ff0e::1", 80, "nyy");
}

static void link_local_ipv6_is_for_neighbour_discovery_alone(void **state)
{
	(void)state;
	expect("fe80::2", 80, "nny");
	expect("fe80::1", 67, "nny");
	expect("febf::1", 80, "nny");
	expect("fec0::1", 80, "yyy");
}

static void link_local_ipv4_is_refused(void **state)
{
	(void)state;
	expect("169.254.0.0", 80, "nnn");
	expect("169.254.169.254", 80, "nnn");
	expect("169.254.169.254", 53, "nnn");
	expect("169.254.255.255", 67, "nnn");
	expect("169.253.255.255", 80, "yyy");
	expect("169.255.0.0", 80, "yyy");
}

static void other_protocols_are_refused(void **state)
{
	(void)state;
	for (unsigned int proto = 0; proto < 256; proto++) {
		bool want = proto == TCP || proto == UDP || proto == 1 ||
			    proto == 58;

		assert_int_equal(
			allowed("198.51.100.7", (uint8_t)proto, 80, true),
			want);
	}
	assert_false(allowed("2001:db8::7", 51, 80, false));  /* AH */
	assert_false(allowed("2001:db8::7", 132, 80, false)); /* SCTP */
}

static void frames_that_are_not_ip_are_refused_but_for_arp(void **state)
{
	struct podnet plan = pkt_plan();
	uint8_t buf[60] = { 0 };
	struct frame f;

	(void)state;
	for (unsigned int type = 0; type < 65536; type++) {
		if (type == 0x0800 || type == 0x86dd)
			continue;
		pkt_16(buf + 12, type);
		assert_true(frame_parse(buf, sizeof(buf), &f));
		assert_int_equal(policy_allows(&f, &plan, true),
				 type == 0x0806);
	}
}

static void pod_without_ipv6_sends_none(void **state)
{
	struct pkt s = { "fd00::100", "2001:db8::7", TCP, 1, 2 };
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	(void)state;
	assert_true(policy_allows(&f, &plan, false));
	plan.has_ipv6 = false;
	assert_false(policy_allows(&f, &plan, false));
}

static void prefixes_of_every_length_are_understood(void **state)
{
	struct pkt s = { "10.0.2.100", "10.0.2.1", TCP, 1, 2 };
	struct podnet plan = pkt_plan();
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	(void)state;
	for (unsigned int bits = 1; bits <= 32; bits++) {
		plan.prefix4 = bits;
		assert_int_equal(policy_allows(&f, &plan, false), bits > 31);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(world_is_allowed),
		cmocka_unit_test(
			every_spelling_of_the_hosts_loopback_is_refused),
		cmocka_unit_test(options_and_fragments_do_not_get_around_it),
		cmocka_unit_test(gateway_is_reachable_but_tftp_is_not),
		cmocka_unit_test(dns_address_answers_pings_and_nothing_else),
		cmocka_unit_test(
			fragments_reach_the_gateway_with_host_loopback_alone),
		cmocka_unit_test(rest_of_the_pods_own_subnets_is_refused),
		cmocka_unit_test(broadcast_is_for_dhcp_alone),
		cmocka_unit_test(multicast_takes_no_tcp),
		cmocka_unit_test(
			link_local_ipv6_is_for_neighbour_discovery_alone),
		cmocka_unit_test(link_local_ipv4_is_refused),
		cmocka_unit_test(other_protocols_are_refused),
		cmocka_unit_test(
			frames_that_are_not_ip_are_refused_but_for_arp),
		cmocka_unit_test(pod_without_ipv6_sends_none),
		cmocka_unit_test(prefixes_of_every_length_are_understood),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
