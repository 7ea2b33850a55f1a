// SPDX-License-Identifier: GPL-2.0-or-later
/* Headers of the PROXY protocol against the bytes its specification asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "portfwd/proxy.h"
#include "tests/unit/harness.h"

static union endpoint endpoint(const char *text, uint16_t port)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return endpoint_make(&ip, port);
}

/* Into a buffer with nothing behind it, for the sanitizer to watch. */
static uint8_t *header(enum spec_proxy version, const char *from,
		       uint16_t from_port, const char *to, uint16_t to_port,
		       size_t *len)
{
	union endpoint client = endpoint(from, from_port),
		       asked = endpoint(to, to_port);
	uint8_t *out = malloc(PROXY_HEADER_MAX);

	assert_non_null(out);
	*len = proxy_header(version, &client, &asked, out);
	assert_in_range(*len, 1, PROXY_HEADER_MAX);
	return out;
}

static void expect(enum spec_proxy version, const char *from,
		   uint16_t from_port, const char *to, uint16_t to_port,
		   const char *want, size_t want_len)
{
	size_t len;
	uint8_t *got = header(version, from, from_port, to, to_port, &len);

	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, len);
	free(got);
}

static void v1_is_a_line_of_text(void **state)
{
	static const struct {
		const char *from, *to, *want;
		uint16_t from_port, to_port;
	} t[] = {
		{ "192.0.2.1", "198.51.100.2",
		  "PROXY TCP4 192.0.2.1 198.51.100.2 1 65535\r\n", 1, 65535 },
		{ "2001:db8::1", "::1",
		  "PROXY TCP6 2001:db8::1 ::1 40000 80\r\n", 40000, 80 },
		/* what a dual-stack socket says of an IPv4 client */
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2",
		  "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", 40000, 80 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		expect(SPEC_PROXY_V1, t[i].from, t[i].from_port, t[i].to,
		       t[i].to_port, t[i].want, strlen(t[i].want));
}

static void v1_of_the_longest_addresses_fits(void **state)
{
	static const char longest[] = "2001:2001:2001:2001:2001:2001:2001:2001";
	char want[PROXY_HEADER_MAX + 1];

	(void)state;
	(void)snprintf(want, sizeof(want), "PROXY TCP6 %s %s 65535 65535\r\n",
		       longest, longest);
	assert_int_equal(strlen(want), PROXY_HEADER_MAX);
	expect(SPEC_PROXY_V1, longest, 65535, longest, 65535, want,
	       strlen(want));
}

#define SIGNATURE "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"

static void v2_is_binary(void **state)
{
	static const char v4[] = SIGNATURE "\x21\x11\x00\x0c"
					   "\xc0\x00\x02\x01\xc6\x33\x64\x02"
					   "\x01\x02\xff\xfe";
	static const char v6[] =
		SIGNATURE "\x21\x21\x00\x24"
			  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
			  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
			  "\x9c\x40\x00\x50";

	(void)state;
	expect(SPEC_PROXY_V2, "192.0.2.1", 0x102, "198.51.100.2", 0xfffe, v4,
	       sizeof(v4) - 1);
	expect(SPEC_PROXY_V2, "::ffff:192.0.2.1", 0x102, "::ffff:198.51.100.2",
	       0xfffe, v4, sizeof(v4) - 1);
	expect(SPEC_PROXY_V2, "2001:db8::1", 40000, "::1", 80, v6,
	       sizeof(v6) - 1);
}

/* A dual-stack listener's, as ingress has them. */
static void header_comes_before_what_is_sent_next(void **state)
{
	struct ip any = { .family = AF_INET6 };
	union endpoint at = endpoint_make(&any, 0), client;
	socklen_t len = sizeof(at), client_len = sizeof(client);
	char want[PROXY_HEADER_MAX + 1], got[PROXY_HEADER_MAX + 1] = "";
	int listener, from, accepted, pod[2];
	ssize_t n;

	(void)state;
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		skip();
	if (bind(listener, &at.sa, sizeof(at.v6)) || listen(listener, 1) ||
	    getsockname(listener, &at.sa, &len))
		fail_msg("listen: %s", strerror(errno));
	at = endpoint("127.0.0.1", endpoint_port(&at));
	from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(from, &at.sa, endpoint_len(&at)), 0);
	accepted = accept4(listener, &client.sa, &client_len, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pod), 0);
	assert_int_equal(proxy_send(SPEC_PROXY_V1, pod[0], accepted, &client),
			 0);
	assert_int_equal(send(pod[0], "x", 1, 0), 1);
	(void)snprintf(want, sizeof(want),
		       "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\nx",
		       endpoint_port(&client), endpoint_port(&at));
	n = recv(pod[1], got, sizeof(got) - 1, 0);
	assert_int_equal(n, strlen(want));
	assert_string_equal(got, want);
	fd_drop(&pod[1]);
	assert_int_equal(proxy_send(SPEC_PROXY_V1, pod[0], accepted, &client),
			 -EPIPE);
	fd_drop(&pod[0]);
	fd_drop(&accepted);
	fd_drop(&from);
	fd_drop(&listener);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_is_a_line_of_text),
		cmocka_unit_test(v1_of_the_longest_addresses_fits),
		cmocka_unit_test(v2_is_binary),
		cmocka_unit_test(header_comes_before_what_is_sent_next),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
