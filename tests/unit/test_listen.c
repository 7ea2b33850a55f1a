// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listening with real sockets, on loopback: who reaches which listener, what
 * is refused as taken, and what a person is told.
 */
#include "portfwd/listen.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "portfwd/owner.h"
#include "tests/unit/capture.h"
#include "tests/unit/netns.h"

#define RANGE_MAX 4096

/* What one listen_open() made, or said. */
struct opened {
	int rc, fds[RANGE_MAX];
	uint16_t ports[RANGE_MAX];
	unsigned int count;
	char text[2048];
};

/* @fmt is a SPEC; its '@' stands for @port */
static void open_spec(struct opened *o, const char *fmt, unsigned int port)
{
	char text[128], err[SPEC_ERR_MAX], *mark;
	struct capture c;
	struct spec spec;

	(void)snprintf(text, sizeof(text), "%s", fmt);
	mark = strchr(text, '@');
	if (mark) {
		size_t at = (size_t)(mark - text);

		(void)snprintf(mark, sizeof(text) - at, "%u%s", port,
			       fmt + at + 1);
	}
	if (spec_parse(text, &spec, err))
		fail_msg("%s: %s", text, err);
	o->count = spec.count;
	c = capture_start(STDERR_FILENO);
	o->rc = listen_open(&spec, o->fds, o->ports);
	capture_stop(&c, o->text, sizeof(o->text));
}

static void must_open(struct opened *o, const char *fmt, unsigned int port)
{
	open_spec(o, fmt, port);
	if (o->rc || o->text[0])
		fail_msg("%s at %u: %d %s", fmt, port, o->rc, o->text);
}

static void must_fail(struct opened *o, const char *fmt, unsigned int port,
		      int rc)
{
	open_spec(o, fmt, port);
	if (o->rc != rc || !is_one_message(o->text))
		fail_msg("%s at %u: %d %s", fmt, port, o->rc, o->text);
	for (unsigned int i = 0; i < o->count; i++)
		assert_int_equal(o->fds[i], -1);
}

static void opened_drop(struct opened *o)
{
	listen_close(o->fds, o->count);
}

/* A port that nobody has at the moment, in either family. */
static unsigned int free_port(void)
{
	struct opened o;
	unsigned int port;

	must_open(&o, "80", 0);
	port = o.ports[0];
	opened_drop(&o);
	return port;
}

static bool has_ipv6(void)
{
	struct ip lo = { .family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT };
	union endpoint ep = endpoint_make(&lo, 0);
	scoped_fd fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, &ep.sa, endpoint_len(&ep)) == 0;
}

/* Return: 0 when something accepts on @addr:@port, else errno */
static int try_connect(const char *addr, uint16_t port)
{
	struct ip ip;
	union endpoint ep;
	scoped_fd fd = -1;

	assert_int_equal(ip_parse(addr, &ip), 0);
	ep = endpoint_make(&ip, port);
	fd = socket(ip.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return connect(fd, &ep.sa, endpoint_len(&ep)) ? errno : 0;
}

static void listen_reaches_the_families_that_the_spec_means(void **state)
{
	static const struct {
		const char *spec;
		bool v4, v4_other, v6;
	} t[] = {
		{ "80", true, true, true },
		{ "@:80", true, true, true },
		{ "0.0.0.0:@:80", true, true, false },
		{ "127.0.0.1:@:80", true, false, false },
		{ "127.0.0.1:80", true, false, false },
		{ "[::]:@:80", false, false, true },
		{ "[::1]::80", false, false, true },
		{ "%lo:@:80", true, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct opened o;

		if (t[i].v6 && !has_ipv6())
			continue;
		must_open(&o, t[i].spec, free_port());
		assert_int_equal(try_connect("127.0.0.1", o.ports[0]),
				 t[i].v4 ? 0 : ECONNREFUSED);
		assert_int_equal(try_connect("127.0.0.2", o.ports[0]),
				 t[i].v4_other ? 0 : ECONNREFUSED);
		if (has_ipv6())
			assert_int_equal(try_connect("::1", o.ports[0]),
					 t[i].v6 ? 0 : ECONNREFUSED);
		opened_drop(&o);
	}
}

static void listen_sockets_are_non_blocking_and_close_on_exec(void **state)
{
	struct opened o;

	(void)state;
	must_open(&o, "127.0.0.1::80-82", 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(fcntl(o.fds[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(o.fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(accept(o.fds[i], NULL, NULL), -1);
		assert_int_equal(errno, EAGAIN);
	}
	opened_drop(&o);
	assert_int_equal(o.fds[0], -1);
}

static void listen_refuses_what_overlaps_a_listener(void **state)
{
	static const struct {
		const char *a, *b;
		bool conflict, v6;
	} t[] = {
		{ "@:80", "@:80", true, false },
		{ "@:80", "0.0.0.0:@:80", true, false },
		{ "0.0.0.0:@:80", "@:80", true, false },
		{ "127.0.0.1:@:80", "@:80", true, false },
		{ "@:80", "127.0.0.1:@:80", true, false },
		{ "0.0.0.0:@:80", "127.0.0.1:@:80", true, false },
		{ "%lo:@:80", "@:80", true, false },
		{ "%lo:@:80", "%lo:@:80", true, false },
		{ "127.0.0.1:@:80", "127.0.0.2:@:80", false, false },
		{ "@:80", "[::]:@:80", true, true },
		{ "[::]:@:80", "@:80", true, true },
		{ "[::]:@:80", "[::1]:@:80", true, true },
		{ "[::]:@:80", "0.0.0.0:@:80", false, true },
		{ "[::1]:@:80", "127.0.0.1:@:80", false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned int port = free_port();
		struct opened a, b;

		if (t[i].v6 && !has_ipv6())
			continue;
		must_open(&a, t[i].a, port);
		if (t[i].conflict)
			must_fail(&b, t[i].b, port, -EADDRINUSE);
		else
			must_open(&b, t[i].b, port);
		opened_drop(&b);
		opened_drop(&a);
	}
}

static void listen_conflict_names_the_process_that_has_the_port(void **state)
{
	static const struct {
		const char *a, *b, *addr;
	} t[] = {
		{ "@:80", "@:80", "*" },
		{ "0.0.0.0:@:80", "@:80", "*" },
		{ "@:80", "0.0.0.0:@:80", "0.0.0.0" },
		{ "127.0.0.1:@:80", "127.0.0.1:@:80", "127.0.0.1" },
		{ "%lo:@:80", "%lo:@:80", "%lo" },
		{ "[::1]:@:80", "[::1]:@:80", "[::1]" },
	};
	char name[32] = "";

	(void)state;
	assert_true(fd_read_text("/proc/self/comm", name, sizeof(name)) > 0);
	name[strcspn(name, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned int port = free_port();
		char want[256];
		struct opened a, b;

		if (strchr(t[i].b, '[') && !has_ipv6())
			continue;
		must_open(&a, t[i].a, port);
		must_fail(&b, t[i].b, port, -EADDRINUSE);
		(void)snprintf(want, sizeof(want),
			       "podsplice: %s:%u/tcp: address already in use "
			       "(by %d %s)\n",
			       t[i].addr, port, (int)getpid(), name);
		assert_string_equal(b.text, want);
		opened_drop(&a);
	}
}

/* UDP has no listen() that would tell: two sockets could share the port. */
static void listen_refuses_a_udp_port_twice_and_not_beside_tcp(void **state)
{
	struct opened tcp, udp, again;
	unsigned int port;
	char want[96];

	(void)state;
	must_open(&udp, "127.0.0.1::80/udp", 0);
	port = udp.ports[0];
	must_open(&tcp, "127.0.0.1:@:80", port);
	must_fail(&again, "@:80/udp", port, -EADDRINUSE);
	(void)snprintf(want, sizeof(want),
		       "podsplice: *:%u/udp: address already in use (by %d ",
		       port, (int)getpid());
	assert_memory_equal(again.text, want, strlen(want));
	must_fail(&again, "127.0.0.1:@:80/udp", port, -EADDRINUSE);
	opened_drop(&tcp);
	opened_drop(&udp);
}

static void listen_owner_is_silent_about_a_free_port(void **state)
{
	const struct ip any = { 0 };
	char text[OWNER_TEXT_MAX];

	(void)state;
	assert_string_equal(
		owner_find(SPEC_TCP, &any, (uint16_t)free_port(), text), "");
}

static void listen_binds_a_range_whole_or_not_at_all(void **state)
{
	char spec[64], want[32];
	struct opened block, taken, o;
	unsigned int first;

	(void)state;
	must_open(&block, "1-10", 0);
	first = block.ports[0];
	opened_drop(&block);
	(void)snprintf(spec, sizeof(spec), "%u-%u:1-10", first, first + 9);
	must_open(&o, spec, 0);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(o.ports[i], first + i);
		assert_int_equal(try_connect("127.0.0.1", o.ports[i]), 0);
	}
	opened_drop(&o);

	must_open(&taken, "127.0.0.1:@:80", first + 7);
	must_fail(&o, spec, 0, -EADDRINUSE);
	(void)snprintf(want, sizeof(want), "*:%u/tcp", first + 7);
	assert_non_null(strstr(o.text, want));
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(
			try_connect("127.0.0.1", (uint16_t)(first + i)),
			ECONNREFUSED);
	opened_drop(&taken);
}

static void listen_finds_a_free_block_between_taken_ports(void **state)
{
	static struct opened block;
	struct opened taken[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		must_open(&taken[i], i % 2 ? "80" : "127.0.0.1::80", 0);
	must_open(&block, "1-500", 0);
	for (unsigned int i = 0; i < 500; i++)
		assert_int_equal(block.ports[i], block.ports[0] + i);
	assert_int_equal(try_connect("127.0.0.1", block.ports[499]), 0);
	opened_drop(&block);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		opened_drop(&taken[i]);
}

static void listen_gives_up_when_no_block_is_that_long(void **state)
{
	static int fds[UINT16_MAX];
	static uint16_t ports[UINT16_MAX];
	struct capture c = capture_start(STDERR_FILENO);
	struct spec spec = { .pod_port = 1, .count = UINT16_MAX };
	char text[512];

	(void)state;
	assert_int_equal(listen_open(&spec, fds, ports), -EADDRINUSE);
	capture_stop(&c, text, sizeof(text));
	assert_string_equal(text, "podsplice: 1-65535/tcp: no free ports in a "
				  "row found (name the host port)\n");
	assert_int_equal(fds[0], -1);
}

static void listen_takes_a_port_whose_connections_linger(void **state)
{
	struct opened o;
	struct ip lo;
	union endpoint ep;
	int client, server;
	char c;

	(void)state;
	must_open(&o, "127.0.0.1::80", 0);
	assert_int_equal(ip_parse("127.0.0.1", &lo), 0);
	ep = endpoint_make(&lo, o.ports[0]);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &ep.sa, endpoint_len(&ep)), 0);
	server = accept4(o.fds[0], NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	close(server); /* first: TIME_WAIT is ours */
	assert_int_equal(read(client, &c, 1), 0);
	close(client);
	opened_drop(&o);
	must_open(&o, "127.0.0.1:@:80", endpoint_port(&ep));
	opened_drop(&o);
}

static void listen_says_what_does_not_exist(void **state)
{
	struct opened o;

	(void)state;
	must_fail(&o, "192.0.2.77:@:80", 8080, -EADDRNOTAVAIL);
	assert_string_equal(o.text,
			    "podsplice: 192.0.2.77:8080/tcp: no address "
			    "of this host (ip addr lists them)\n");
	must_fail(&o, "192.0.2.77:80", 0, -EADDRNOTAVAIL);
	assert_non_null(strstr(o.text, "192.0.2.77::80/tcp: no address of"));
	must_fail(&o, "%nosuchif0:@:80", 8080, -ENODEV);
	assert_string_equal(o.text,
			    "podsplice: %nosuchif0:8080/tcp: no such interface "
			    "(ip link lists them)\n");
}

static void listen_sends_a_link_local_address_to_its_interface(void **state)
{
	struct capture c = capture_start(STDERR_FILENO);
	struct spec spec = { .host_port = 8080, .pod_port = 80, .count = 1 };
	uint16_t port;
	char text[512];
	int fd, rc;

	(void)state;
	assert_int_equal(ip_parse("fe80::1", &spec.host_addr), 0);
	rc = listen_open(&spec, &fd, &port);
	capture_stop(&c, text, sizeof(text));
	if (!has_ipv6())
		skip();
	assert_int_equal(rc, -EINVAL);
	assert_true(is_one_message(text));
	assert_non_null(strstr(text, "write %INTERFACE instead"));
}

static void listen_names_the_sysctl_for_a_privileged_port(void **state)
{
	char start[32], want[160], text[512] = "";
	struct spec spec = { .pod_port = 80, .count = 1 };
	struct capture c;
	int status, n;
	pid_t child;

	(void)state;
	assert_true(
		fd_read_text("/proc/sys/net/ipv4/ip_unprivileged_port_start",
			     start, sizeof(start)) > 0);
	n = atoi(start);
	if (n < 2)
		skip();
	spec.host_port = (uint16_t)(n - 1);
	c = capture_start(STDERR_FILENO);
	child = fork();
	if (child == 0) {
		uint16_t port;
		int fd;

		/* root's, also of a user namespace with no other user */
		capng_clear(CAPNG_SELECT_CAPS);
		if (capng_apply(CAPNG_SELECT_CAPS))
			_exit(2);
		_exit(listen_open(&spec, &fd, &port) == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	capture_stop(&c, text, sizeof(text));
	assert_int_equal(status, 0);
	assert_true(is_one_message(text));
	(void)snprintf(want, sizeof(want),
		       "(sudo sysctl net.ipv4.ip_unprivileged_port_start=%d)",
		       n - 1);
	assert_non_null(strstr(text, want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			listen_reaches_the_families_that_the_spec_means),
		cmocka_unit_test(
			listen_sockets_are_non_blocking_and_close_on_exec),
		cmocka_unit_test(listen_refuses_what_overlaps_a_listener),
		cmocka_unit_test(
			listen_conflict_names_the_process_that_has_the_port),
		cmocka_unit_test(
			listen_refuses_a_udp_port_twice_and_not_beside_tcp),
		cmocka_unit_test(listen_owner_is_silent_about_a_free_port),
		cmocka_unit_test(listen_binds_a_range_whole_or_not_at_all),
		cmocka_unit_test(listen_finds_a_free_block_between_taken_ports),
		cmocka_unit_test(listen_gives_up_when_no_block_is_that_long),
		cmocka_unit_test(listen_takes_a_port_whose_connections_linger),
		cmocka_unit_test(listen_says_what_does_not_exist),
		cmocka_unit_test(
			listen_sends_a_link_local_address_to_its_interface),
		cmocka_unit_test(listen_names_the_sysctl_for_a_privileged_port),
	};

	struct netns ns;

	/* else, what is free may be taken by others meanwhile */
	if (!netns_enter(&ns))
		print_message("# in the host's namespace: %s\n", ns.why_not);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
