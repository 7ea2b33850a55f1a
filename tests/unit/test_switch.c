// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose is a frame of the pod: the hop's or libslirp's? */
#include "netstack/switch.h"

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
#include "netstack/base/hopudp.h"
#include "tests/unit/packet.h"

#define POD   "10.0.2.100"
#define WORLD "198.51.100.7"

enum {
	FIN = FRAME_TCP_FIN,
	SYN = FRAME_TCP_SYN,
	RST = FRAME_TCP_RST,
	ACK = FRAME_TCP_ACK,
};

struct fx {
	struct flow_switch *sw;
	struct podnet plan;
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	*state = fx;
	if (!fx)
		return -1;
	fx->plan = pkt_plan();
	return switch_new(&fx->sw, &fx->plan, true);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	assert_null(switch_free(fx->sw));
	assert_null(switch_free(NULL));
	free(fx);
	return 0;
}

static bool pod4(struct fx *fx, uint16_t sport, uint16_t dport, int flags)
{
	struct pkt s = {
		POD, WORLD, IPPROTO_TCP, sport, dport, (uint8_t)flags
	};
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	return switch_from_pod(fx->sw, &f, MONO_ZERO);
}

/* From @client of WORLD to the pod's @port */
static void hop4(struct fx *fx, uint16_t client, uint16_t port, int flags)
{
	struct pkt s = {
		WORLD, POD, IPPROTO_TCP, client, port, (uint8_t)flags
	};
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	(void)switch_from_hop(fx->sw, &f, MONO_ZERO);
}

static void flow_that_the_hop_opened_is_the_hops(void **state)
{
	struct fx *fx = *state;

	assert_false(pod4(fx, 80, 5000, SYN | ACK));
	hop4(fx, 5000, 80, SYN);
	assert_int_equal(switch_count(fx->sw), 1);
	assert_true(pod4(fx, 80, 5000, SYN | ACK));
	hop4(fx, 5000, 80, ACK);
	assert_true(pod4(fx, 80, 5000, ACK));
	/* any other tuple is not */
	assert_false(pod4(fx, 81, 5000, ACK));
	assert_false(pod4(fx, 80, 5001, ACK));
	assert_false(pod4(fx, 5000, 80, ACK));
}

static void flow_that_the_pod_opened_is_libslirps(void **state)
{
	struct fx *fx = *state;

	assert_false(pod4(fx, 40000, 80, SYN));
	hop4(fx, 80, 40000, SYN | ACK); /* not a first SYN: opens nothing */
	hop4(fx, 80, 40000, ACK);
	assert_false(pod4(fx, 40000, 80, ACK));
	assert_int_equal(switch_count(fx->sw), 0);
}

static void refused_flow_is_forgotten_at_once(void **state)
{
	struct fx *fx = *state;

	hop4(fx, 5000, 80, SYN);
	assert_true(pod4(fx, 80, 5000, RST | ACK)); /* itself is the hop's */
	assert_int_equal(switch_count(fx->sw), 0);
	assert_false(pod4(fx, 80, 5000, RST | ACK));
}

static void reset_by_the_hop_ends_a_flow(void **state)
{
	struct fx *fx = *state;

	hop4(fx, 5000, 80, SYN);
	hop4(fx, 5000, 80, RST);
	assert_int_equal(switch_count(fx->sw), 0);
	assert_false(pod4(fx, 80, 5000, ACK));
}

static void closed_flow_still_gets_its_last_acks(void **state)
{
	struct fx *fx = *state;

	hop4(fx, 5000, 80, SYN);
	assert_true(pod4(fx, 80, 5000, FIN | ACK));
	hop4(fx, 5000, 80, FIN | ACK);
	assert_true(pod4(fx, 80, 5000, ACK));
	assert_true(pod4(fx, 80, 5000, FIN | ACK)); /* sent again */
	assert_int_equal(switch_count(fx->sw), 1);
}

static void same_ports_may_be_used_again_by_the_hop(void **state)
{
	struct fx *fx = *state;

	hop4(fx, 5000, 80, SYN);
	(void)pod4(fx, 80, 5000, FIN | ACK);
	hop4(fx, 5000, 80, FIN | ACK);
	hop4(fx, 5000, 80, SYN);
	assert_int_equal(switch_count(fx->sw), 1);
	assert_true(pod4(fx, 80, 5000, SYN | ACK));
	/* one FIN is now not enough to call it closing: see the cap's test */
	hop4(fx, 5000, 80, SYN); /* a retransmitted one changes nothing */
	assert_int_equal(switch_count(fx->sw), 1);
}

static void
first_syn_of_the_pod_with_an_old_flows_ports_is_libslirps(void **state)
{
	struct fx *fx = *state;

	hop4(fx, 5000, 80, SYN);
	assert_false(pod4(fx, 80, 5000, SYN));
}

static void fill_up(struct fx *fx, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		hop4(fx, (uint16_t)(i % 60000), (uint16_t)(1 + i / 60000), SYN);
}

static void at_the_cap_the_longest_idle_flow_goes(void **state)
{
	struct fx *fx = *state;

	fill_up(fx, 0, SWITCH_FLOWS_MAX);
	assert_int_equal(switch_count(fx->sw), SWITCH_FLOWS_MAX);
	assert_true(pod4(fx, 1, 0, ACK)); /* the oldest, in use again */
	hop4(fx, 65000, 9, SYN);
	assert_int_equal(switch_count(fx->sw), SWITCH_FLOWS_MAX);
	assert_true(pod4(fx, 1, 0, ACK));
	assert_false(pod4(fx, 1, 1, ACK)); /* this one was */
	assert_true(pod4(fx, 1, 2, ACK));
	assert_true(pod4(fx, 9, 65000, ACK));
}

static void at_the_cap_flows_that_are_closing_go_first(void **state)
{
	struct fx *fx = *state;

	fill_up(fx, 0, SWITCH_FLOWS_MAX);
	for (uint16_t i = 100; i < 102; i++) {
		assert_true(pod4(fx, 1, i, FIN | ACK));
		hop4(fx, i, 1, FIN | ACK);
	}
	assert_true(pod4(fx, 1, 200, FIN | ACK)); /* half closed only */
	hop4(fx, 65000, 9, SYN);
	assert_false(pod4(fx, 1, 100, ACK));
	assert_true(pod4(fx, 1, 101, ACK));
	hop4(fx, 65001, 9, SYN);
	assert_false(pod4(fx, 1, 101, ACK));
	assert_true(pod4(fx, 1, 0, ACK));
	assert_true(pod4(fx, 1, 200, ACK));
	hop4(fx, 65002, 9, SYN);
	assert_false(pod4(fx, 1, 1, ACK));
}

static bool pod_icmp(struct fx *fx, const char *dst, uint8_t type,
		     uint16_t frag)
{
	bool v6 = strchr(dst, ':') != NULL;
	struct pkt s = { v6 ? "fd00::100" : POD,
			 dst,
			 v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			 .flags = type,
			 .frag = frag,
			 .data = 28 };
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	return switch_from_pod(fx->sw, &f, MONO_ZERO);
}

static void icmp_errors_are_the_hops_and_pings_are_not(void **state)
{
	struct fx *fx = *state;

	for (unsigned int type = 0; type < 256; type++) {
		bool err4 = type == 3 || type == 11 || type == 12;
		bool err6 = type >= 1 && type <= 4;

		assert_int_equal(pod_icmp(fx, WORLD, (uint8_t)type, 0), err4);
		assert_int_equal(pod_icmp(fx, "2001:db8::7", (uint8_t)type, 0),
				 err6);
		assert_false(pod_icmp(fx, WORLD, (uint8_t)type, 0x2000));
	}
}

static bool pod_to(struct fx *fx, const char *dst, uint8_t proto, uint16_t port)
{
	struct pkt s = { strchr(dst, ':') ? "fd00::100" : POD,
			 dst,
			 proto,
			 40000,
			 port,
			 SYN };
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	return switch_from_pod(fx->sw, &f, MONO_ZERO);
}

static void dns_over_tcp_is_the_hops_where_we_serve_it(void **state)
{
	struct fx *fx = *state;
	struct flow_switch *none;

	assert_true(pod_to(fx, "10.0.2.3", IPPROTO_TCP, 53));
	assert_true(pod_to(fx, "fd00::3", IPPROTO_TCP, 53));
	assert_false(pod_to(fx, "10.0.2.3", IPPROTO_UDP, 53));
	assert_false(pod_to(fx, "10.0.2.3", IPPROTO_TCP, 54));
	assert_false(pod_to(fx, "10.0.2.2", IPPROTO_TCP, 53));
	assert_int_equal(switch_count(fx->sw), 0);
	none = fx->sw;
	assert_int_equal(switch_new(&fx->sw, &fx->plan, false), 0);
	assert_false(pod_to(fx, "10.0.2.3", IPPROTO_TCP, 53));
	switch_free(fx->sw);
	fx->sw = none;
	fx->plan.has_ipv6 = false;
	assert_false(pod_to(fx, "fd00::3", IPPROTO_TCP, 53));
}

static void flows_of_ipv6_are_told_apart_from_ipv4(void **state)
{
	struct pkt in = {
		"2001:db8::7", "fd00::100", IPPROTO_TCP, 5000, 80, SYN
	};
	struct pkt out = { "fd00::100", "2001:db8::7", IPPROTO_TCP,
			   80,		5000,	       SYN | ACK };
	struct fx *fx = *state;
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &in);

	(void)switch_from_hop(fx->sw, &f, MONO_ZERO);
	f = pkt_frame(buf, &out);
	assert_true(switch_from_pod(fx->sw, &f, MONO_ZERO));
	assert_false(pod4(fx, 80, 5000, SYN | ACK));
}

static void fragments_and_udp_are_libslirps(void **state)
{
	struct pkt s = {
		POD, WORLD, IPPROTO_TCP, 80, 5000, ACK, .frag = 0x2000
	};
	struct fx *fx = *state;
	uint8_t buf[PKT_MAX];
	struct frame f;

	hop4(fx, 5000, 80, SYN);
	f = pkt_frame(buf, &s);
	assert_false(switch_from_pod(fx->sw, &f, MONO_ZERO));
	s = (struct pkt){ POD, WORLD, IPPROTO_UDP, 80, 5000 };
	f = pkt_frame(buf, &s);
	assert_false(switch_from_pod(fx->sw, &f, MONO_ZERO));
}

/* UDP of the pod's port 53 and port 5000 of WORLD, or of its IPv6 twin. */
static bool pod_udp(struct fx *fx, bool v6, uint16_t frag, int at_s)
{
	/* behind the IPv6 header: UDP follows; RFC 8200 4.5 */
	uint8_t ext[8] = { IPPROTO_UDP, 0, 0, 0, 0, 0, 0, 7 };
	struct pkt s = { v6 ? "fd00::100" : POD,
			 v6 ? "2001:db8::7" : WORLD,
			 IPPROTO_UDP,
			 53,
			 5000,
			 .data = 16,
			 .frag = v6 ? 0 : frag,
			 .ext_first = IPPROTO_FRAGMENT,
			 .ext = ext,
			 .ext_len = v6 && frag ? sizeof(ext) : 0 };
	uint8_t buf[PKT_MAX];
	struct frame f;

	/* offset, and more fragments */
	pkt_16(ext + 2, (frag & 0x1fffU) << 3 | (frag & 0x2000 ? 1 : 0));
	f = pkt_frame(buf, &s);
	return switch_from_pod(fx->sw, &f, mono_s(at_s));
}

/* The hop's, back, with a time to live. */
static bool hop_udp(struct fx *fx, bool v6, uint8_t ttl, int at_s)
{
	struct pkt s = { v6 ? "2001:db8::7" : WORLD,
			 v6 ? "fd00::100" : POD,
			 IPPROTO_UDP,
			 5000,
			 53,
			 .data = 4 };
	uint8_t buf[PKT_MAX];
	struct frame f = pkt_frame(buf, &s);

	buf[FRAME_ETH_LEN + (v6 ? 7 : 8)] = ttl;
	return switch_from_hop(fx->sw, &f, mono_s(at_s));
}

static void udp_is_the_hops_from_its_datagram_on(void **state)
{
	struct fx *fx = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		assert_false(pod_udp(fx, v6, 0, 0));
		assert_true(hop_udp(fx, v6, 64, 0));
		assert_true(pod_udp(fx, v6, 0, 0));
		/* what it sends itself doesn't make it stay */
		assert_true(pod_udp(fx, v6, 0, HOP_UDP_KEEP_S - 1));
		assert_false(pod_udp(fx, v6, 0, HOP_UDP_KEEP_S));
	}
	/* UDP's ports are not TCP's */
	assert_false(pod4(fx, 53, 5000, ACK));
}

static void the_hop_keeps_and_drops_udp_by_time_to_live(void **state)
{
	struct fx *fx = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		assert_true(hop_udp(fx, v6, 64, 0));
		assert_false(hop_udp(fx, v6, HOP_UDP_TTL_KEEP, 50));
		assert_true(pod_udp(fx, v6, 0, 100));
		assert_false(hop_udp(fx, v6, HOP_UDP_TTL_DROP, 100));
		assert_false(pod_udp(fx, v6, 0, 100));
		assert_false(hop_udp(fx, v6, HOP_UDP_TTL_DROP, 100));
	}
	assert_int_equal(switch_count(fx->sw), 0);
}

static void fragments_of_udp_follow_their_first(void **state)
{
	struct fx *fx = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		assert_false(pod_udp(fx, v6, 0x2000, 0));
		assert_false(pod_udp(fx, v6, 185, 0));
		assert_true(hop_udp(fx, v6, 64, 0));
		assert_false(pod_udp(fx, v6, 185, 0)); /* of the one before */
		assert_true(pod_udp(fx, v6, 0x2000, 0));
		assert_true(pod_udp(fx, v6, 0x2000 | 185, 0));
		assert_true(pod_udp(fx, v6, 370, 0));
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(flow_that_the_hop_opened_is_the_hops),
		TEST(flow_that_the_pod_opened_is_libslirps),
		TEST(refused_flow_is_forgotten_at_once),
		TEST(reset_by_the_hop_ends_a_flow),
		TEST(closed_flow_still_gets_its_last_acks),
		TEST(same_ports_may_be_used_again_by_the_hop),
		TEST(first_syn_of_the_pod_with_an_old_flows_ports_is_libslirps),
		TEST(at_the_cap_the_longest_idle_flow_goes),
		TEST(at_the_cap_flows_that_are_closing_go_first),
		TEST(icmp_errors_are_the_hops_and_pings_are_not),
		TEST(dns_over_tcp_is_the_hops_where_we_serve_it),
		TEST(flows_of_ipv6_are_told_apart_from_ipv4),
		TEST(fragments_and_udp_are_libslirps),
		TEST(udp_is_the_hops_from_its_datagram_on),
		TEST(the_hop_keeps_and_drops_udp_by_time_to_live),
		TEST(fragments_of_udp_follow_their_first),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
