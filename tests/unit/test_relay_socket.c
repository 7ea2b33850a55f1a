// SPDX-License-Identifier: GPL-2.0-or-later
/* The options of relayed sockets, that listeners pass them on, and what
 * connect() came to. */
#include "portfwd/relay_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/addr.h"
#include "tests/unit/harness.h"

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void assert_relayable(int fd)
{
	struct linger linger = { 0, 9 };
	socklen_t len = sizeof(linger);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len),
			 0);
	assert_int_equal(linger.l_onoff, 1);
	assert_int_equal(linger.l_linger, 0);
	assert_int_not_equal(option(fd, SOL_TCP, TCP_NODELAY), 0);
	assert_int_not_equal(option(fd, SOL_SOCKET, SO_OOBINLINE), 0);
}

static void assert_host_side(int fd)
{
	assert_relayable(fd);
	assert_int_equal(option(fd, SOL_TCP, TCP_NOTSENT_LOWAT), -1);
	assert_int_not_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(fd, SOL_TCP, TCP_KEEPIDLE), 300);
	assert_int_equal(option(fd, SOL_TCP, TCP_KEEPINTVL), 60);
	assert_int_equal(option(fd, SOL_TCP, TCP_KEEPCNT), 5);
}

/* Both families, and what is accepted from a listener that was prepared */
static void each_socket(int (*prepare)(int fd), void (*check)(int fd))
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct ip lo = { .family = (sa_family_t)families[i] };
		union endpoint ep;
		socklen_t len = sizeof(ep);
		scoped_fd l =
			socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
		scoped_fd c =
			socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
		scoped_fd s = -1;

		if (families[i] == AF_INET)
			lo.v4.s_addr = htonl(INADDR_LOOPBACK);
		else
			lo.v6 = in6addr_loopback;
		ep = endpoint_make(&lo, 0);
		assert_int_equal(prepare(l), 0);
		check(l);
		assert_int_equal(bind(l, &ep.sa, endpoint_len(&ep)), 0);
		assert_int_equal(listen(l, 1), 0);
		assert_int_equal(getsockname(l, &ep.sa, &len), 0);
		assert_int_equal(connect(c, &ep.sa, len), 0);
		s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		assert_true(s >= 0);
		check(s);
	}
}

static void every_relayed_socket_resets_and_does_not_wait(void **state)
{
	(void)state;
	each_socket(relay_socket_prepare, assert_relayable);
}

static void host_side_looks_for_peers_that_vanish(void **state)
{
	(void)state;
	each_socket(relay_socket_prepare_host, assert_host_side);
}

static void what_is_no_socket_is_refused(void **state)
{
	(void)state;
	assert_int_equal(relay_socket_prepare(-1), -EBADF);
	assert_int_equal(relay_socket_prepare_host(-1), -EBADF);
}

static int listener(union endpoint *at, int backlog)
{
	struct sockaddr_storage any;
	socklen_t len;
	int fd = loopback_listener(AF_INET, &any, &len);

	memcpy(at, &any, sizeof(*at));
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static void a_handshake_with_this_machine_is_over_at_once(void **state)
{
	union endpoint at;
	scoped_fd l = listener(&at, 1), c = client();

	(void)state;
	assert_true(l >= 0);
	assert_int_equal(relay_socket_connect(c, &at), 0);
	assert_int_equal(send(c, "x", 1, MSG_NOSIGNAL), 1);
}

static void a_refusal_by_this_machine_is_known_at_once(void **state)
{
	union endpoint at;
	scoped_fd l = listener(&at, 1), c = client();

	(void)state;
	fd_drop(&l);
	assert_int_equal(relay_socket_connect(c, &at), -ECONNREFUSED);
}

static void a_handshake_that_is_under_way_is_no_error(void **state)
{
	union endpoint at;
	scoped_fd l = listener(&at, 0);
	int fds[8], rc = 0;
	size_t n = 0;

	(void)state;
	assert_true(l >= 0);
	/* until its backlog is full: then nobody answers */
	while (!rc && n < ARRAY_SIZE(fds)) {
		fds[n] = client();
		rc = relay_socket_connect(fds[n++], &at);
	}
	while (n > 0)
		fd_drop(&fds[--n]);
	assert_int_equal(rc, -EINPROGRESS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_relayed_socket_resets_and_does_not_wait),
		cmocka_unit_test(host_side_looks_for_peers_that_vanish),
		cmocka_unit_test(what_is_no_socket_is_refused),
		cmocka_unit_test(a_handshake_with_this_machine_is_over_at_once),
		cmocka_unit_test(a_refusal_by_this_machine_is_known_at_once),
		cmocka_unit_test(a_handshake_that_is_under_way_is_no_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("relay_socket", tests, NULL, NULL);
}
