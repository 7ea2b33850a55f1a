// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DNS service over TCP: framing, pipelining, slow and vanishing clients.
 * Clients are plain non-blocking sockets; pump() lets the loop run between.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns_fixture.h"
#include "tests/unit/netns.h"

#define ONE	 "one.example"
#define PATIENCE 400 /* turns of pump(), 10 ms each */

struct cli {
	int fd;
	uint8_t in[3 * DNS_MSG_MAX];
	size_t n_in;
	bool eof;
};

static union endpoint serve(struct fx *f)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	union endpoint ep = { .v4 = { .sin_family = AF_INET,
				      .sin_addr.s_addr =
					      htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(ep);

	assert_int_equal(bind(fd, &ep.sa, sizeof(ep.v4)), 0);
	assert_int_equal(listen(fd, 256), 0);
	assert_int_equal(getsockname(fd, &ep.sa, &len), 0);
	assert_int_equal(dns_tcp_listen(f->dns, fd), 0);
	return ep;
}

static int dial(const union endpoint *ep, int rcvbuf)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (rcvbuf)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
				 sizeof(rcvbuf));
	assert_int_equal(connect(fd, &ep->sa, sizeof(ep->v4)), 0);
	return fd;
}

static void pump(struct fx *f)
{
	fx_run(f, 0, 10);
}

static size_t frame(uint8_t *out, uint16_t id, const char *name, uint16_t type)
{
	size_t len = fx_query(out + 2, id, name, type);

	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	return len + 2;
}

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void take(struct cli *c)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in,
			 MSG_DONTWAIT);
		if (n > 0)
			c->n_in += (size_t)n;
	} while (n > 0);
	if (n == 0 || errno != EAGAIN)
		c->eof = true;
}

/* How many whole replies are there? @last: where the last one begins. */
static size_t count(const struct cli *c, const uint8_t **last)
{
	size_t n = 0;

	for (size_t pos = 0; pos + 2 <= c->n_in; n++) {
		size_t len = dns_msg_u16(c->in + pos);

		if (pos + 2 + len > c->n_in)
			break;
		if (last)
			*last = c->in + pos + 2;
		pos += 2 + len;
	}
	return n;
}

static size_t await(struct fx *f, struct cli *c, size_t n)
{
	for (int i = 0; i < PATIENCE && count(c, NULL) < n && !c->eof; i++) {
		pump(f);
		take(c);
	}
	return count(c, NULL);
}

static void await_eof(struct fx *f, struct cli *c)
{
	for (int i = 0; i < PATIENCE && !c->eof; i++) {
		pump(f);
		take(c);
	}
	assert_true(c->eof);
}

static void query_in_one_byte_pieces_is_answered(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	const uint8_t *reply = NULL;
	uint8_t msg[128];
	size_t len = frame(msg, 0xbeef, ONE, 1);

	f->server[0].tcp_mode = FX_TRICKLE; /* and so is its reply */
	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	for (size_t i = 0; i < len; i++) {
		put(c.fd, msg + i, 1);
		fx_run(f, 0, 1);
	}
	assert_int_equal(await(f, &c, 1), 1);
	(void)count(&c, &reply);
	assert_int_equal(dns_msg_u16(reply), 0xbeef);
	assert_int_equal(dns_msg_rcode(reply), DNS_NOERROR);
	assert_int_equal(f->server[0].n_tcp, 1);
	assert_int_equal(f->server[0].n_udp, 0);
	close(c.fd);
}

static void pipelined_queries_are_all_answered(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t all[200 * 64];
	size_t len = 0, seen = 0;

	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	for (uint16_t i = 0; i < 200; i++)
		len += frame(all + len, i, ONE, 1);
	put(c.fd, all, len);
	assert_int_equal(await(f, &c, 200), 200);
	for (size_t pos = 0; pos < c.n_in;
	     pos += 2 + (size_t)dns_msg_u16(c.in + pos))
		seen += dns_msg_u16(c.in + pos + 2);
	assert_int_equal(seen, 199 * 200 / 2); /* each ID once */
	assert_int_equal(f->dns->n_clients, 1);
	close(c.fd);
}

static void half_closed_client_gets_its_replies_then_the_end(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t msg[256];
	size_t len = frame(msg, 1, ONE, 1);

	fx_use(f, 1);
	len += frame(msg + len, 2, ONE, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, len);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	await_eof(f, &c);
	assert_int_equal(count(&c, NULL), 2);
	assert_int_equal(f->dns->n_clients, 0);
	assert_int_equal(f->dns->tcp_bytes, 0);
	close(c.fd);
}

static void servers_fail_over_by_tcp_too(void **state)
{
	static const enum fx_mode modes[] = { FX_CLOSE, FX_SILENT, FX_RCODE };
	struct fx *f = *state;
	union endpoint ep = serve(f);
	uint8_t msg[128];
	static struct cli c;
	const uint8_t *reply = NULL;

	for (size_t i = 0; i < 3; i++) {
		dns_set_servers(f->dns, NULL, 0); /* forget who was down */
		fx_use(f, 2);
		f->server[0].tcp_mode = modes[i];
		f->server[0].rcode = DNS_REFUSED;
		c = (struct cli){ .fd = dial(&ep, 0) };
		put(c.fd, msg, frame(msg, (uint16_t)i, ONE, 1));
		assert_int_equal(await(f, &c, 1), 1);
		(void)count(&c, &reply);
		assert_int_equal(dns_msg_rcode(reply), DNS_NOERROR);
		assert_int_equal(f->server[0].n_tcp, i + 1);
		close(c.fd);
	}
	assert_int_equal(dns_stats(f->dns)->failovers, 3);
	/* that one does no TCP says nothing about its UDP */
	fx_ask(f, 1, 1, ONE);
	fx_run(f, 1, 1000);
	assert_int_equal(f->server[0].n_udp, 1);
}

static void nobody_there_is_servfail_by_tcp_too(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t msg[128];
	const uint8_t *reply = NULL;

	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, frame(msg, 1, ONE, 1));
	assert_int_equal(await(f, &c, 1), 1);
	fx_close(&f->server[0]);
	fx_use(f, 1);
	put(c.fd, msg, frame(msg, 2, ONE, 1));
	assert_int_equal(await(f, &c, 2), 2);
	(void)count(&c, &reply);
	assert_int_equal(dns_msg_rcode(reply), DNS_SERVFAIL);
	assert_int_equal(dns_msg_u16(reply), 2);
	assert_int_equal(dns_stats(f->dns)->failures, 2);
	close(c.fd);
}

static void zone_transfer_is_not_implemented(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t msg[128];
	const uint8_t *reply = NULL;

	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, frame(msg, 1, ONE, DNS_AXFR));
	assert_int_equal(await(f, &c, 1), 1);
	(void)count(&c, &reply);
	assert_int_equal(dns_msg_rcode(reply), DNS_NOTIMP);
	assert_int_equal(f->server[0].n_tcp, 0);
	close(c.fd);
}

static void largest_reply_arrives_whole(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t msg[128];

	f->server[0].tcp_mode = FX_BIG;
	f->server[0].big = DNS_MSG_MAX;
	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, frame(msg, 1, ONE, 1));
	assert_int_equal(await(f, &c, 1), 1);
	assert_int_equal(c.n_in, DNS_MSG_MAX + 2);
	close(c.fd);
}

static void slow_reader_costs_bounded_memory_and_is_closed(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t all[100 * 64];
	size_t len = 0, most = 0;

	f->server[0].tcp_mode = FX_BIG;
	f->server[0].big = 60000;
	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 4096) };
	for (uint16_t i = 0; i < 100; i++)
		len += frame(all + len, i, ONE, 1);
	put(c.fd, all, len);
	for (int i = 0; i < PATIENCE && f->dns->n_clients <= 1; i++) {
		pump(f);
		if (f->dns->tcp_bytes > most)
			most = f->dns->tcp_bytes;
		if (i > 5 && f->dns->n_clients == 0)
			break;
	}
	assert_int_equal(f->dns->n_clients, 0);
	assert_int_equal(f->dns->tcp_bytes, 0);
	assert_in_range(most, 60000, 2 * DNS_INFLIGHT_MAX * 61000);
	assert_true(dns_stats(f->dns)->queries < 100);
	close(c.fd);
}

static void slow_reader_that_reads_on_gets_everything(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	uint8_t all[40 * 64];
	static uint8_t part[30000];
	size_t len = 0, got = 0;
	int fd = dial(&ep, 4096);

	f->server[0].tcp_mode = FX_BIG;
	f->server[0].big = 60000;
	f->dns->times.idle = mono_s(10);
	fx_use(f, 1);
	for (uint16_t i = 0; i < 40; i++)
		len += frame(all + len, i, ONE, 1);
	put(fd, all, len);
	for (int i = 0; i < 20000 && got < 40 * 60002; i++) {
		ssize_t n = recv(fd, part, sizeof(part), MSG_DONTWAIT);

		if (n > 0)
			got += (size_t)n;
		else
			fx_run(f, 0, 1);
	}
	assert_int_equal(got, 40 * 60002);
	close(fd);
}

static void idle_client_is_closed(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c, part;

	c = (struct cli){ .fd = dial(&ep, 0) };
	part = (struct cli){ .fd = dial(&ep, 0) };
	put(part.fd, "\0\x20zz", 4); /* a query that never goes on */
	await_eof(f, &c);
	await_eof(f, &part);
	assert_int_equal(f->dns->n_clients, 0);
	assert_int_equal(f->dns->tcp_bytes, 0);
	close(c.fd);
	close(part.fd);
}

static void vanishing_client_ends_its_queries(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	const struct linger reset = { 1, 0 };
	uint8_t msg[128];
	int fd = dial(&ep, 0);

	f->server[0].tcp_mode = FX_SILENT;
	f->dns->times.attempt = f->dns->times.total = mono_s(60);
	fx_use(f, 1);
	put(fd, msg, frame(msg, 1, ONE, 1));
	for (int i = 0; i < PATIENCE && f->server[0].n_tcp == 0; i++)
		pump(f);
	assert_int_equal(f->dns->n_sockets, 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	for (int i = 0; i < PATIENCE && f->dns->n_clients; i++)
		pump(f);
	assert_int_equal(f->dns->n_clients, 0);
	assert_int_equal(f->dns->n_sockets, 0);
}

static void malformed_messages_are_dropped_and_the_next_is_served(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	uint8_t msg[256] = { 0, 0, 0, 3, 'b', 'a', 'd' };
	const uint8_t *reply = NULL;
	size_t len = 7;

	fx_use(f, 1);
	len += frame(msg + len, 1, ONE, 1);
	msg[7 + 2 + 5] = 2; /* QDCOUNT */
	len += frame(msg + len, 2, ONE, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, len);
	assert_int_equal(await(f, &c, 1), 1);
	(void)count(&c, &reply);
	assert_int_equal(dns_msg_u16(reply), 2);
	assert_int_equal(dns_stats(f->dns)->dropped, 3);
	close(c.fd);
}

static void two_hundred_clients_are_served_a_few_at_a_time(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c[200];
	size_t answered = 0, most = 0;
	uint8_t msg[128];

	fx_use(f, 1);
	for (size_t i = 0; i < 200; i++) {
		c[i].fd = dial(&ep, 0);
		put(c[i].fd, msg, frame(msg, (uint16_t)i, ONE, 1));
	}
	/* they keep their connections: only idleness makes place */
	for (int turn = 0; turn < PATIENCE && answered < 200; turn++) {
		pump(f);
		if (f->dns->n_clients > most)
			most = f->dns->n_clients;
		answered = 0;
		for (size_t i = 0; i < 200; i++) {
			take(&c[i]);
			answered += count(&c[i], NULL);
		}
	}
	assert_int_equal(answered, 200);
	assert_int_equal(most, DNS_TCP_MAX);
	for (size_t i = 0; i < 200; i++)
		close(c[i].fd);
}

static void no_descriptors_pauses_accept(void **state)
{
	struct fx *f = *state;
	union endpoint ep = serve(f);
	static struct cli c;
	struct rlimit old, none;
	uint8_t msg[128];

	fx_use(f, 1);
	c = (struct cli){ .fd = dial(&ep, 0) };
	put(c.fd, msg, frame(msg, 1, ONE, 1));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fx_run(f, 0, 100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* every 20 ms, and no spinning in between */
	assert_in_range(dns_stats(f->dns)->starved, 1, 6);
	assert_int_equal(await(f, &c, 1), 1);
	close(c.fd);
}

static void listener_that_is_shut_down_is_let_go(void **state)
{
	struct fx *f = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int mine = dup(fd);
	size_t fds = fx_count_fds();

	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(dns_tcp_listen(f->dns, fd), 0);
	assert_int_equal(shutdown(mine, SHUT_RD), 0);
	pump(f);
	assert_int_equal(fx_count_fds(), fds - 1);
	close(mine);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fx_setup, fx_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(query_in_one_byte_pieces_is_answered),
		TEST(pipelined_queries_are_all_answered),
		TEST(half_closed_client_gets_its_replies_then_the_end),
		TEST(servers_fail_over_by_tcp_too),
		TEST(nobody_there_is_servfail_by_tcp_too),
		TEST(zone_transfer_is_not_implemented),
		TEST(largest_reply_arrives_whole),
		TEST(slow_reader_costs_bounded_memory_and_is_closed),
		TEST(slow_reader_that_reads_on_gets_everything),
		TEST(idle_client_is_closed),
		TEST(vanishing_client_ends_its_queries),
		TEST(malformed_messages_are_dropped_and_the_next_is_served),
		TEST(two_hundred_clients_are_served_a_few_at_a_time),
		TEST(no_descriptors_pauses_accept),
		TEST(listener_that_is_shut_down_is_let_go),
	};

	struct netns ns;

	(void)netns_enter(&ns); /* a port that was closed stays free */
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
