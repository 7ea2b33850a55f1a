// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's list of sockets, of a namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <linux/netlink.h>

#include "setup/net/sockdiag.h"
#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

static struct netns netns;

static union endpoint at(const char *addr, uint16_t port)
{
	struct ip ip;

	assert_int_equal(ip_parse(addr, &ip), 0);
	return endpoint_make(&ip, port);
}

static int bound(int type, const char *addr, uint16_t port)
{
	union endpoint ep = at(addr, port);
	int fd = socket(ep.sa.sa_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (ep.sa.sa_family == AF_INET6)
		must_setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	assert_int_equal(bind(fd, &ep.sa, endpoint_len(&ep)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static union endpoint end_of(int fd, bool peer)
{
	union endpoint ep;
	socklen_t len = sizeof(ep);
	int rc = peer ? getpeername(fd, &ep.sa, &len)
		      : getsockname(fd, &ep.sa, &len);

	assert_int_equal(rc, 0);
	return ep;
}

static int32_t owner_of(struct sockdiag *sd, int proto, int fd)
{
	union endpoint local = end_of(fd, false), remote = end_of(fd, true);

	return sockdiag_owner(sd, proto, &local, &remote);
}

struct fixture {
	struct sockdiag sd;
};

static int begin(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .sd.fd = -1 };
	*state = &f;
	if (!netns.why_not[0])
		f.sd.fd = sockdiag_socket();
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	fd_drop(&f->sd.fd);
	return 0;
}

struct seen {
	unsigned int n;
	char text[512];
};

static void note(void *arg, const union endpoint *local)
{
	struct seen *s = arg;
	char text[ADDR_TEXT_MAX];
	size_t len = strlen(s->text);

	s->n++;
	if (len < sizeof(s->text) - ADDR_TEXT_MAX - 1)
		(void)snprintf(s->text + len, sizeof(s->text) - len, "%s ",
			       endpoint_format(local, text));
}

static void listeners_are_listed_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct seen tcp = { 0 }, udp = { 0 };
	int pair[2];

	NETNS_OR_SKIP(&netns);
	int fds[] = {
		bound(SOCK_STREAM, "0.0.0.0", 80),
		bound(SOCK_STREAM, "::", 8080),
		bound(SOCK_STREAM, "127.0.0.1", 81),
		bound(SOCK_DGRAM, "0.0.0.0", 53),
		bound(SOCK_DGRAM, "::1", 54),
	};
	scoped_fd connected = bound(SOCK_DGRAM, "0.0.0.0", 55);
	union endpoint peer = at("127.0.0.1", 53);

	assert_int_equal(connect(connected, &peer.sa, endpoint_len(&peer)), 0);
	tcp_pair(AF_INET, pair);
	assert_int_equal(sockdiag_listening(&f->sd, IPPROTO_TCP, note, &tcp),
			 0);
	assert_int_equal(tcp.n, 3);
	assert_non_null(strstr(tcp.text, "0.0.0.0:80 "));
	assert_non_null(strstr(tcp.text, "[::]:8080 "));
	assert_non_null(strstr(tcp.text, "127.0.0.1:81 "));
	assert_int_equal(sockdiag_listening(&f->sd, IPPROTO_UDP, note, &udp),
			 0);
	assert_int_equal(udp.n, 2);
	assert_non_null(strstr(udp.text, "0.0.0.0:53 "));
	assert_non_null(strstr(udp.text, "[::1]:54 "));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(pair[0]);
	close(pair[1]);
}

static void more_listeners_than_fit_in_one_piece_are_all_listed(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	int fds[800];

	NETNS_OR_SKIP(&netns);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = bound(SOCK_STREAM, "0.0.0.0", (uint16_t)(2000 + i));
	assert_int_equal(sockdiag_listening(&f->sd, IPPROTO_TCP, note, &s), 0);
	assert_int_equal(s.n, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	s.n = 0;
	assert_int_equal(sockdiag_listening(&f->sd, IPPROTO_TCP, note, &s), 0);
	assert_int_equal(s.n, 0);
}

static void owner_of_a_flow_is_told(void **state)
{
	struct fixture *f = *state;
	int pair[2];

	NETNS_OR_SKIP(&netns);
	for (int family = AF_INET;; family = AF_INET6) {
		tcp_pair(family, pair);
		assert_int_equal(owner_of(&f->sd, IPPROTO_TCP, pair[0]), 0);
		assert_int_equal(owner_of(&f->sd, IPPROTO_TCP, pair[1]), 0);
		close(pair[0]);
		close(pair[1]);
		if (family == AF_INET6 || !has_ipv6_loopback())
			break;
	}
}

static void owner_of_a_server_is_told_for_its_clients(void **state)
{
	struct fixture *f = *state;
	union endpoint local = at("127.0.0.1", 5353);
	union endpoint remote = at("198.51.100.7", 1234);

	NETNS_OR_SKIP(&netns);
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_UDP, &local, &remote),
			 -1);
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_TCP, &local, &remote),
			 -1);
	int udp = bound(SOCK_DGRAM, "0.0.0.0", 5353);
	int tcp = bound(SOCK_STREAM, "0.0.0.0", 5353);

	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_UDP, &local, &remote),
			 0);
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_TCP, &local, &remote),
			 0);
	close(udp);
	close(tcp);
	remote.sa.sa_family = 0;
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_TCP, &local, &remote),
			 -1);
}

static void socket_that_nobody_holds_has_no_owner(void **state)
{
	struct fixture *f = *state;
	union endpoint local, remote;
	int pair[2];

	NETNS_OR_SKIP(&netns);
	tcp_pair(AF_INET, pair);
	local = end_of(pair[0], false);
	remote = end_of(pair[0], true);
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_TCP, &local, &remote),
			 0);
	close(pair[0]); /* FIN_WAIT2 */
	assert_int_equal(sockdiag_owner(&f->sd, IPPROTO_TCP, &local, &remote),
			 -1);
	close(pair[1]);
}

/* Root of the namespace, as a pod's is. */
static void nobody_but_the_kernel_can_send_to_it(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_nl to;
	socklen_t len = sizeof(to);
	struct nlmsghdr h = { .nlmsg_len = sizeof(h), .nlmsg_seq = 1 };
	struct seen s = { 0 };

	NETNS_OR_SKIP(&netns);
	scoped_fd stranger =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	scoped_fd open =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	/* an ordinary socket it can send to */
	to = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	assert_int_equal(bind(open, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(open, (struct sockaddr *)&to, &len), 0);
	assert_true(sendto(stranger, &h, sizeof(h), 0, (struct sockaddr *)&to,
			   len) == sizeof(h));
	assert_int_equal(getsockname(f->sd.fd, (struct sockaddr *)&to, &len),
			 0);
	assert_int_not_equal(to.nl_pid, 0);
	assert_true(sendto(stranger, &h, sizeof(h), 0, (struct sockaddr *)&to,
			   len) < 0);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(sockdiag_listening(&f->sd, IPPROTO_TCP, note, &s), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			listeners_are_listed_and_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(
			more_listeners_than_fit_in_one_piece_are_all_listed,
			begin, end),
		cmocka_unit_test_setup_teardown(owner_of_a_flow_is_told, begin,
						end),
		cmocka_unit_test_setup_teardown(
			owner_of_a_server_is_told_for_its_clients, begin, end),
		cmocka_unit_test_setup_teardown(
			socket_that_nobody_holds_has_no_owner, begin, end),
		cmocka_unit_test_setup_teardown(
			nobody_but_the_kernel_can_send_to_it, begin, end),
	};

	(void)netns_enter(&netns);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
