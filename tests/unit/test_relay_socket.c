// SPDX-License-Identifier: GPL-2.0-or-later
/* The options of relayed sockets, and that listeners pass them on. */
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_relayed_socket_resets_and_does_not_wait),
		cmocka_unit_test(host_side_looks_for_peers_that_vanish),
		cmocka_unit_test(what_is_no_socket_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("relay_socket", tests, NULL, NULL);
}
