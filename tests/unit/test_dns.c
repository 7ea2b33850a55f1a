// SPDX-License-Identifier: GPL-2.0-or-later
/* The DNS service over UDP: which server is asked when, and what is believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dns_fixture.h"
#include "tests/unit/netns.h"

#define ONE "one.example"

static enum dns_rcode rcode(const struct fx *f)
{
	return dns_msg_rcode(f->reply);
}

/* Times that can't pass by accident, however busy the machine is. */
static void take_your_time(struct fx *f)
{
	f->dns->times.attempt = mono_s(10);
	f->dns->times.total = mono_s(60);
}

static bool is_at_once(struct mono since)
{
	return mono_before(mono_sub(mono_now(), since), mono_s(5));
}

static void query_is_answered_with_the_pods_id_to_its_peer(void **state)
{
	struct fx *f = *state;

	fx_use(f, 2);
	fx_ask(f, 7, 0xabcd, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(f->n_replies, 1);
	assert_int_equal(dns_msg_u16(f->reply), 0xabcd);
	assert_int_equal(f->reply_peer.opaque[0], 7);
	assert_int_equal(rcode(f), DNS_NOERROR);
	assert_int_equal(f->server[0].n_udp, 1);
	assert_int_equal(f->server[1].n_udp, 0);
	assert_int_equal(dns_stats(f->dns)->replies, 1);
	assert_int_equal(dns_stats(f->dns)->failovers, 0);
}

static void each_query_has_another_id_and_each_client_another_port(void **state)
{
	struct fx *f = *state;
	uint16_t port[20], id[20];
	size_t same_port = 0, same_id = 0;

	fx_use(f, 1);
	for (uint8_t i = 0; i < 20; i++) {
		fx_ask(f, i, 5, ONE);
		fx_run(f, i + 1, 1000);
		port[i] = f->server[0].from.v4.sin_port;
		id[i] = dns_msg_u16(f->server[0].query);
		for (size_t j = 0; j < i; j++) {
			same_port += port[i] == port[j];
			same_id += id[i] == id[j];
		}
	}
	/* 190 pairs among at least 2^14 ports and 2^16 IDs */
	assert_in_range(same_port, 0, 3);
	assert_in_range(same_id, 0, 2);
}

static void silent_server_is_passed_over_and_put_last(void **state)
{
	struct fx *f = *state;

	f->server[0].mode = FX_SILENT;
	fx_use(f, 2);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	assert_int_equal(dns_stats(f->dns)->failovers, 1);
	fx_ask(f, 1, 2, ONE);
	fx_run(f, 2, 1000);
	assert_int_equal(f->server[0].n_udp, 1);
	assert_int_equal(f->server[1].n_udp, 2);
	/* a list that is set again keeps what is known */
	fx_use(f, 3);
	fx_ask(f, 1, 3, ONE);
	fx_run(f, 3, 1000);
	assert_int_equal(f->server[0].n_udp, 1);
}

static void refused_server_is_passed_over_at_once(void **state)
{
	struct fx *f = *state;
	struct mono before = mono_now();

	take_your_time(f);
	fx_close(&f->server[0]);
	fx_use(f, 2);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 9000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	assert_true(is_at_once(before));
}

static void all_refused_is_servfail_at_once(void **state)
{
	struct fx *f = *state;
	struct mono before = mono_now();

	take_your_time(f);
	for (size_t i = 0; i < FX_SERVERS; i++)
		fx_close(&f->server[i]);
	fx_use(f, 3);
	fx_ask(f, 1, 0x1234, ONE);
	fx_run(f, 1, 9000);
	assert_int_equal(rcode(f), DNS_SERVFAIL);
	assert_int_equal(dns_msg_u16(f->reply), 0x1234);
	assert_true(is_at_once(before));
	assert_int_equal(dns_stats(f->dns)->failures, 1);
}

static void unreachable_server_is_passed_over_at_once(void **state)
{
	struct fx *f = *state;
	union endpoint ep[2];
	struct ip ip;

	/* link-local without scope: connect() fails with EINVAL */
	assert_int_equal(ip_parse("fe80::1", &ip), 0);
	ep[0] = endpoint_make(&ip, 53);
	ep[1] = f->server[1].ep;
	dns_set_servers(f->dns, ep, 2);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	assert_int_equal(f->server[1].n_udp, 1);
}

static void late_reply_of_an_earlier_server_is_taken(void **state)
{
	struct fx *f = *state;

	f->dns->times.total = mono_s(60);
	f->server[0].mode = f->server[1].mode = FX_SILENT;
	fx_use(f, 2);
	fx_ask(f, 1, 1, ONE);
	for (int i = 0; i < 100 && f->server[1].n_udp == 0; i++)
		fx_run(f, 0, 20); /* now the second is waited for */
	assert_int_equal(f->server[1].n_udp, 1);
	take_your_time(f);
	fx_answer_now(&f->server[0]);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	/* and that server isn't down any more */
	fx_ask(f, 1, 2, ONE);
	fx_run(f, 0, 20);
	assert_int_equal(f->server[1].n_udp, 1);
	assert_int_equal(f->server[0].n_udp, 2);
}

static void nobody_answers_is_servfail_after_the_total(void **state)
{
	struct fx *f = *state;
	struct mono before = mono_now();
	int64_t ms;

	f->server[0].mode = f->server[1].mode = FX_SILENT;
	fx_use(f, 2);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 2000);
	ms = mono_to_ms(mono_sub(mono_now(), before));
	assert_int_equal(rcode(f), DNS_SERVFAIL);
	assert_in_range(ms, 195, 1500);
	/* attempts at 0, 40, 80, 120, 160; fewer when the machine is busy */
	assert_in_range(f->server[0].n_udp + f->server[1].n_udp, 2, 5);
}

static void no_servers_is_servfail_before_the_call_returns(void **state)
{
	struct fx *f = *state;

	fx_ask(f, 1, 0x77, ONE);
	assert_int_equal(f->n_replies, 1);
	assert_int_equal(rcode(f), DNS_SERVFAIL);
	assert_int_equal(dns_msg_u16(f->reply), 0x77);
	assert_int_equal(dns_stats(f->dns)->failures, 1);
}

static void forged_replies_are_counted_and_ignored(void **state)
{
	struct fx *f = *state;

	f->server[0].mode = FX_FORGED;
	fx_use(f, 1);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	assert_int_equal(f->reply_len, 12 + 13 + 4 + 16);
	assert_int_equal(dns_stats(f->dns)->dropped, 7);
}

static void reply_of_a_stranger_never_arrives(void **state)
{
	struct fx *f = *state;
	uint8_t out[512];
	struct fx_server *s = &f->server[0];

	s->mode = FX_SILENT;
	fx_use(f, 1);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 0, 20);
	/* right port, ID and question, but from another server's port */
	(void)sendto(f->server[1].udp.fd, out,
		     fx_answer(out, s->query, s->query_len, 0), 0, &s->from.sa,
		     sizeof(s->from.v4));
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_SERVFAIL);
}

static void error_reply_makes_the_next_be_asked(void **state)
{
	static const enum dns_rcode codes[] = { DNS_SERVFAIL, DNS_REFUSED,
						DNS_NOTIMP };
	struct fx *f = *state;

	fx_use(f, 2);
	f->server[0].mode = FX_RCODE;
	for (size_t i = 0; i < 3; i++) {
		f->server[0].rcode = codes[i];
		fx_ask(f, 1, (uint16_t)i, ONE);
		fx_run(f, i + 1, 1000);
		assert_int_equal(rcode(f), DNS_NOERROR);
	}
	/* an error reply doesn't make a server down */
	assert_int_equal(f->server[0].n_udp, 3);
	assert_int_equal(dns_stats(f->dns)->failures, 0);
}

static void first_error_reply_is_given_when_none_is_better(void **state)
{
	struct fx *f = *state;

	fx_use(f, 3);
	f->server[0].mode = f->server[1].mode = FX_RCODE;
	f->server[0].rcode = DNS_REFUSED;
	f->server[1].rcode = DNS_SERVFAIL;
	f->server[2].mode = FX_SILENT;
	fx_ask(f, 1, 9, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_REFUSED);
	assert_int_equal(dns_msg_u16(f->reply), 9);
	assert_int_equal(dns_stats(f->dns)->failures, 0);
}

static void formerr_without_question_is_given_to_the_pod(void **state)
{
	struct fx *f = *state;

	fx_use(f, 1);
	f->server[0].mode = FX_BARE_RCODE;
	f->server[0].rcode = DNS_FORMERR;
	fx_ask(f, 1, 9, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_FORMERR);
	assert_int_equal(f->reply_len, DNS_HEADER_BYTES);
}

static void retransmission_is_not_forwarded_again(void **state)
{
	struct fx *f = *state;

	take_your_time(f);
	f->server[0].mode = FX_SILENT;
	fx_use(f, 1);
	for (int i = 0; i < 5; i++)
		fx_ask(f, 1, 1, ONE);
	fx_run(f, 0, 20);
	assert_int_equal(f->server[0].n_udp, 1);
	fx_ask(f, 2, 1, ONE);		/* another peer */
	fx_ask(f, 1, 2, ONE);		/* another ID */
	fx_ask(f, 1, 1, "two.example"); /* another question */
	fx_run(f, 0, 10);
	assert_int_equal(f->server[0].n_udp, 4);
	assert_int_equal(dns_stats(f->dns)->queries, 4);
}

static void long_reply_is_cut_with_tc_and_opt(void **state)
{
	struct fx *f = *state;

	f->server[0].mode = FX_BIG;
	f->server[0].big = 4000;
	fx_use(f, 1);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(f->reply_len, 12 + 13 + 4 + 11);
	assert_true(f->reply[2] & 2);
	assert_int_equal(dns_msg_u16(f->reply + 6), 0);
	assert_int_equal(dns_msg_u16(f->reply + 10), 1);
	assert_int_equal(dns_stats(f->dns)->truncated, 1);
	/* one that just fits is left alone */
	f->server[0].big = 1232;
	fx_ask(f, 1, 2, ONE);
	fx_run(f, 2, 1000);
	assert_int_equal(f->reply_len, 1232);
	assert_false(f->reply[2] & 2);
}

static void more_than_the_cap_ends_the_oldest(void **state)
{
	struct fx *f = *state;
	size_t fds = fx_count_fds();

	f->server[0].mode = FX_SILENT;
	fx_use(f, 1);
	for (unsigned int i = 0; i < DNS_UDP_PENDING_MAX + 10; i++)
		fx_ask(f, 1, (uint16_t)i, ONE);
	assert_int_equal(f->dns->n_pending, DNS_UDP_PENDING_MAX);
	assert_int_equal(dns_stats(f->dns)->dropped, 10);
	fx_run(f, DNS_UDP_PENDING_MAX, 5000);
	assert_int_equal(f->n_replies, DNS_UDP_PENDING_MAX);
	assert_int_equal(f->dns->n_pending, 0);
	assert_int_equal(f->dns->n_sockets, 0);
	assert_int_equal(fx_count_fds(), fds);
}

static void sockets_are_bounded_when_all_servers_are_silent(void **state)
{
	struct fx *f = *state;
	size_t most = 0;

	for (size_t i = 0; i < FX_SERVERS; i++)
		f->server[i].mode = FX_SILENT;
	fx_use(f, 3);
	for (unsigned int i = 0; i < DNS_UDP_PENDING_MAX; i++)
		fx_ask(f, 1, (uint16_t)i, ONE);
	for (int i = 0; i < 20; i++) {
		fx_run(f, 0, 10);
		if (f->dns->n_sockets > most)
			most = f->dns->n_sockets;
	}
	assert_in_range(most, DNS_UDP_PENDING_MAX, DNS_SOCKETS_MAX);
	fx_run(f, DNS_UDP_PENDING_MAX, 5000);
	assert_int_equal(f->n_replies, DNS_UDP_PENDING_MAX);
}

static void no_descriptors_waits_and_goes_on(void **state)
{
	struct fx *f = *state;
	struct rlimit old, none;

	fx_use(f, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	f->dns->times.total = mono_s(60);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 0, 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(f->n_replies, 0);
	assert_true(dns_stats(f->dns)->starved > 1);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);

	/* and when it lasts: SERVFAIL, no more */
	f->dns->times.total = mono_ms(100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fx_ask(f, 2, 2, ONE);
	fx_run(f, 2, 1000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rcode(f), DNS_SERVFAIL);
}

static void queries_under_way_keep_their_servers(void **state)
{
	struct fx *f = *state;

	take_your_time(f);
	f->server[0].mode = FX_SILENT;
	fx_use(f, 1);
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 0, 10);
	dns_set_servers(f->dns, NULL, 0);
	fx_answer_now(&f->server[0]);
	fx_run(f, 1, 1000);
	assert_int_equal(rcode(f), DNS_NOERROR);
	fx_ask(f, 1, 2, ONE);
	assert_int_equal(rcode(f), DNS_SERVFAIL);
}

static void service_can_be_freed_with_queries_under_way(void **state)
{
	struct fx *f = *state;
	size_t fds = fx_count_fds();

	f->server[0].mode = f->server[1].mode = FX_SILENT;
	fx_use(f, 2);
	for (unsigned int i = 0; i < 50; i++)
		fx_ask(f, 1, (uint16_t)i, ONE);
	fx_run(f, 0, 50);
	f->dns = dns_free(f->dns);
	assert_int_equal(fx_count_fds(), fds);
	assert_int_equal(f->n_replies, 0);
}

static void malformed_queries_are_dropped_and_counted(void **state)
{
	struct fx *f = *state;
	uint8_t msg[DNS_UDP_QUERY_MAX + 1] = { 0 };
	struct dns_peer who = { { 1 } };
	size_t len = fx_query(msg, 1, ONE, 1);

	fx_use(f, 1);
	for (size_t i = 0; i < len; i++)
		dns_udp_query(f->dns, &who, msg, i, 1232);
	assert_int_equal(dns_stats(f->dns)->dropped, len);
	dns_udp_query(f->dns, &who, msg, sizeof(msg), 1232);
	msg[2] |= 0x80;
	dns_udp_query(f->dns, &who, msg, len, 1232);
	assert_int_equal(dns_stats(f->dns)->dropped, len + 2);
	assert_int_equal(dns_stats(f->dns)->queries, 0);
	assert_int_equal(f->n_replies, 0);
}

static void mutated_queries_and_replies_do_no_harm(void **state)
{
	struct fx *f = *state;
	unsigned int seed = 42;
	struct dns_peer who = { { 0 } };

	f->server[0].mode = FX_BIG;
	f->server[0].big = 200;
	fx_use(f, 1);
	for (unsigned int i = 0; i < 10000; i++) {
		uint8_t msg[64];
		size_t len = fx_query(msg, (uint16_t)i, ONE, 1);

		for (int n = rand_r(&seed) % 4; n >= 0; n--)
			msg[(unsigned int)rand_r(&seed) % len] =
				(uint8_t)rand_r(&seed);
		dns_udp_query(f->dns, &who, msg,
			      len - (unsigned int)rand_r(&seed) % 3, 512);
		if (i % 200 == 199)
			fx_run(f, 0, 3);
	}
	fx_run(f, 0, 300);
	assert_int_equal(f->dns->n_pending, 0);
	assert_int_equal(dns_stats(f->dns)->replies, f->n_replies);
	assert_true(f->n_replies > 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fx_setup, fx_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(query_is_answered_with_the_pods_id_to_its_peer),
		TEST(each_query_has_another_id_and_each_client_another_port),
		TEST(silent_server_is_passed_over_and_put_last),
		TEST(refused_server_is_passed_over_at_once),
		TEST(all_refused_is_servfail_at_once),
		TEST(unreachable_server_is_passed_over_at_once),
		TEST(late_reply_of_an_earlier_server_is_taken),
		TEST(nobody_answers_is_servfail_after_the_total),
		TEST(no_servers_is_servfail_before_the_call_returns),
		TEST(forged_replies_are_counted_and_ignored),
		TEST(reply_of_a_stranger_never_arrives),
		TEST(error_reply_makes_the_next_be_asked),
		TEST(first_error_reply_is_given_when_none_is_better),
		TEST(formerr_without_question_is_given_to_the_pod),
		TEST(retransmission_is_not_forwarded_again),
		TEST(long_reply_is_cut_with_tc_and_opt),
		TEST(more_than_the_cap_ends_the_oldest),
		TEST(sockets_are_bounded_when_all_servers_are_silent),
		TEST(no_descriptors_waits_and_goes_on),
		TEST(queries_under_way_keep_their_servers),
		TEST(service_can_be_freed_with_queries_under_way),
		TEST(malformed_queries_are_dropped_and_counted),
		TEST(mutated_queries_and_replies_do_no_harm),
	};

	struct netns ns;

	(void)netns_enter(&ns); /* a port that was closed stays free */
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
