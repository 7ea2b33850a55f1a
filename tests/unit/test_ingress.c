// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Published ports: whom the pod sees, what a client is told when the pod has
 * nobody, and what happens when descriptors or sockets run out.
 */
#include "tests/unit/ingress_fixture.h"

#include <sys/resource.h>

#include "setup/net/link.h"

static void loopback_client_is_seen_as_the_gateway(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, NULL);
	assert_true(ix_seen_as(&c, "127.0.0.3"));
	ix_check(ix, &c);
	WAIT(&ix->loop,
	     ingress_stats(ix->in)->source.lost[SOURCE_LOST_LOCAL] == 1);
	assert_int_equal(ingress_stats(ix->in)->accepted, 1);
	conn_close(&c);
	WAIT(&ix->loop, ix->relay.n_flows == 0);
}

static void source_off_makes_it_the_gateway_and_is_counted_so(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, ",source=off", 1);
	ix_connect(ix, &c, NULL);
	assert_true(ix_seen_as(&c, "127.0.0.3"));
	WAIT(&ix->loop,
	     ingress_stats(ix->in)->source.lost[SOURCE_LOST_OFF] == 1);
	conn_close(&c);
}

/* ---- the ladder, with addresses of our own ---- */

static void lo_addr(const char *text)
{
	struct nl_sock *sk;
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(link_addr(sk, 1, &ip, ip.family == AF_INET ? 32 : 128),
			 0);
	link_close(sk);
}

/* Once in the program's namespace. */
static int world(void **state)
{
	static const char *const addrs[] = {
		"198.51.100.7", "169.254.7.7", "10.0.2.2",
		"10.0.2.100",	"10.0.2.77",   "2001:db8::7",
		"fd00::2",	"fd00::100",   "fd00::77",
	};

	(void)state;
	if (ix_netns()->why_not[0])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++)
		lo_addr(addrs[i]);
	return 0;
}

static void client_keeps_its_address_and_port(void **state)
{
	struct ix *ix = *state;
	union endpoint me;
	socklen_t len = sizeof(me);
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, "198.51.100.7");
	assert_true(ix_seen_as(&c, "198.51.100.7"));
	assert_int_equal(getsockname(c.client, &me.sa, &len), 0);
	assert_int_equal(endpoint_port(&me), endpoint_port(&c.seen));
	ix_check(ix, &c);
	for (int i = 0; i < SOURCE_LOST_N; i++)
		assert_int_equal(ingress_stats(ix->in)->source.lost[i], 0);
	assert_int_equal(ingress_stats(ix->in)->source.port_changed, 0);
	conn_close(&c);
}

/* Here the client's port is taken by the client, who doesn't share it. */
static void port_that_is_taken_is_changed_and_the_address_kept(void **state)
{
	struct ix *ix = *state;
	union endpoint me;
	socklen_t len = sizeof(me);
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	c.client = ix_client(ix, "198.51.100.7", 0, false);
	c.pod = ix_accept(ix, AF_INET, &c.seen);
	assert_true(ix_seen_as(&c, "198.51.100.7"));
	assert_int_equal(getsockname(c.client, &me.sa, &len), 0);
	assert_int_not_equal(endpoint_port(&me), endpoint_port(&c.seen));
	ix_check(ix, &c);
	WAIT(&ix->loop, ingress_stats(ix->in)->source.port_changed == 1);
	conn_close(&c);
}

/* The sockets come from a namespace that has the pod's addresses alone. */
static void address_that_cannot_be_bound_becomes_the_gateway(void **state)
{
	struct ix *ix = *state;
	scoped_fd here = -1;
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_true(netns_lo_up());
	lo_addr("10.0.2.2");
	lo_addr("10.0.2.100");
	ix->maker_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, "198.51.100.7");
	assert_true(ix_seen_as(&c, "10.0.2.2"));
	ix_check(ix, &c);
	WAIT(&ix->loop,
	     ingress_stats(ix->in)->source.lost[SOURCE_LOST_ADDRESS] == 1);
	conn_close(&c);
}

static void addresses_that_mean_something_else_in_the_pod(void **state)
{
	static const struct {
		const char *src, *seen;
		enum source_lost why;
	} t[] = {
		{ "10.0.2.77", "10.0.2.2", SOURCE_LOST_POD },
		{ "10.0.2.100", "10.0.2.2", SOURCE_LOST_POD },
		{ "10.0.2.2", "10.0.2.2", SOURCE_LOST_POD },
		{ "169.254.7.7", "10.0.2.2", SOURCE_LOST_LOCAL },
		{ "127.0.0.9", "10.0.2.2", SOURCE_LOST_LOCAL },
	};
	struct ix *ix = *state;
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t before = ingress_stats(ix->in)->source.lost[t[i].why];

		ix_connect(ix, &c, t[i].src);
		if (!ix_seen_as(&c, t[i].seen))
			fail_msg("%s is seen as another", t[i].src);
		/* counted when the relay starts, a turn later */
		WAIT(&ix->loop, ingress_stats(ix->in)->source.lost[t[i].why] ==
					before + 1);
		conn_close(&c);
	}
}

static void client_over_ipv6_keeps_its_address(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET6);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, "2001:db8::7");
	assert_true(ix_seen_as(&c, "2001:db8::7"));
	ix_check(ix, &c);
	conn_close(&c);
	ix_connect(ix, &c, "fd00::77");
	assert_true(ix_seen_as(&c, "fd00::2"));
	WAIT(&ix->loop,
	     ingress_stats(ix->in)->source.lost[SOURCE_LOST_POD] == 1);
	conn_close(&c);
}

/* The listener has both families, so accept() says ::ffff:198.51.100.7. */
static void mapped_address_is_taken_for_what_it_is(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	NETNS_OR_SKIP(ix_netns());
	ix_plan_world(ix);
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, "198.51.100.7");
	assert_int_equal(c.seen.sa.sa_family, AF_INET);
	assert_true(ix_seen_as(&c, "198.51.100.7"));
	conn_close(&c);
}

static void refused_family_is_served_in_the_other_one(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	if (!has_ipv6_loopback())
		skip();
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, "::1");
	assert_true(ix_seen_as(&c, "127.0.0.3"));
	ix_check(ix, &c);
	conn_close(&c);
	WAIT(&ix->loop, ix->relay.n_flows == 0);
	/* and the other way round */
	fd_drop(&ix->server[0]);
	ix_pod_listen(ix, AF_INET6);
	ix_connect(ix, &c, NULL);
	assert_true(ix_seen_as(&c, "::1"));
	ix_check(ix, &c);
	WAIT(&ix->loop,
	     ingress_stats(ix->in)->source.lost[SOURCE_LOST_FAMILY] == 2);
	conn_close(&c);
}

/* More than the pool holds, each in need of two sockets. */
static void many_at_once_are_served_in_the_other_family(void **state)
{
	int clients[3 * POOL_SIZE], n = 0;
	struct ix *ix = *state;

	if (!has_ipv6_loopback())
		skip();
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = ix_client(ix, "::1", 0, false);
	while (n < (int)ARRAY_SIZE(clients)) {
		union endpoint from;
		int fd = ix_accept(ix, AF_INET, &from);

		assert_int_equal(send(fd, "x", 1, 0), 1);
		fd_drop(&fd);
		n++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		assert_int_equal(ix_end_of(ix, clients[i]), 0);
		fd_drop(&clients[i]);
	}
}

static void client_of_a_pod_without_its_family_is_served(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	if (!has_ipv6_loopback())
		skip();
	ix_pod_listen(ix, AF_INET);
	/* the host has IPv6, the pod lost it: publish, then change the plan */
	ix_publish(ix, "", 1);
	ix->plan.has_ipv6 = false;
	ix_connect(ix, &c, "::1");
	assert_true(ix_seen_as(&c, "127.0.0.3"));
	ix_check(ix, &c);
	conn_close(&c);
	ix->plan.has_ipv6 = true;
}

static void refused_by_the_pod_is_a_reset_at_once(void **state)
{
	struct ix *ix = *state;
	struct mono start = mono_now();

	ix_pod_listen(ix, AF_INET);
	fd_drop(&ix->server[0]); /* so the port is free */
	ix_publish(ix, "", 1);
	for (int i = 0; i < 3; i++) {
		int c = ix_client(ix,
				  i == 2 && ix->plan.has_ipv6 ? "::1" : NULL, 0,
				  false);

		assert_int_equal(ix_end_of(ix, c), -ECONNRESET);
		fd_drop(&c);
	}
	assert_int_equal(ingress_stats(ix->in)->refused, 3);
	assert_int_equal(ix->relay.stats.opened, 0);
	assert_true(mono_sub(mono_now(), start).ns < mono_s(10).ns);
}

static void what_the_pod_says_before_closing_arrives(void **state)
{
	struct ix *ix = *state;
	char buf[16] = "";
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, NULL);
	assert_int_equal(send(c.pod, "hello", 5, 0), 5);
	fd_drop(&c.pod);
	WAIT(&ix->loop, recv(c.client, buf, sizeof(buf), MSG_DONTWAIT) == 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(ix_end_of(ix, c.client), 0);
	conn_close(&c);
}

static void client_that_gave_up_before_accept_harms_nobody(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 10; i++) {
		int fd = ix_client(ix, NULL, 0, false);

		linger_reset(fd);
		fd_drop(&fd);
	}
	settle(&ix->loop);
	for (;;) { /* the pod may have seen them come and go */
		int fd = accept_any(ix->server[0], SOCK_NONBLOCK);

		if (fd < 0)
			break;
		fd_drop(&fd);
	}
	ix_connect(ix, &c, NULL);
	ix_check(ix, &c);
	conn_close(&c);
	WAIT(&ix->loop, ix->relay.n_flows == 0);
}

static void accepted_sockets_inherit_what_a_relay_needs(void **state)
{
	struct ix *ix = *state;
	struct linger linger = { 0, 9 };
	int nodelay = 0, keepalive = 0, fd;
	socklen_t len = sizeof(linger);
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c, NULL);
	for (fd = 3; fd < 200; fd++) {
		union endpoint me = { 0 }, peer;
		socklen_t a = sizeof(me), b = sizeof(peer);

		if (getsockname(fd, &me.sa, &a) ||
		    getpeername(fd, &peer.sa, &b))
			continue;
		if (me.sa.sa_family == AF_INET &&
		    endpoint_port(&me) == ix->port)
			break;
	}
	assert_true(fd < 200);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len),
			 0);
	assert_int_equal(linger.l_onoff, 1);
	assert_int_equal(linger.l_linger, 0);
	len = sizeof(nodelay);
	assert_int_equal(getsockopt(fd, SOL_TCP, TCP_NODELAY, &nodelay, &len),
			 0);
	assert_int_not_equal(nodelay, 0);
	len = sizeof(keepalive);
	assert_int_equal(
		getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len), 0);
	assert_int_not_equal(keepalive, 0);
	conn_close(&c);
}

static void range_keeps_its_order(void **state)
{
	struct portfwd_publish p = { .id = 9, .first = 5, .n = 3 };
	struct ix *ix = *state;
	char err[SPEC_ERR_MAX], text[32];
	int fds[3] = { -1, -1, -1 };

	ix_pod_listen(ix, AF_INET);
	/* the pod's listener is the seventh port of a range */
	(void)snprintf(text, sizeof(text), "%d-%d", ix->pod_port - 6,
		       ix->pod_port + 1);
	assert_int_equal(spec_parse(text, &p.spec, err), 0);
	for (size_t i = 0; i < 3; i++) {
		struct sockaddr_storage at;
		socklen_t len;

		fds[i] = loopback_listener(AF_INET, &at, &len);
		assert_int_equal(fd_nonblock(fds[i]), 0);
		p.host_ports[i] = port_of(&at);
	}
	assert_int_equal(ingress_publish(ix->in, &p, fds), 0);
	assert_int_equal(ingress_start(ix->in), 0);
	for (size_t i = 0; i < 3; i++) {
		union endpoint from;
		int c, s;

		ix->port = p.host_ports[i];
		c = ix_client(ix, NULL, 0, false);
		if (i == 1) { /* 5 + 1 is the seventh */
			s = ix_accept(ix, AF_INET, &from);
			fd_drop(&s);
			assert_int_equal(ix_end_of(ix, c), 0);
		} else {
			assert_int_equal(ix_end_of(ix, c), -ECONNRESET);
		}
		fd_drop(&c);
	}
}

static void flows_beyond_the_limit_are_reset(void **state)
{
	struct ix *ix = *state;
	struct conn c[3];
	int extra;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, ",max=3", 1);
	for (int i = 0; i < 3; i++)
		ix_connect(ix, &c[i], NULL);
	extra = ix_client(ix, NULL, 0, false);
	assert_int_equal(ix_end_of(ix, extra), -ECONNRESET);
	fd_drop(&extra);
	assert_int_equal(ingress_stats(ix->in)->over_max, 1);
	for (int i = 0; i < 3; i++)
		ix_check(ix, &c[i]);
	conn_close(&c[1]);
	WAIT(&ix->loop, ix->relay.n_flows == 2);
	ix_connect(ix, &c[1], NULL);
	ix_check(ix, &c[1]);
	for (int i = 0; i < 3; i++)
		conn_close(&c[i]);
}

/* Whatever the pod sees as its client, the header has the true one. */
static void proxy_header_is_the_first_the_pod_reads(void **state)
{
	struct ix *ix = *state;
	char want[128], got[128] = "";
	union endpoint me;
	socklen_t len = sizeof(me);
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, ",source=off,proxy=v1", 1);
	c.client = ix_client(ix, "127.0.0.9", 0, true);
	assert_int_equal(send(c.client, "first", 5, 0), 5);
	c.pod = ix_accept(ix, AF_INET, &c.seen);
	assert_true(ix_seen_as(&c, "127.0.0.3"));
	assert_int_equal(getsockname(c.client, &me.sa, &len), 0);
	(void)snprintf(want, sizeof(want),
		       "PROXY TCP4 127.0.0.9 127.0.0.1 %u %u\r\nfirst",
		       endpoint_port(&me), ix->port);
	WAIT(&ix->loop, recv(c.pod, got, sizeof(got) - 1,
			     MSG_DONTWAIT | MSG_PEEK) == (ssize_t)strlen(want));
	assert_string_equal(got, want);
	conn_close(&c);
}

static void port_published_later_is_served_too(void **state)
{
	struct ix *ix = *state;
	struct portfwd_publish p = { .id = 2, .n = 1 };
	struct sockaddr_storage at = { 0 };
	char err[SPEC_ERR_MAX], text[16];
	socklen_t len;
	struct conn c;
	int fd = loopback_listener(AF_INET, &at, &len);

	assert_int_equal(fd_nonblock(fd), 0);
	assert_int_equal(ingress_start(ix->in), 0);
	ix_pod_listen(ix, AF_INET);
	(void)snprintf(text, sizeof(text), "%u", ix->pod_port);
	assert_int_equal(spec_parse(text, &p.spec, err), 0);
	ix->port = port_of(&at);
	assert_int_equal(ingress_publish(ix->in, &p, &fd), 0);
	ix_connect(ix, &c, NULL);
	ix_check(ix, &c);
	conn_close(&c);
}

/* ---- shortages ---- */

static void clients_wait_while_the_pool_is_empty(void **state)
{
	struct ix *ix = *state;
	struct conn c[5];

	ix->maker_silent = true;
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 5; i++)
		c[i].client = ix_client(ix, NULL, 0, false);
	settle(&ix->loop);
	assert_int_equal(ix->made, 0);
	assert_true(ingress_stats(ix->in)->paused_pool > 0);
	assert_false(loop_has_event(&ix->loop, 20)); /* and nothing spins */
	ix_answer(ix);
	for (int i = 0; i < 5; i++)
		c[i].pod = ix_accept(ix, AF_INET, &c[i].seen);
	assert_int_equal(ingress_stats(ix->in)->accepted, 5);
	for (int i = 0; i < 5; i++)
		conn_close(&c[i]);
}

/*
 * Its backlog is full: whoever else connects waits in ours, not in descriptors.
 */
static void pod_that_never_accepts_costs_a_limited_number(void **state)
{
	static int clients[600];
	struct ix *ix = *state;
	union endpoint from;
	size_t before;

	ix_pod_listen(ix, AF_INET);
	assert_int_equal(listen(ix->server[0], 1), 0);
	ix_publish(ix, "", 1);
	settle(&ix->loop);
	before = count_fds();
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = ix_client(ix, NULL, 0, false);
	WAIT(&ix->loop, ingress_stats(ix->in)->paused_pod > 0);
	settle(&ix->loop);
	/* two in the pod's backlog are relayed already */
	assert_in_range(ingress_stats(ix->in)->accepted, 256, 260);
	assert_in_range(count_fds() - before, ARRAY_SIZE(clients),
			ARRAY_SIZE(clients) + 2 * 260);
	/* it wakes up: all are served */
	assert_int_equal(listen(ix->server[0], 4096), 0);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		int fd = ix_accept(ix, AF_INET, &from);

		fd_drop(&fd);
	}
	assert_int_equal(ingress_stats(ix->in)->accepted, ARRAY_SIZE(clients));
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		fd_drop(&clients[i]);
	WAIT(&ix->loop, ix->relay.n_flows == 0);
}

static void maker_without_sockets_is_asked_again(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	ix->maker_errno = EMFILE;
	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	c.client = ix_client(ix, NULL, 0, false);
	for (int i = 0; i < 5; i++) {
		turn(&ix->loop);
		(void)loop_has_event(&ix->loop, 1);
	}
	ix->maker_errno = 0;
	c.pod = ix_accept(ix, AF_INET, &c.seen);
	ix_check(ix, &c);
	conn_close(&c);
}

static void pool_is_refilled_before_it_is_empty(void **state)
{
	struct ix *ix = *state;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 5 * POOL_SIZE; i++) {
		ix_connect(ix, &c, NULL);
		conn_close(&c);
	}
	assert_true(ix->made >= 5 * POOL_SIZE);
	assert_true(ix->made <= 6 * POOL_SIZE);
}

static void no_descriptors_pause_accepting_and_it_resumes(void **state)
{
	struct ix *ix = *state;
	struct rlimit old;
	struct conn c[6];
	int n = 0;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	ix_connect(ix, &c[0], NULL);
	ix_check(ix, &c[0]);
	for (int i = 1; i < 6; i++)
		c[i].client = ix_client(ix, NULL, 0, false);
	leave_descriptors(2, &old);
	settle(&ix->loop);
	assert_true(ingress_stats(ix->in)->paused_fds > 0);
	assert_int_equal(ingress_stats(ix->in)->accepted, 3);
	/* the flow that lives goes on, and the loop doesn't spin */
	ix_check(ix, &c[0]);
	for (int i = 0; i < 20; i++)
		n += loop_has_event(&ix->loop, 1);
	assert_int_equal(n, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 1; i < 6; i++)
		c[i].pod = ix_accept(ix, AF_INET, &c[i].seen);
	WAIT(&ix->loop, ingress_stats(ix->in)->accepted == 6);
	for (int i = 0; i < 6; i++)
		conn_close(&c[i]);
}

static void sockets_in_reserve_make_room_for_clients(void **state)
{
	struct ix *ix = *state;
	struct rlimit old;
	struct conn c = { 0 };

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	settle(&ix->loop); /* the pool is full */
	c.client = ix_client(ix, NULL, 0, false);
	leave_descriptors(0, &old);
	WAIT(&ix->loop, ingress_stats(ix->in)->accepted == 1);
	assert_true(ingress_stats(ix->in)->paused_fds > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	c.pod = ix_accept(ix, AF_INET, &c.seen);
	ix_check(ix, &c);
	conn_close(&c);
}

static void descriptors_of_an_ended_flow_are_used_at_once(void **state)
{
	struct ix *ix = *state;
	struct rlimit old;
	struct conn c[2];
	int waiting;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 2; i++)
		ix_connect(ix, &c[i], NULL);
	waiting = ix_client(ix, NULL, 0, false);
	leave_descriptors(0, &old);
	settle(&ix->loop);
	assert_int_equal(ingress_stats(ix->in)->accepted, 2);
	conn_close(&c[0]);
	WAIT(&ix->loop, ingress_stats(ix->in)->accepted == 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	c[0] = (struct conn){ .client = waiting };
	c[0].pod = ix_accept(ix, AF_INET, &c[0].seen);
	ix_check(ix, &c[0]);
	for (int i = 0; i < 2; i++)
		conn_close(&c[i]);
}

/* ---- many ---- */

static void five_hundred_at_once_are_all_served(void **state)
{
	static int clients[500], pods[500];
	struct ix *ix = *state;
	union endpoint from;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = ix_client(ix, NULL, 0, false);
		assert_int_equal(send(clients[i], "q", 1, 0), 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
		pods[i] = ix_accept(ix, AF_INET, &from);
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		char b = 0;

		WAIT(&ix->loop, recv(pods[i], &b, 1, MSG_DONTWAIT) == 1);
		assert_int_equal(b, 'q');
		fd_drop(&pods[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		assert_int_equal(ix_end_of(ix, clients[i]), 0);
		fd_drop(&clients[i]);
	}
	WAIT(&ix->loop, ix->relay.n_flows == 0);
	assert_int_equal(ix->relay.stats.ended_clean, ARRAY_SIZE(pods));
}

static void ten_thousand_connections_leave_no_descriptor(void **state)
{
	struct ix *ix = *state;
	size_t before = 0;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 10000; i++) {
		ix_connect(ix, &c, NULL);
		if (i % 100 == 0) /* the rest end by a reset: no TIME_WAIT */
			ix_check(ix, &c);
		else
			linger_reset(i % 2 ? c.client : c.pod);
		conn_close(&c);
		WAIT(&ix->loop, ix->relay.n_flows == 0);
		if (i == 200) {
			settle(&ix->loop);
			before = count_fds();
		}
	}
	settle(&ix->loop);
	/* the pool may be anywhere between half and full */
	assert_in_range(count_fds(), before - POOL_SIZE, before + POOL_SIZE);
	assert_int_equal(ingress_stats(ix->in)->accepted, 10000);
}

static void flows_that_live_are_reset_at_the_end(void **state)
{
	struct ix *ix = *state;
	struct conn c[3];

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "", 1);
	for (int i = 0; i < 3; i++)
		ix_connect(ix, &c[i], NULL);
	ix->in = ingress_free(ix->in);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ix_end_of(ix, c[i].client), -ECONNRESET);
		assert_int_equal(ix_end_of(ix, c[i].pod), -ECONNRESET);
		conn_close(&c[i]);
	}
}

#define TEST(fn)  cmocka_unit_test_setup_teardown(fn, ix_setup, ix_teardown)
#define TEST6(fn) cmocka_unit_test_setup_teardown(fn, ix_setup6, ix_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(loopback_client_is_seen_as_the_gateway),
		TEST(source_off_makes_it_the_gateway_and_is_counted_so),
		TEST(client_keeps_its_address_and_port),
		TEST(port_that_is_taken_is_changed_and_the_address_kept),
		TEST(address_that_cannot_be_bound_becomes_the_gateway),
		TEST(addresses_that_mean_something_else_in_the_pod),
		TEST6(client_over_ipv6_keeps_its_address),
		TEST6(mapped_address_is_taken_for_what_it_is),
		TEST6(refused_family_is_served_in_the_other_one),
		TEST6(many_at_once_are_served_in_the_other_family),
		TEST6(client_of_a_pod_without_its_family_is_served),
		TEST(refused_by_the_pod_is_a_reset_at_once),
		TEST6(refused_by_the_pod_is_a_reset_at_once),
		TEST(what_the_pod_says_before_closing_arrives),
		TEST(client_that_gave_up_before_accept_harms_nobody),
		TEST(accepted_sockets_inherit_what_a_relay_needs),
		TEST(range_keeps_its_order),
		TEST(flows_beyond_the_limit_are_reset),
		TEST(proxy_header_is_the_first_the_pod_reads),
		TEST(port_published_later_is_served_too),
		TEST(clients_wait_while_the_pool_is_empty),
		TEST(pod_that_never_accepts_costs_a_limited_number),
		TEST(maker_without_sockets_is_asked_again),
		TEST(pool_is_refilled_before_it_is_empty),
		TEST(no_descriptors_pause_accepting_and_it_resumes),
		TEST(sockets_in_reserve_make_room_for_clients),
		TEST(descriptors_of_an_ended_flow_are_used_at_once),
		TEST(five_hundred_at_once_are_all_served),
		TEST(ten_thousand_connections_leave_no_descriptor),
		TEST(flows_that_live_are_reset_at_the_end),
	};

	(void)netns_enter(ix_netns());
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, world, NULL);
}
