// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers that generators get from servers which aren't ours: of DNS and of
 * HTTP, right ones and wrong ones. A wrong one is never a figure. Only
 * 127.0.0.1 is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "bench/dns.h"
#include "bench/pattern.h"
#include "netstack/base/addr.h"
#include "netstack/base/fd.h"
#include "tests/unit/generator.h"

#define BODY 3000

/* DNS */

static void the_answer_to_a_question_is_right(void **state)
{
	uint8_t msg[DNS_MAX];
	uint32_t seq;
	size_t len;

	(void)state;
	for (uint32_t i = 1; i; i <<= 1) {
		len = dns_answer(msg, dns_ask(i + 1, i, msg));
		assert_true(len > 0);
		assert_true(dns_check(msg, len, i + 1, &seq));
		assert_int_equal(seq, i);
		/* what others put behind it doesn't matter */
		assert_true(dns_check(msg, len + 11, i + 1, &seq));
	}
}

static void any_other_answer_is_wrong(void **state)
{
	uint8_t msg[DNS_MAX];
	uint32_t seq;
	size_t asked = dns_ask(7, 42, msg), len;

	(void)state;
	assert_false(dns_check(msg, asked, 7, &seq));
	len = dns_answer(msg, asked);
	assert_false(dns_check(msg, len - 1, 7, &seq));
	assert_false(dns_check(msg, len, 8, &seq));
	for (size_t i = 0; i < len; i++) {
		/* not told: authoritative, recursion, other sections, TTL */
		if (i == 2 || (i >= 8 && i < 12) ||
		    (i >= len - 10 && i < len - 6))
			continue;
		msg[i] ^= 0x01;
		assert_false(dns_check(msg, len, 7, &seq));
		msg[i] ^= 0x01;
	}
	msg[2] &= 0x7f; /* a question */
	assert_false(dns_check(msg, len, 7, &seq));
}

static void only_its_own_questions_are_answered(void **state)
{
	uint8_t msg[DNS_MAX];
	size_t len = dns_ask(1, 2, msg);

	(void)state;
	assert_int_equal(dns_answer(msg, len - 1), 0);
	assert_int_equal(dns_answer(msg, 0), 0);
	msg[14] = 'g'; /* no hexadecimal digit */
	assert_int_equal(dns_answer(msg, len), 0);
	(void)dns_ask(1, 2, msg);
	msg[len - 3]++; /* another type */
	assert_int_equal(dns_answer(msg, len), 0);
}

static void names_are_asked_and_counted(void **state)
{
	static const char *const args[] = { "serve-dns", "127.0.0.1", "0",
					    NULL };
	char out[OUTPUT_MAX] = "", port[8];
	pid_t server;
	int fd = start(args, &server);

	(void)state;
	assert_true(read(fd, out, sizeof(out) - 1) > 0);
	(void)close(fd);
	(void)snprintf(port, sizeof(port), "%d", (int)number(out, "\"port\":"));
	assert_int_equal(RUN(out, "dns", "--seconds", "0.2", "--clients", "3",
			     "127.0.0.1", port),
			 0);
	assert_true(number(out, "\"count\":") > 0);
	assert_true(number(out, "\"p50_ns\":") <= number(out, "\"p90_ns\":"));
	assert_non_null(strstr(out, "\"verified\":true"));
	(void)kill(server, SIGTERM);
	(void)waitpid(server, NULL, 0);
}

static uint16_t answer_one(int fd)
{
	union endpoint from;
	socklen_t from_len = sizeof(from);
	uint8_t msg[DNS_MAX];
	ssize_t n = recvfrom(fd, msg, sizeof(msg), 0, &from.sa, &from_len);

	assert_true(n > 0);
	n = (ssize_t)dns_answer(msg, (size_t)n);
	assert_int_equal(sendto(fd, msg, (size_t)n, 0, &from.sa, from_len), n);
	return endpoint_port(&from);
}

/* Are four questions in a row from more than one port? */
static bool ports_differ(bool fresh)
{
	struct ip lo = { .family = AF_INET, .v4 = { htonl(INADDR_LOOPBACK) } };
	union endpoint at = endpoint_make(&lo, 0);
	socklen_t len = sizeof(at);
	scoped_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint16_t port;
	char text[8];
	const char *const keep[] = { "dns",	  "--seconds", "60",
				     "127.0.0.1", text,	       NULL };
	const char *const renew[] = { "dns",	   "--close", "--seconds", "60",
				      "127.0.0.1", text,      NULL };
	scoped_fd out = -1;
	bool differ = false;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &at.sa, endpoint_len(&at)), 0);
	assert_int_equal(getsockname(fd, &at.sa, &len), 0);
	(void)snprintf(text, sizeof(text), "%u", endpoint_port(&at));
	out = start(fresh ? renew : keep, &pid);
	assert_true(out >= 0);
	port = answer_one(fd);
	for (int i = 0; i < 3; i++)
		differ |= answer_one(fd) != port;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return differ;
}

static void each_name_is_asked_from_a_port_of_its_own_if_wanted(void **state)
{
	(void)state;
	assert_false(ports_differ(false));
	assert_true(ports_differ(true));
}

/* HTTP */

/* What a web server says, again and again; a body of which one byte may be
 * flipped (@bad < @len). */
struct web {
	const char *head;
	size_t len, bad;
	bool close; /* behind each answer */
};

/* One request of a connection. Return: is there another? */
static bool web_answer(const struct web *web, const struct pattern *p, int fd)
{
	char request[256];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	if (n <= 0)
		return false;
	(void)send(fd, web->head, strlen(web->head), MSG_NOSIGNAL);
	(void)send(fd, p->ring, web->len, MSG_NOSIGNAL);
	return !web->close;
}

static pid_t web_start(const struct web *web, char *port, size_t cap)
{
	union endpoint at = { .v4 = { .sin_family = AF_INET } };
	socklen_t len = sizeof(at.v4);
	struct pattern *p = malloc(sizeof(*p));
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	assert_non_null(p);
	at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, &at.sa, len), 0);
	assert_int_equal(listen(listener, 16), 0);
	(void)getsockname(listener, &at.sa, &len);
	(void)snprintf(port, cap, "%u", ntohs(at.v4.sin_port));
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		pattern_fill(p);
		if (web->bad < web->len)
			p->ring[web->bad] ^= 0x10;
		for (;;) {
			int fd = accept(listener, NULL, NULL);

			while (web_answer(web, p, fd))
				;
			(void)close(fd);
		}
	}
	free(p);
	(void)close(listener);
	return pid;
}

/* Return: the generator's status */
static int get(const struct web *web, char *out)
{
	char port[8];
	pid_t server = web_start(web, port, sizeof(port));
	const char *const args[] = { "http", "--seconds", "0.2", "--size",
				     "3000", "127.0.0.1", port,	 NULL },
			  *const closing[] = { "http",	    "--seconds",
					       "0.2",	    "--size",
					       "3000",	    "--close",
					       "127.0.0.1", port,
					       NULL };
	int status = run(out, web->close ? closing : args);

	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	return status;
}

#define OK_HEAD(length)                                                        \
	"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: " length "\r\n\r\n"

static void files_are_fetched_and_counted(void **state)
{
	char out[OUTPUT_MAX];
	struct web web = { OK_HEAD("3000"), BODY, BODY, false };

	(void)state;
	for (int i = 0; i < 2; i++) {
		web.close = i;
		assert_int_equal(get(&web, out), 0);
		assert_true(number(out, "\"count\":") > 0);
		assert_true(number(out, "\"answers\":") >=
			    number(out, "\"count\":"));
		assert_non_null(strstr(out, "\"verified\":true"));
		assert_non_null(
			strstr(out, i ? "\"close\":true" : "\"close\":false"));
	}
}

static void an_answer_that_is_wrong_is_no_figure(void **state)
{
	static const struct web webs[] = {
		{ OK_HEAD("3000"), BODY, 0, false },
		{ OK_HEAD("3000"), BODY, BODY - 1, false },
		{ OK_HEAD("3000"), BODY + 1, BODY + 1, false },
		{ OK_HEAD("2999"), BODY, BODY, false },
		{ OK_HEAD("3000x"), BODY, BODY, false },
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 3000\r\n\r\n",
		  BODY, BODY, false },
		{ "HTTP/1.1 200 OK\r\n\r\nContent-Length: 3000\r\n", BODY, BODY,
		  false },
		{ "\r\n\r\n", BODY, BODY, false },
		/* it ends too early */
		{ OK_HEAD("3000"), BODY - 1, BODY, true },
		{ "HTTP/1.1 200 OK\r\nContent-Len", 0, 0, true },
	};
	char out[OUTPUT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(webs) / sizeof(*webs); i++) {
		assert_int_equal(get(&webs[i], out), 125);
		assert_string_equal(out, "");
	}
}

/* The server has one connection at a time. */
static void a_client_without_an_answer_is_no_figure(void **state)
{
	static const struct web web = { OK_HEAD("3000"), BODY, BODY, false };
	char out[OUTPUT_MAX], port[8];
	pid_t server = web_start(&web, port, sizeof(port));

	(void)state;
	assert_int_equal(RUN(out, "http", "--seconds", "0.2", "--clients", "2",
			     "--size", "3000", "127.0.0.1", port),
			 125);
	assert_string_equal(out, "");
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_to_a_question_is_right),
		cmocka_unit_test(any_other_answer_is_wrong),
		cmocka_unit_test(only_its_own_questions_are_answered),
		cmocka_unit_test(names_are_asked_and_counted),
		cmocka_unit_test(
			each_name_is_asked_from_a_port_of_its_own_if_wanted),
		cmocka_unit_test(files_are_fetched_and_counted),
		cmocka_unit_test(an_answer_that_is_wrong_is_no_figure),
		cmocka_unit_test(a_client_without_an_answer_is_no_figure),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
