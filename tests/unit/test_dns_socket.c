// SPDX-License-Identifier: GPL-2.0-or-later
/* Sockets towards DNS servers: who gets one that is kept, and when it ends. */
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns_fixture.h"
#include "tests/unit/netns.h"

#define ONE	 "one.example"
#define TWO	 "two.example"
#define PATIENCE 500 /* turns of 10 ms */

/* Ask as @peer, get the answer; Return: the port that server 0 was asked from
 */
static in_port_t port_for(struct fx *f, uint8_t peer)
{
	size_t n = f->n_replies;

	fx_ask(f, peer, (uint16_t)n, ONE);
	fx_run(f, n + 1, 5000);
	assert_int_equal(f->n_replies, n + 1);
	assert_int_equal(dns_msg_rcode(f->reply), DNS_NOERROR);
	return f->server[0].from.v4.sin_port;
}

static struct dns_socket *kept(struct fx *f)
{
	assert_false(list_empty(&f->dns->kept));
	return container_of(f->dns->kept.next, struct dns_socket, link);
}

static void wait_for_none_kept(struct fx *f)
{
	for (int i = 0; i < PATIENCE && f->dns->n_kept; i++)
		fx_run(f, 0, 10);
	assert_int_equal(f->dns->n_kept, 0);
	assert_int_equal(f->dns->n_sockets, 0);
	assert_true(list_empty(&f->dns->kept));
}

static void client_that_keeps_its_port_keeps_ours(void **state)
{
	struct fx *f = *state;
	size_t fds, same_id = 0;
	uint16_t id[20];
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	fds = fx_count_fds();
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(port_for(f, 1), port);
		id[i] = dns_msg_u16(f->server[0].query);
		for (size_t j = 0; j < i; j++)
			same_id += id[i] == id[j];
	}
	assert_in_range(same_id, 0, 2); /* of 190 pairs of 2^16 */
	assert_int_equal(fx_count_fds(), fds);
	assert_int_equal(f->dns->n_sockets, 1);
	assert_int_equal(dns_stats(f->dns)->dropped, 0);
}

static void another_client_has_a_socket_of_its_own(void **state)
{
	struct fx *f = *state;
	in_port_t first, second;

	fx_use(f, 1);
	first = port_for(f, 1);
	second = port_for(f, 2);
	assert_int_not_equal(first, second);
	assert_int_equal(port_for(f, 1), first);
	assert_int_equal(port_for(f, 2), second);
	assert_int_equal(f->dns->n_kept, 2);
}

static void another_server_is_asked_by_another_socket(void **state)
{
	struct fx *f = *state;
	in_port_t port;

	fx_use(f, 2);
	port = port_for(f, 1);
	f->server[0].mode = FX_RCODE;
	f->server[0].rcode = DNS_REFUSED;
	assert_int_equal(port_for(f, 1), port);
	assert_int_equal(f->server[1].n_udp, 1);
	assert_int_equal(f->dns->n_kept, 2);
}

/* As the C library asks for A and AAAA. */
static void questions_at_once_have_a_socket_each(void **state)
{
	struct fx *f = *state;

	fx_use(f, 1);
	for (size_t turn = 1; turn <= 3; turn++) {
		fx_ask(f, 1, 1, ONE);
		fx_ask(f, 1, 2, TWO);
		assert_int_equal(f->dns->n_sockets, 2);
		assert_int_equal(f->dns->n_kept, 0);
		fx_run(f, turn * 2, 5000);
		assert_int_equal(f->n_replies, turn * 2);
		assert_int_equal(f->dns->n_kept, 2);
	}
	assert_int_equal(dns_stats(f->dns)->dropped, 0);
}

static void no_socket_is_used_for_longer_than_its_time(void **state)
{
	struct fx *f = *state;
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	f->dns->times.keep = MONO_ZERO; /* its time is over */
	assert_int_not_equal(port_for(f, 1), port);
	/* and the other one's time was over when it was answered */
	assert_int_equal(f->dns->n_kept, 1);
}

static void kept_socket_is_closed_after_its_time(void **state)
{
	struct fx *f = *state;
	size_t fds;

	f->dns->times.keep = mono_ms(20);
	fx_use(f, 1);
	fds = fx_count_fds();
	(void)port_for(f, 1);
	(void)port_for(f, 2);
	wait_for_none_kept(f);
	fx_run(f, 0, 10);
	assert_int_equal(f->loop.n_timers, 0);
	assert_int_equal(fx_count_fds(), fds);
}

static void kept_sockets_end_when_the_servers_change(void **state)
{
	struct fx *f = *state;

	fx_use(f, 1);
	(void)port_for(f, 1);
	fx_use(f, 2);
	assert_int_equal(f->dns->n_sockets, 0);
	assert_int_equal(f->loop.n_timers, 0);
	/* a query under way keeps its server, but nobody gets its socket */
	fx_ask(f, 1, 7, ONE);
	fx_use(f, 1);
	fx_run(f, 2, 5000);
	assert_int_equal(f->n_replies, 2);
	assert_int_equal(f->dns->n_sockets, 0);
}

static void kept_sockets_are_bounded_the_oldest_ends(void **state)
{
	struct fx *f = *state;
	in_port_t first, last = 0;

	fx_use(f, 1);
	first = port_for(f, 0);
	for (unsigned int i = 1; i <= DNS_KEPT_MAX; i++)
		last = port_for(f, (uint8_t)i);
	assert_int_equal(f->dns->n_kept, DNS_KEPT_MAX);
	assert_int_equal(f->dns->n_sockets, DNS_KEPT_MAX);
	assert_int_equal(port_for(f, DNS_KEPT_MAX), last);
	assert_int_not_equal(port_for(f, 0), first);
}

static rlim_t lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

static void kept_sockets_go_first_when_descriptors_run_short(void **state)
{
	struct fx *f = *state;
	struct rlimit old, none;

	fx_use(f, 1);
	for (uint8_t i = 0; i < 3; i++)
		(void)port_for(f, i);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = lowest_free_fd();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fx_ask(f, 9, 9, ONE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(f->dns->n_kept, 0);
	assert_int_equal(f->dns->n_sockets, 1);
	assert_int_equal(dns_stats(f->dns)->starved, 0);
	fx_run(f, 4, 5000);
	assert_int_equal(f->n_replies, 4);
}

static void what_comes_uninvited_ends_a_kept_socket(void **state)
{
	struct fx *f = *state;
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	fx_answer_now(&f->server[0]); /* once more */
	wait_for_none_kept(f);
	assert_int_equal(f->n_replies, 1);
	assert_int_not_equal(port_for(f, 1), port);
}

/* The answer to an old question waits in the socket when a new one is asked. */
static void late_answer_to_an_old_question_is_not_believed(void **state)
{
	struct fx *f = *state;
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	fx_answer_now(&f->server[0]);
	fx_ask(f, 1, 2, TWO);
	fx_run(f, 2, 5000);
	assert_int_equal(dns_msg_u16(f->reply), 2);
	assert_memory_equal(f->reply + DNS_HEADER_BYTES, "\3two", 4);
	assert_int_equal(f->server[0].from.v4.sin_port, port);
	assert_int_equal(dns_stats(f->dns)->dropped, 1);
}

static void error_left_on_a_kept_socket_is_not_the_next_querys(void **state)
{
	struct fx *f = *state;
	struct fx_server *s = &f->server[0];
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	fx_close(s);
	assert_int_equal(send(kept(f)->src.fd, "", 1, 0), 1); /* refused */
	fx_reopen(s);
	assert_int_not_equal(port_for(f, 1), port);
	assert_int_equal(s->n_udp, 2);
	assert_int_equal(dns_stats(f->dns)->failovers, 0);
}

static void server_that_ends_is_refused_on_a_kept_socket_too(void **state)
{
	struct fx *f = *state;

	fx_use(f, 1);
	(void)port_for(f, 1);
	f->dns->times.attempt = f->dns->times.total = mono_s(60);
	fx_close(&f->server[0]);
	fx_ask(f, 1, 2, ONE);
	fx_run(f, 2, 5000);
	assert_int_equal(f->n_replies, 2);
	assert_int_equal(dns_msg_rcode(f->reply), DNS_SERVFAIL);
}

/* The host may have moved, and with it the address to ask from. */
static void silent_server_is_asked_again_by_a_new_socket(void **state)
{
	struct fx *f = *state;
	struct fx_server *s = &f->server[0];
	in_port_t port;

	fx_use(f, 1);
	port = port_for(f, 1);
	s->mode = FX_SILENT;
	f->dns->times.total = mono_s(60);
	fx_ask(f, 1, 2, ONE);
	for (int i = 0; i < PATIENCE && s->n_udp < 2; i++)
		fx_run(f, 0, 1);
	assert_int_equal(s->n_udp, 2);
	assert_int_equal(s->from.v4.sin_port, port);
	for (int i = 0; i < PATIENCE && s->n_udp < 3; i++)
		fx_run(f, 0, 10);
	assert_int_not_equal(s->from.v4.sin_port, port);
	fx_answer_now(s);
	fx_run(f, 2, 5000);
	assert_int_equal(f->n_replies, 2);
	assert_int_equal(f->dns->n_sockets, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fx_setup, fx_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(client_that_keeps_its_port_keeps_ours),
		TEST(another_client_has_a_socket_of_its_own),
		TEST(another_server_is_asked_by_another_socket),
		TEST(questions_at_once_have_a_socket_each),
		TEST(no_socket_is_used_for_longer_than_its_time),
		TEST(kept_socket_is_closed_after_its_time),
		TEST(kept_sockets_end_when_the_servers_change),
		TEST(kept_sockets_are_bounded_the_oldest_ends),
		TEST(kept_sockets_go_first_when_descriptors_run_short),
		TEST(what_comes_uninvited_ends_a_kept_socket),
		TEST(late_answer_to_an_old_question_is_not_believed),
		TEST(error_left_on_a_kept_socket_is_not_the_next_querys),
		TEST(server_that_ends_is_refused_on_a_kept_socket_too),
		TEST(silent_server_is_asked_again_by_a_new_socket),
	};
	struct netns ns;

	(void)netns_enter(&ns); /* a port that was closed stays free */
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
