// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Egress between a netstack of the test's own and real sockets, in a network
 * namespace that has the pod's address and the gateway's on its loopback: the
 * gateway stands for 127.0.0.1, where the "remotes" listen, and a plain
 * listener on its address stands for the TPROXY one.
 */
#include "portfwd/egress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "netstack/base/list.h"
#include "netstack/base/msg.h"
#include "portfwd/relay_socket.h"
#include "tests/unit/harness.h"
#include "tests/unit/packet.h"

#define PORT 7000 /* of the remote, and of the listener */

struct ex {
	struct loop loop;
	struct relay relay;
	struct podnet plan;
	struct egress *egress;
	int netstack; /* its end of the pair */
	int tproxy;   /* borrowed from egress */
	int remote;   /* listener on 127.0.0.1, or -1 */
	struct rlimit nofile;
};

/* An address of @name, an alias of the loopback */
static bool lo_addr(int fd, const char *name, const char *addr)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in *sin = (void *)&ifr.ifr_addr;

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	sin->sin_family = AF_INET;
	sin->sin_addr = pkt_ip(addr).v4;
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		return false;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
}

static bool has_world(void)
{
	scoped_fd fd = -1;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && lo_addr(fd, "lo", "127.0.0.1") &&
	       lo_addr(fd, "lo:1", "10.0.2.2") &&
	       lo_addr(fd, "lo:2", "10.0.2.100");
}

static union endpoint at(const char *ip, uint16_t port)
{
	struct ip addr = pkt_ip(ip);

	return endpoint_make(&addr, port);
}

static int bound(const char *ip, uint16_t port)
{
	union endpoint ep = at(ip, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	must_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	assert_int_equal(bind(fd, &ep.sa, endpoint_len(&ep)), 0);
	return fd;
}

static int start(struct ex *ex)
{
	struct egress_config cfg = { .plan = &ex->plan, .host_loopback = true };
	int ends[2], tproxy[2] = { -1, -1 };

	ex->plan = pkt_plan();
	ex->remote = -1;
	if (loop_init(&ex->loop) || relay_init(&ex->relay, &ex->loop) ||
	    msg_pair(ends) || fd_nonblock(ends[0]))
		return -1;
	ex->netstack = ends[0];
	tproxy[0] = ex->tproxy = bound("10.0.2.2", PORT);
	if (relay_socket_prepare(ex->tproxy) || listen(ex->tproxy, 1024))
		return -1;
	return egress_new(&ex->egress, &ex->loop, &ex->relay, &cfg, ends[1],
			  tproxy);
}

static int setup(void **state)
{
	struct ex *ex = calloc(1, sizeof(*ex));

	*state = ex;
	if (!ex || getrlimit(RLIMIT_NOFILE, &ex->nofile))
		return -1;
	return start(ex);
}

/* As many descriptors as are allowed, or as few */
static int setup_nofile(void **state, rlim_t n)
{
	struct ex *ex = calloc(1, sizeof(*ex));
	struct rlimit rl;

	*state = ex;
	if (!ex || getrlimit(RLIMIT_NOFILE, &ex->nofile))
		return -1;
	rl = ex->nofile;
	rl.rlim_cur = n < rl.rlim_max ? n : rl.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &rl) ? -1 : start(ex);
}

static int setup_few(void **state)
{
	return setup_nofile(state, 256 + 8);
}

static int setup_lots(void **state)
{
	return setup_nofile(state, 20000);
}

static int teardown(void **state)
{
	struct ex *ex = *state;

	assert_null(egress_free(ex->egress));
	assert_null(egress_free(NULL));
	assert_int_equal(ex->relay.n_flows, 0);
	relay_deinit(&ex->relay);
	loop_deinit(&ex->loop);
	fd_drop(&ex->netstack);
	fd_drop(&ex->remote);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &ex->nofile), 0);
	free(ex);
	return 0;
}

static void listen_remote(struct ex *ex, int backlog)
{
	ex->remote = bound("127.0.0.1", PORT);
	assert_int_equal(listen(ex->remote, backlog), 0);
}

static void ask_for(struct ex *ex, uint32_t id, const char *dst, uint16_t sport)
{
	struct syn_ask ask = {
		.id = id,
		.flow = { pkt_ip("10.0.2.100"), pkt_ip(dst), sport, PORT },
	};

	assert_int_equal(
		msg_send(ex->netstack, SYN_ASK, &ask, sizeof(ask), NULL, 0), 0);
}

static void ask(struct ex *ex, uint32_t id, uint16_t sport)
{
	ask_for(ex, id, "10.0.2.2", sport);
}

/* Count verdicts by kind; the last one's id in @id. Return: how many came */
static size_t verdicts(struct ex *ex, size_t *by, uint32_t *id)
{
	struct syn_verdict v;
	size_t total = 0;
	struct msg m;

	while (msg_recv(ex->netstack, &m) == 1) {
		assert_int_equal(m.type, SYN_VERDICT);
		for (size_t i = 0; i < m.len / sizeof(v); i++, total++) {
			memcpy(&v, m.body + i * sizeof(v), sizeof(v));
			assert_true(v.what < SYN_N_WHATS);
			by[v.what]++;
			*id = v.id;
		}
	}
	return total;
}

static void expect(struct ex *ex, uint32_t id, enum syn_what what)
{
	size_t by[SYN_N_WHATS] = { 0 };
	uint32_t got = 0;

	WAIT(&ex->loop, verdicts(ex, by, &got));
	assert_int_equal(by[what], 1);
	assert_int_equal(got, id);
}

static void expect_nothing(struct ex *ex)
{
	size_t by[SYN_N_WHATS] = { 0 };
	uint32_t got = 0;

	settle(&ex->loop);
	assert_int_equal(verdicts(ex, by, &got), 0);
}

/* The application's socket, connected to the listener from @sport */
static int application(uint16_t sport)
{
	union endpoint ep = at("10.0.2.2", PORT);
	int fd = bound("10.0.2.100", sport);

	/* on loopback, to a backlog with room: done at once */
	if (connect(fd, &ep.sa, endpoint_len(&ep)))
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static int accept_remote(struct ex *ex)
{
	int fd = -1;

	WAIT(&ex->loop, (fd = accept4(ex->remote, NULL, NULL,
				      SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	return fd;
}

static void check_wire(struct ex *ex, int from, int to)
{
	char buf[8];

	assert_int_equal(send(from, "hello", 5, MSG_NOSIGNAL), 5);
	WAIT(&ex->loop, recv(to, buf, sizeof(buf), 0) == 5);
	assert_memory_equal(buf, "hello", 5);
}

static bool is_reset(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET;
}

static void refused_is_a_reset(void **state)
{
	struct ex *ex = *state;

	ask(ex, 7, 40000);
	expect(ex, 7, SYN_RESET);
	assert_int_equal(egress_stats(ex->egress)->verdicts[SYN_RESET], 1);
	assert_int_equal(egress_stats(ex->egress)->connected, 0);
}

static void forbidden_is_said_before_connect(void **state)
{
	struct ex *ex = *state;

	listen_remote(ex, 10);
	ask_for(ex, 1, "127.0.0.1", 40000);
	expect(ex, 1, SYN_NET);
	ask_for(ex, 2, "10.0.2.77", 40000);
	expect(ex, 2, SYN_HOST);
	ask_for(ex, 3, "10.0.2.3", 40000);
	expect(ex, 3, SYN_RESET);
	assert_int_equal(egress_stats(ex->egress)->policy, 3);
	assert_true(accept4(ex->remote, NULL, NULL, 0) < 0);
}

static void no_route_is_said_as_such(void **state)
{
	struct ex *ex = *state;

	ask_for(ex, 1, "198.51.100.7", 40000);
	expect(ex, 1, SYN_NET);
	assert_int_equal(egress_stats(ex->egress)->policy, 0);
}

static void connected_is_written_back_paired_and_relayed(void **state)
{
	struct ex *ex = *state;
	int app, remote;

	listen_remote(ex, 10);
	ask(ex, 1, 40000);
	expect(ex, 1, SYN_WRITE_BACK);
	remote = accept_remote(ex);
	app = application(40000);
	WAIT(&ex->loop, egress_stats(ex->egress)->paired == 1);
	check_wire(ex, app, remote);
	check_wire(ex, remote, app);
	assert_int_equal(egress_stats(ex->egress)->stray, 0);
	/* the same flow once more is a new one */
	ask(ex, 2, 40000);
	expect(ex, 2, SYN_WRITE_BACK);
	check_wire(ex, app, remote);
	linger_reset(app);
	fd_drop(&app);
	WAIT(&ex->loop, is_reset(remote));
	fd_drop(&remote);
}

static void accept_without_a_pending_flow_is_reset(void **state)
{
	struct ex *ex = *state;
	int app = application(40001);

	WAIT(&ex->loop, is_reset(app));
	assert_int_equal(egress_stats(ex->egress)->stray, 1);
	fd_drop(&app);
	/* nor does another flow's SYN let it in */
	listen_remote(ex, 10);
	ask(ex, 1, 40002);
	expect(ex, 1, SYN_WRITE_BACK);
	app = application(40003);
	WAIT(&ex->loop, is_reset(app));
	assert_int_equal(egress_stats(ex->egress)->paired, 0);
	fd_drop(&app);
}

static void a_repeated_syn_is_written_back_a_few_times(void **state)
{
	size_t by[SYN_N_WHATS] = { 0 };
	struct ex *ex = *state;
	uint32_t id = 0;

	listen_remote(ex, 10);
	ask(ex, 1, 40000);
	expect(ex, 1, SYN_WRITE_BACK);
	for (uint32_t i = 0; i < 1000; i++) {
		ask(ex, 2 + i, 40000);
		turn(&ex->loop);
		verdicts(ex, by, &id);
	}
	settle(&ex->loop);
	verdicts(ex, by, &id);
	assert_true(by[SYN_WRITE_BACK] < 10);
	assert_int_equal(by[SYN_WRITE_BACK] + by[SYN_SILENCE], 1000);
	assert_int_equal(egress_stats(ex->egress)->connected, 1);
	assert_int_equal(egress_stats(ex->egress)->repeated, 1000);
}

/* A remote that answers no SYN any more: its backlog is full. */
static void silent_remote(struct ex *ex, int fill[2])
{
	union endpoint ep = at("127.0.0.1", PORT);

	listen_remote(ex, 0);
	for (int i = 0; i < 2; i++) {
		fill[i] = bound("127.0.0.1", 0);
		(void)connect(fill[i], &ep.sa, endpoint_len(&ep));
	}
}

static void no_answer_is_no_verdict_until_there_is_one(void **state)
{
	struct ex *ex = *state;
	int fill[2], taken[2];

	silent_remote(ex, fill);
	ask(ex, 1, 40000);
	expect_nothing(ex);
	/* asked again meanwhile: the newer question gets the answer */
	ask(ex, 2, 40000);
	expect_nothing(ex);
	assert_int_equal(egress_stats(ex->egress)->repeated, 1);
	for (int i = 0; i < 2; i++) {
		taken[i] = accept4(ex->remote, NULL, NULL, SOCK_CLOEXEC);
		fd_drop(&fill[i]);
	}
	expect(ex, 2, SYN_WRITE_BACK);
	for (int i = 0; i < 2; i++)
		fd_drop(&taken[i]);
}

static void written_back_in_vain_is_given_up(void **state)
{
	struct ex *ex = *state;
	int remote;

	listen_remote(ex, 10);
	ask(ex, 1, 40000);
	expect(ex, 1, SYN_WRITE_BACK);
	remote = accept_remote(ex);
	WAIT(&ex->loop, egress_stats(ex->egress)->gave_up == 1);
	WAIT(&ex->loop, is_reset(remote));
	fd_drop(&remote);
}

static void without_descriptors_it_is_libslirps(void **state)
{
	size_t by[SYN_N_WHATS] = { 0 };
	struct ex *ex = *state;
	uint32_t id = 0;
	size_t n = 0;

	listen_remote(ex, 64);
	for (uint16_t i = 0; i < 20; i++)
		ask(ex, i, (uint16_t)(40000 + i));
	WAIT(&ex->loop, (n += verdicts(ex, by, &id), n == 20));
	assert_int_equal(by[SYN_WRITE_BACK], 4);
	assert_int_equal(by[SYN_DECLINE], 16);
	assert_int_equal(egress_stats(ex->egress)->over, 16);
}

static void the_oldest_unanswered_makes_room(void **state)
{
	enum { OVER = 50 };
	size_t by[SYN_N_WHATS] = { 0 };
	struct ex *ex = *state;
	struct rlimit rl;
	uint32_t id = 0;
	size_t n = 0;
	int fill[2];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	if (rl.rlim_cur < (rlim_t)EGRESS_PENDING_MAX * 2 + 512)
		skip();
	silent_remote(ex, fill);
	for (uint32_t i = 0; i < EGRESS_PENDING_MAX + OVER; i++) {
		ask(ex, i, (uint16_t)(10000 + i));
		turn(&ex->loop);
	}
	WAIT(&ex->loop, (n += verdicts(ex, by, &id), n == OVER));
	assert_int_equal(by[SYN_SILENCE], OVER);
	assert_int_equal(id, OVER - 1); /* in the order they came */
	assert_int_equal(egress_stats(ex->egress)->over, OVER);
	for (int i = 0; i < 2; i++)
		fd_drop(&fill[i]);
}

static void flows_live_on_when_netstack_is_gone(void **state)
{
	struct ex *ex = *state;
	int app, remote;

	listen_remote(ex, 10);
	ask(ex, 1, 40000);
	expect(ex, 1, SYN_WRITE_BACK);
	remote = accept_remote(ex);
	app = application(40000);
	WAIT(&ex->loop, egress_stats(ex->egress)->paired == 1);
	fd_drop(&ex->netstack);
	settle(&ex->loop);
	check_wire(ex, app, remote);
	fd_drop(&app);
	fd_drop(&remote);
}

#define T(fn)	   cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define T_FEW(fn)  cmocka_unit_test_setup_teardown(fn, setup_few, teardown)
#define T_LOTS(fn) cmocka_unit_test_setup_teardown(fn, setup_lots, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_is_a_reset),
		T(forbidden_is_said_before_connect),
		T(no_route_is_said_as_such),
		T(connected_is_written_back_paired_and_relayed),
		T(accept_without_a_pending_flow_is_reset),
		T(a_repeated_syn_is_written_back_a_few_times),
		T(no_answer_is_no_verdict_until_there_is_one),
		T(written_back_in_vain_is_given_up),
		T_FEW(without_descriptors_it_is_libslirps),
		T_LOTS(the_oldest_unanswered_makes_room),
		T(flows_live_on_when_netstack_is_gone),
	};

	if (!has_world()) {
		printf("1..0 # SKIP no network namespace can be made\n");
		return 77;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* as in the helper's processes */
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
