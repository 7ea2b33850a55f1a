// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What we rely on the kernel for inside an unprivileged user and network
 * namespace: transparent sockets, TAP devices, nftables, and who owns what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <cap-ng.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "netstack/base/log.h"
#include "setup/net/link.h"
#include "setup/net/nft.h"
#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

static struct netns netns;

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static int bind_to(int fd, const char *addr)
{
	struct ip ip = address(addr);
	union endpoint ep = endpoint_make(&ip, 0);

	return bind(fd, &ep.sa, endpoint_len(&ep)) ? errno : 0;
}

static int set_transparent(int fd, int family)
{
	static const int one = 1;

	return setsockopt(fd, family == AF_INET ? SOL_IP : SOL_IPV6,
			  family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT,
			  &one, sizeof(one))
		       ? errno
		       : 0;
}

static int tcp_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

/* ---- transparent sockets: setup/net/hop.c, setup/helper/maker.c ---- */

static void transparent_socket_may_have_a_foreign_address(void **state)
{
	scoped_fd plain = tcp_socket(AF_INET), t4 = tcp_socket(AF_INET);
	scoped_fd t6 = tcp_socket(AF_INET6);

	(void)state;
	NETNS_OR_SKIP(&netns);
	assert_int_equal(bind_to(plain, "203.0.113.9"), EADDRNOTAVAIL);
	assert_int_equal(set_transparent(t4, AF_INET), 0);
	assert_int_equal(bind_to(t4, "203.0.113.9"), 0);
	assert_int_equal(set_transparent(t6, AF_INET6), 0);
	assert_int_equal(bind_to(t6, "2001:db8::9"), 0);
}

/* In a child that gave up all it had; Return: its exit status */
static int without_capabilities(int (*fn)(int arg), int arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		capng_clear(CAPNG_SELECT_BOTH);
		if (capng_apply(CAPNG_SELECT_BOTH))
			_exit(99);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int use_transparent(int fd)
{
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* none can be made without capabilities, but used */
	if (set_transparent(other, AF_INET) != EPERM)
		return 1;
	return bind_to(fd, "203.0.113.9") ? 2 : 0;
}

static void transparent_socket_is_used_without_capabilities(void **state)
{
	scoped_fd fd = tcp_socket(AF_INET);

	(void)state;
	NETNS_OR_SKIP(&netns);
	assert_int_equal(set_transparent(fd, AF_INET), 0);
	assert_int_equal(without_capabilities(use_transparent, fd), 0);
}

static void foreign_address_is_what_the_server_sees(void **state)
{
	struct link_route r = { .family = AF_INET,
				.local = true,
				.ifindex = 1 };
	struct sockaddr_in peer = { 0 };
	struct sockaddr_storage at;
	struct nl_sock *sk;
	socklen_t len;

	(void)state;
	NETNS_OR_SKIP(&netns);

	scoped_fd l = loopback_listener(AF_INET, &at, &len);
	scoped_fd c = tcp_socket(AF_INET), s = -1;

	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(link_route_add(sk, &r), 0);
	assert_int_equal(set_transparent(c, AF_INET), 0);
	assert_int_equal(bind_to(c, "203.0.113.9"), 0);
	assert_int_equal(connect(c, (struct sockaddr *)&at, len), 0);
	len = sizeof(peer);
	s = accept4(l, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	assert_true(s >= 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), 0xcb007109);
	assert_int_equal(link_route_del(sk, &r), 0);
	link_close(sk);
}

/* ---- TAP: netstack/netstack.c ---- */

/* Return: descriptor, or -1 with the reason printed */
static int tap_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	(void)snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		print_message("# /dev/net/tun: %s\n", strerror(errno));
		fd_drop(&fd);
	}
	return fd;
}

static void deleted_tap_gives_an_error_for_ever(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct nl_sock *sk;
	char buf[64];

	(void)state;
	NETNS_OR_SKIP(&netns);

	scoped_fd tap = tap_open("tap9");

	if (tap < 0)
		skip();
	p.fd = tap;
	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(
		link_set(sk, "tap9", &(struct link_opts){ .up = true }), 0);
	assert_int_equal(poll(&p, 1, 0) == 1 && (p.revents & POLLERR), 0);
	assert_int_equal(link_del(sk, "tap9"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_true(p.revents & POLLERR);
		assert_int_equal(read(tap, buf, sizeof(buf)), -1);
		assert_int_equal(errno, EBADFD);
	}
	link_close(sk);
}

static void tap_holds_as_many_frames_as_its_queue_is_long(void **state)
{
	struct link_opts o = { .up = true, .txqueuelen = 32768 };
	/* a broadcast asks no neighbour */
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	struct nl_sock *sk;
	char buf[128] = "";
	int n = 0;

	(void)state;
	NETNS_OR_SKIP(&netns);

	scoped_fd tap = tap_open("tap8");
	scoped_fd out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (tap < 0)
		skip();
	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(link_set(sk, "tap8", &o), 0);
	link_close(sk);
	assert_int_equal(
		setsockopt(out, SOL_SOCKET, SO_BINDTODEVICE, "tap8", 5), 0);
	must_setsockopt(out, SOL_SOCKET, SO_BROADCAST, 1);
	for (int i = 0; i < 5000; i++)
		(void)sendto(out, buf, 18, MSG_DONTWAIT, (struct sockaddr *)&to,
			     sizeof(to));
	while (read(tap, buf, sizeof(buf)) > 0)
		n++;
	/* the default of 500 or 1000 would have lost the rest */
	assert_true(n >= 5000);
}

/* ---- namespaces: setup/ ---- */

static void death_of_the_last_holder_takes_the_veth_along(void **state)
{
	struct link_opts none = { 0 };
	int go[2], index, status, gone = 0;
	struct nl_sock *sk;
	char c;

	(void)state;
	NETNS_OR_SKIP(&netns);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);

	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)!write(go[1], unshare(CLONE_NEWNET) ? "n" : "y", 1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_int_equal(c, 'y');

	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);

	int ns = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(ns >= 0);
	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(link_add_veth(sk, "v0", &none, "v1", ns, &none), 0);
	fd_drop(&ns);
	assert_int_equal(link_index(sk, "v0", &index), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	log_init(LOG_ERROR, -1); /* it is meant to be gone */
	for (int i = 0; i < PATIENCE_MS / 5 && !gone; i++) {
		gone = link_index(sk, "v0", &index) != 0;
		(void)usleep(5000);
	}
	log_init(LOG_WARN, STDERR_FILENO);
	assert_true(gone);
	link_close(sk);
	fd_drop(&go[0]);
	fd_drop(&go[1]);
}

static int enter_user_ns(int fd)
{
	return setns(fd, CLONE_NEWUSER) ? errno : 0;
}

/* The supervisor has no capability and still rules what it started. */
static void owner_without_capabilities_enters_its_child_namespace(void **state)
{
	int go[2], status;
	char c, path[64];

	(void)state;
	NETNS_OR_SKIP(&netns);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);

	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)!write(go[1], unshare(CLONE_NEWUSER) ? "n" : "y", 1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);

	scoped_fd ns = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(ns >= 0);
	assert_int_equal(without_capabilities(enter_user_ns, ns), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fd_drop(&go[0]);
	fd_drop(&go[1]);
}

/* ---- nftables: setup/net/nft.c ---- */

static bool sh(const char *command)
{
	return system(command) == 0; /* NOLINT: a constant */
}

static void send_udp(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	scoped_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in me = { .sin_family = AF_INET,
				  .sin_port = htons(4321),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	assert_int_equal(
		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
}

static void rules_of_a_netdev_chain_fill_and_empty_a_set(void **state)
{
	static const char rules[] =
		"nft -f - <<'END'\n"
		"table netdev t {\n"
		" set s { type ipv4_addr . inet_service;"
		" flags timeout,dynamic; timeout 1h; }\n"
		" chain c { type filter hook ingress device lo priority 0;\n"
		"  udp dport 9 update @s { ip saddr . udp sport }\n"
		"  udp dport 10 delete @s { ip saddr . udp sport }\n"
		" }\n"
		"}\n"
		"END";
	static const char listed[] =
		"nft list set netdev t s | grep -q '127.0.0.1 . 4321'";

	(void)state;
	NETNS_OR_SKIP(&netns);
	if (!sh("nft list ruleset >/dev/null")) {
		print_message("# no nft command, or no nf_tables\n");
		skip();
	}
	assert_true(sh(rules));
	assert_false(sh(listed));
	send_udp(9);
	assert_true(sh(listed));
	send_udp(9); /* refreshed, no error */
	assert_true(sh(listed));
	send_udp(10);
	assert_false(sh(listed));
	assert_true(sh("nft delete table netdev t"));
}

static void ruleset_of_the_hop_is_taken(void **state)
{
	struct link_opts none = { 0 };
	struct podnet plan = { .net4 = address("10.0.2.0"),
			       .gw4 = address("10.0.2.2"),
			       .dns4 = address("10.0.2.3"),
			       .pod4 = address("10.0.2.100"),
			       .prefix4 = 24,
			       .has_ipv6 = true,
			       .net6 = address("fd00::"),
			       .gw6 = address("fd00::2"),
			       .dns6 = address("fd00::3"),
			       .pod6 = address("fd00::100"),
			       .prefix6 = 64,
			       .pod_mac = { 2, 0, 0, 0, 1, 0 } };
	struct nft_hop hop = { .plan = &plan,
			       .p0 = "p0",
			       .tap = "p1",
			       .serve_dns = true,
			       .tproxy_port = 1 };
	struct nl_sock *sk;

	(void)state;
	NETNS_OR_SKIP(&netns);

	scoped_fd ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_int_equal(link_open(&sk), 0);
	assert_int_equal(link_add_veth(sk, "p0", &none, "p1", ns, &none), 0);
	assert_int_equal(link_index(sk, "p0", &hop.p0_index), 0);
	assert_int_equal(link_index(sk, "p1", &hop.tap_index), 0);
	assert_int_equal(nft_hop_install(&hop), 0);
	assert_int_equal(link_del(sk, "p0"), 0);
	link_close(sk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(transparent_socket_may_have_a_foreign_address),
		cmocka_unit_test(
			transparent_socket_is_used_without_capabilities),
		cmocka_unit_test(foreign_address_is_what_the_server_sees),
		cmocka_unit_test(deleted_tap_gives_an_error_for_ever),
		cmocka_unit_test(tap_holds_as_many_frames_as_its_queue_is_long),
		cmocka_unit_test(death_of_the_last_holder_takes_the_veth_along),
		cmocka_unit_test(
			owner_without_capabilities_enters_its_child_namespace),
		cmocka_unit_test(rules_of_a_netdev_chain_fill_and_empty_a_set),
		cmocka_unit_test(ruleset_of_the_hop_is_taken),
	};

	(void)netns_enter(&netns);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
