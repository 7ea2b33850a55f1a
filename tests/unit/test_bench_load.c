// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generators against their own server over loopback, each in a process of its
 * own as in real use, and against servers and clients that get it wrong: a
 * flipped byte, a cut-off stream, silence. Only 127.0.0.1 is touched. The delay
 * line is between two TAPs in a network namespace of the test's own.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/dgram.h"
#include "bench/pattern.h"
#include "bench/wire.h"
#include "netstack/base/mono.h"
#include "tests/unit/generator.h"
#include "tests/unit/netns.h"

#define FRAME_LEN 100

static struct netns ns;

struct fixture {
	pid_t server;
	char port[8];
};

static int setup(void **state)
{
	static const char *const args[] = { "serve", "--udp", "127.0.0.1", "0",
					    NULL };
	struct fixture *f = calloc(1, sizeof(*f));
	char line[256];
	ssize_t n;
	int fd;

	if (!f)
		return -1;
	fd = start(args, &f->server);
	n = read(fd, line, sizeof(line) - 1);
	(void)close(fd);
	if (n <= 0)
		return -1;
	line[n] = '\0';
	(void)snprintf(f->port, sizeof(f->port), "%d",
		       (int)number(line, "\"port\":"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int status = -1;

	(void)kill(f->server, SIGTERM);
	(void)waitpid(f->server, &status, 0);
	free(f);
	return status; /* 0: it ended in order */
}

static void bulk_counts_what_arrived(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(RUN(out, "bulk", "--bytes", "3000000", "--streams",
			     "2", "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"bytes\":") == 6000000);
	assert_non_null(strstr(out, "\"verified\":true"));
	assert_non_null(strstr(out, "\"peer\":\"127.0.0.1:"));
	assert_int_equal(RUN(out, "bulk", "--reverse", "--bytes=3000000",
			     "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"bytes\":") == 3000000);
}

static void bulk_measures_for_a_time(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(
		RUN(out, "bulk", "--seconds", "0.2", "127.0.0.1", f->port), 0);
	assert_true(number(out, "\"bits_per_second\":") > 0);
	assert_int_equal(RUN(out, "bulk", "--reverse", "--seconds", "0.2",
			     "--streams", "3", "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"bits_per_second\":") > 0);
}

static void rr_reports_ordered_percentiles(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(RUN(out, "rr", "--seconds", "0.2", "--clients", "3",
			     "--size", "60000", "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"count\":") > 0);
	assert_true(number(out, "\"p50_ns\":") > 0);
	assert_true(number(out, "\"p50_ns\":") <= number(out, "\"p90_ns\":"));
	assert_true(number(out, "\"p99_ns\":") <= number(out, "\"p999_ns\":"));
	assert_true(number(out, "\"p999_ns\":") <= number(out, "\"max_ns\":"));
}

static void crr_counts_connections(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(RUN(out, "crr", "--seconds", "0.2", "--clients", "8",
			     "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"count\":") > 0);
	assert_true(number(out, "\"all\":") == 0);
	assert_true(number(out, "\"connect_p50_ns\":") > 0);
}

static void idle_holds_connections_until_stdin_ends(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];
	int saved = dup(STDIN_FILENO), fds[2];

	/* nobody writes: stdin is at its end at once */
	assert_int_equal(pipe(fds), 0);
	(void)close(fds[1]);
	(void)dup2(fds[0], STDIN_FILENO);
	(void)close(fds[0]);
	assert_int_equal(
		RUN(out, "idle", "--count", "200", "127.0.0.1", f->port), 0);
	assert_true(number(out, "\"open\":") == 200);
	assert_true(number(out, "\"held\":") == 200);
	assert_true(number(out, "\"lost\":") == 0);
	(void)dup2(saved, STDIN_FILENO);
	(void)close(saved);
}

static void udp_rr_counts_what_comes_back(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(RUN(out, "udp-rr", "--seconds", "0.2", "--clients",
			     "5", "--size", "9000", "127.0.0.1", f->port),
			 0);
	assert_true(number(out, "\"count\":") > 0);
	assert_true(number(out, "\"p50_ns\":") > 0);
}

static void udp_bulk_counts_both_ways(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	for (int reverse = 0; reverse < 2; reverse++) {
		const char *const args[] = {
			"udp-bulk", "--seconds", "0.2",	 "--rate",
			"100",	    "--size",	 "8900", "--reverse",
		};
		const char *argv[ARGS_MAX] = { NULL };
		size_t n = ARRAY_SIZE(args) - !reverse;

		memcpy(argv, args, n * sizeof(*args));
		argv[n] = "127.0.0.1";
		argv[n + 1] = f->port;
		assert_int_equal(run(out, argv), 0);
		/* 280, but for what a busy machine had no time to send */
		assert_true(number(out, "\"sent\":") > 0);
		assert_true(number(out, "\"sent\":") < 300);
		assert_true(number(out, "\"received\":") > 0);
		assert_true(number(out, "\"bits_per_second\":") > 0);
		assert_non_null(strstr(out, "\"peer\":\"127.0.0.1:"));
	}
}

static void ports_asks_every_one(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];

	assert_int_equal(RUN(out, "ports", "127.0.0.1", f->port), 0);
	assert_true(number(out, "\"answered\":") == 1);
	assert_int_equal(RUN(out, "ports", "--udp", "127.0.0.1", f->port), 0);
	assert_true(number(out, "\"answered\":") == 1);
	/* nobody is at the next one */
	assert_int_equal(
		RUN(out, "ports", "--count", "2", "127.0.0.1", f->port), 125);
	assert_string_equal(out, "");
}

static void a_server_has_as_many_ports_as_it_is_told(void **state)
{
	static const char *const args[] = { "serve", "--udp",	  "--count",
					    "8",     "127.0.0.1", "20000",
					    NULL };
	char out[OUTPUT_MAX];
	pid_t pid;
	int fd;

	(void)state;
	if (ns.why_not[0])
		skip(); /* these may be anybody's */
	fd = start(args, &pid);
	assert_true(read(fd, out, sizeof(out)) > 0);
	for (int udp = 0; udp < 2; udp++) {
		assert_int_equal(RUN(out, "ports", "--count", "8",
				     udp ? "--udp" : "--wait", "127.0.0.1",
				     "20000"),
				 0);
		assert_true(number(out, "\"answered\":") == 8);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(fd);
}

/* Datagrams 0, 2, 1, 1 of a run of 3; @bad: a byte of the last is wrong. */
static struct dgram_sink take_some(bool bad)
{
	static const uint64_t order[] = { 0, 2, 1, 1 };
	struct pattern *p = malloc(sizeof(*p));
	struct dgram_sink sink;
	uint8_t data[1200];

	assert_non_null(p);
	pattern_fill(p);
	assert_int_equal(dgram_sink_init(&sink, sizeof(data)), 0);
	meter_start(&sink.meter, mono_ms(1), MONO_ZERO, MONO_ZERO);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct wire_dgram head;
		size_t len = sizeof(data);

		dgram_fill(p, WIRE_DGRAM_DATA, 7, order[i], data, len);
		data[len - 1] ^= bad && i == 3;
		if (dgram_check(p, data, len, &head))
			dgram_sink_take(&sink, &head, len, mono_ms(2));
		else
			sink.corrupt = true;
	}
	free(p);
	return sink;
}

static void datagrams_count_once(void **state)
{
	struct dgram_sink sink = take_some(false);

	(void)state;
	assert_false(sink.corrupt);
	assert_true(sink.received == 3);
	assert_true(sink.twice == 1);
	assert_true(sink.late == 1);
	dgram_sink_deinit(&sink);
	sink = take_some(true);
	assert_true(sink.corrupt);
	assert_true(sink.twice == 0);
	dgram_sink_deinit(&sink);
}

/* The whole datagram of @len bytes, one of them wrong, to the server. */
static void send_wrong(const char *port, size_t len)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(
					  (uint16_t)strtoul(port, NULL, 10)) };
	struct pattern *p = malloc(sizeof(*p));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t data[DGRAM_MAX];

	assert_non_null(p);
	pattern_fill(p);
	dgram_fill(p, WIRE_DGRAM_DATA, 7, 0, data, len);
	data[len / 2] ^= 1;
	assert_int_equal(
		sendto(fd, data, len, 0, (struct sockaddr *)&at, sizeof(at)),
		len);
	(void)close(fd);
	free(p);
}

static void a_flipped_byte_of_a_datagram_is_no_figure(void **state)
{
	struct fixture *f = *state;
	char out[OUTPUT_MAX];
	const char *const args[] = { "udp-bulk", "--seconds", "1",     "--rate",
				     "10",	 "127.0.0.1", f->port, NULL };
	size_t len = 0;
	ssize_t n;
	int status = 0, fd;
	pid_t pid;

	fd = start(args, &pid);
	/* whenever the run begins, one of these is in it */
	for (int i = 0; i < 20; i++) {
		(void)usleep(50000);
		send_wrong(f->port, 1200);
	}
	while ((n = read(fd, out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 125);
	assert_int_equal(len, 0);
}

static void spawn_times_a_command_and_reports_its_failure(void **state)
{
	char out[OUTPUT_MAX];

	(void)state;
	assert_int_equal(RUN(out, "spawn", "--count", "3", "true"), 0);
	assert_true(number(out, "\"median_ms\":") > 0);
	assert_int_equal(RUN(out, "spawn", "--", "false"), 125);
	assert_string_equal(out, "");
}

static void bad_command_lines_print_no_figure(void **state)
{
	char out[OUTPUT_MAX];

	(void)state;
	assert_int_equal(RUN(out, "nothing"), 125);
	assert_int_equal(RUN(out, "bulk", "127.0.0.1"), 125);
	assert_int_equal(RUN(out, "bulk", "localhost", "80"), 125);
	assert_int_equal(RUN(out, "rr", "--seconds", "0", "127.0.0.1", "80"),
			 125);
	assert_int_equal(
		RUN(out, "rr", "--seconds", "1.2345", "127.0.0.1", "80"), 125);
	assert_int_equal(RUN(out, "crr", "--reverse", "127.0.0.1", "80"), 125);
	assert_int_equal(RUN(out, "rr", "--clients"), 125);
	assert_int_equal(RUN(out, "udp-rr", "--size", "23", "127.0.0.1", "80"),
			 125);
	assert_int_equal(
		RUN(out, "udp-bulk", "--size", "9001", "127.0.0.1", "80"), 125);
	assert_int_equal(
		RUN(out, "ports", "--count", "65", "127.0.0.1", "65472"), 125);
	assert_int_equal(RUN(out, "delay", "lo"), 125);
	assert_int_equal(RUN(out, "delay", "--loss", "1.1", "lo", "lo"), 125);
	assert_int_equal(RUN(out, "delay", "--delay-ms", "x", "lo", "lo"), 125);
	assert_int_equal(RUN(out, "delay", "none-here", "lo"), 125);
	assert_string_equal(out, "");
	assert_int_equal(RUN(out, "--help"), 0);
	assert_non_null(strstr(out, "--streams"));
}

/* A server of one connection. It sends @len bytes of pattern, one of them
 * flipped (@bad < @len), and ends. */
static pid_t fake_source(char *port, size_t port_cap, size_t len, size_t bad)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t at_len = sizeof(at);
	struct wire_request request;
	struct wire_hello hello = { .magic = WIRE_MAGIC };
	struct pattern *p = malloc(sizeof(*p));
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	pid_t pid;

	assert_non_null(p);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	(void)getsockname(listener, (struct sockaddr *)&at, &at_len);
	(void)snprintf(port, port_cap, "%u", ntohs(at.sin_port));
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		pattern_fill(p);
		if (bad < len)
			p->ring[bad] ^= 0x10;
		fd = accept(listener, NULL, NULL);
		(void)recv(fd, &request, sizeof(request), MSG_WAITALL);
		(void)send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
		(void)send(fd, p->ring, len, MSG_NOSIGNAL);
		_exit(0);
	}
	free(p);
	(void)close(listener);
	return pid;
}

static void a_flipped_byte_is_no_figure(void **state)
{
	char out[OUTPUT_MAX], port[8];
	pid_t pid = fake_source(port, sizeof(port), 100000, 77777);

	(void)state;
	assert_int_equal(RUN(out, "bulk", "--reverse", "--bytes", "100000",
			     "127.0.0.1", port),
			 125);
	assert_string_equal(out, "");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_stream_cut_short_is_no_figure(void **state)
{
	char out[OUTPUT_MAX], port[8];
	pid_t pid = fake_source(port, sizeof(port), 50000, SIZE_MAX);

	(void)state;
	assert_int_equal(RUN(out, "bulk", "--reverse", "--bytes", "100000",
			     "127.0.0.1", port),
			 125);
	assert_string_equal(out, "");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* with a duration, an end that we didn't ask for */
	pid = fake_source(port, sizeof(port), 50000, SIZE_MAX);
	assert_int_equal(RUN(out, "bulk", "--reverse", "--seconds", "5",
			     "127.0.0.1", port),
			 125);
	assert_string_equal(out, "");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_server_reports_a_flipped_byte(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)strtoul(
					  f->port, NULL, 10)) };
	struct wire_request request = { .kind = WIRE_SESSION,
					.mode = WIRE_SINK,
					.magic = WIRE_MAGIC };
	struct wire_hello hello;
	struct wire_report report;
	struct pattern *p = malloc(sizeof(*p));
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_non_null(p);
	pattern_fill(p);
	p->ring[40000] ^= 1;
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(fd, &request, sizeof(request), 0),
			 sizeof(request));
	assert_int_equal(recv(fd, &hello, sizeof(hello), MSG_WAITALL),
			 sizeof(hello));
	assert_int_equal(send(fd, p->ring, 60000, 0), 60000);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(recv(fd, &report, sizeof(report), MSG_WAITALL),
			 sizeof(report));
	assert_int_equal(report.status, WIRE_CORRUPT);
	assert_int_equal(report.bad_offset, 40000);
	assert_int_equal(report.bytes, 60000);
	(void)close(fd);
	free(p);
}

static int open_tap(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	scoped_fd sk = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		fd_drop(&fd);
		return -1;
	}
	ifr.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(sk, SIOCSIFFLAGS, &ifr), 0);
	return fd;
}

/* A delay line between the TAPs "a" and "b". */
struct leg {
	int a, b, to, from;
	pid_t pid;
};

static bool leg_start(struct leg *leg, const char *loss)
{
	const char *const args[] = { "delay", "--delay-ms", "20", "--loss",
				     loss,    "--seed",	    "1",  "a",
				     "b",     NULL };
	int saved = dup(STDIN_FILENO), fds[2];
	char line[256];

	if (ns.why_not[0])
		return false;
	leg->a = open_tap("a");
	leg->b = open_tap("b");
	if (leg->a < 0 || leg->b < 0)
		return false;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	(void)dup2(fds[0], STDIN_FILENO);
	(void)close(fds[0]);
	leg->to = fds[1];
	leg->from = start(args, &leg->pid);
	(void)dup2(saved, STDIN_FILENO);
	(void)close(saved);
	assert_true(read(leg->from, line, sizeof(line)) > 0);
	return true;
}

/* Return: exit status */
static int leg_end(struct leg *leg)
{
	int status = 0;

	(void)kill(leg->pid, SIGTERM);
	assert_int_equal(waitpid(leg->pid, &status, 0), leg->pid);
	(void)close(leg->a);
	(void)close(leg->b);
	(void)close(leg->to);
	(void)close(leg->from);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* An IPv4 frame of a protocol, from nobody to nobody. */
static void send_frame(int fd, uint8_t protocol, uint8_t mark, size_t len)
{
	uint8_t frame[2048] = { [12] = 0x08, [14] = 0x45 };

	frame[23] = protocol;
	frame[60] = mark;
	assert_int_equal(write(fd, frame, len), len);
}

/* What send_frame() sent; Return: its mark, or -1: none for so long */
static int receive_frame(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t frame[2048];

	while (poll(&pfd, 1, timeout_ms) > 0) {
		ssize_t n = read(fd, frame, sizeof(frame));

		/* the kernel has things of its own to say */
		if (n == FRAME_LEN && frame[12] == 0x08 && frame[30] == 0)
			return frame[60];
	}
	return -1;
}

static void a_delay_line_takes_its_time_both_ways(void **state)
{
	struct leg leg = { 0 };
	char out[OUTPUT_MAX] = "";

	(void)state;
	if (!leg_start(&leg, "0"))
		skip();
	for (int way = 0; way < 2; way++) {
		int from = way ? leg.b : leg.a, to = way ? leg.a : leg.b;
		struct mono sent = mono_now();

		for (uint8_t i = 1; i <= 100; i++)
			send_frame(from, IPPROTO_TCP, i, FRAME_LEN);
		for (int i = 1; i <= 100; i++) {
			assert_int_equal(receive_frame(to, 5000), i);
			assert_true(mono_sub(mono_now(), sent).ns > 19900000);
		}
	}
	assert_int_equal(write(leg.to, "2\n", 2), 2);
	assert_true(read(leg.from, out, sizeof(out) - 1) > 0);
	assert_true(number(out, "\"counted\":") == 100);
	assert_true(number(out, "\"lost\":") == 0);
	assert_int_equal(leg_end(&leg), 0);
}

static void a_delay_line_loses_only_what_counts(void **state)
{
	struct leg leg = { 0 };
	char out[OUTPUT_MAX] = "";

	(void)state;
	if (!leg_start(&leg, "1"))
		skip();
	send_frame(leg.a, IPPROTO_TCP, 1, FRAME_LEN);
	send_frame(leg.a, IPPROTO_UDP, 2, FRAME_LEN);
	send_frame(leg.a, IPPROTO_ICMP, 3, FRAME_LEN);
	assert_int_equal(receive_frame(leg.b, 5000), 3);
	assert_int_equal(receive_frame(leg.b, 100), -1);
	assert_int_equal(write(leg.to, "2\n", 2), 2);
	assert_true(read(leg.from, out, sizeof(out) - 1) > 0);
	assert_true(number(out, "\"seed\":") == 1);
	assert_true(number(out, "\"lost\":") == 2);
	assert_int_equal(leg_end(&leg), 0);
}

static void a_delay_line_refuses_what_no_link_carries(void **state)
{
	struct leg leg = { 0 };
	char byte;

	(void)state;
	if (!leg_start(&leg, "0"))
		skip();
	send_frame(leg.a, IPPROTO_TCP, 1, 1600);
	/* ends by itself */
	while (read(leg.from, &byte, 1) > 0)
		;
	assert_int_equal(leg_end(&leg), 125);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_counts_what_arrived),
		cmocka_unit_test(bulk_measures_for_a_time),
		cmocka_unit_test(rr_reports_ordered_percentiles),
		cmocka_unit_test(crr_counts_connections),
		cmocka_unit_test(idle_holds_connections_until_stdin_ends),
		cmocka_unit_test(udp_rr_counts_what_comes_back),
		cmocka_unit_test(udp_bulk_counts_both_ways),
		cmocka_unit_test(ports_asks_every_one),
		cmocka_unit_test(a_server_has_as_many_ports_as_it_is_told),
		cmocka_unit_test(datagrams_count_once),
		cmocka_unit_test(a_flipped_byte_of_a_datagram_is_no_figure),
		cmocka_unit_test(spawn_times_a_command_and_reports_its_failure),
		cmocka_unit_test(bad_command_lines_print_no_figure),
		cmocka_unit_test(a_flipped_byte_is_no_figure),
		cmocka_unit_test(a_stream_cut_short_is_no_figure),
		cmocka_unit_test(the_server_reports_a_flipped_byte),
		cmocka_unit_test(a_delay_line_takes_its_time_both_ways),
		cmocka_unit_test(a_delay_line_loses_only_what_counts),
		cmocka_unit_test(a_delay_line_refuses_what_no_link_carries),
	};

	/* without one there is no delay line to test; all else is as before */
	(void)netns_enter(&ns);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
