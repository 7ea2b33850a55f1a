// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What we rely on the kernel for, each by name: splice(2), epoll(7) and TCP
 * sockets. No code of ours is under test here. Where one of these fails, the
 * module named in its comment has to learn about this kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <linux/sock_diag.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/harness.h"
#include "tests/unit/netns.h"

static struct netns netns;

struct fx {
	int a, b; /* connected, non-blocking */
	int pipe[2];
	int epfd;
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));
	int p[2];

	*state = fx;
	if (!fx)
		return -1;
	tcp_pair(AF_INET, p);
	fx->a = p[0];
	fx->b = p[1];
	fx->epfd = epoll_create1(EPOLL_CLOEXEC);
	return pipe2(fx->pipe, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	fd_drop(&fx->a);
	fd_drop(&fx->b);
	fd_drop(&fx->pipe[0]);
	fd_drop(&fx->pipe[1]);
	fd_drop(&fx->epfd);
	free(fx);
	return 0;
}

static ssize_t pull(struct fx *fx, size_t len)
{
	/* cppcheck-suppress invalidFunctionArg; 0 is one of the questions */
	return splice(fx->b, NULL, fx->pipe[1], NULL, len,
		      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, PATIENCE_MS) == 1 && (p.revents & POLLIN);
}

/* ---- splice: portfwd/relay.c ---- */

static void splice_of_an_empty_socket_says_eagain(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(pull(fx, 65536), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(fx->a, "abc", 3, 0), 3);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), 3);
	assert_int_equal(pull(fx, 65536), -1);
	assert_int_equal(errno, EAGAIN);
}

static void splice_at_the_end_says_zero_and_so_does_length_zero(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(send(fx->a, "abc", 3, 0), 3);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 0), 0); /* not the end */
	assert_int_equal(shutdown(fx->a, SHUT_WR), 0);
	assert_int_equal(pull(fx, 65536), 3);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), 0);
}

static void splice_into_a_full_pipe_says_eagain_too(void **state)
{
	struct fx *fx = *state;
	char page[4096] = "";

	while (write(fx->pipe[1], page, sizeof(page)) > 0)
		;
	assert_int_equal(send(fx->a, "abc", 3, 0), 3);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), -1);
	assert_int_equal(errno, EAGAIN);
}

static void splice_of_a_reset_socket_is_an_error(void **state)
{
	struct fx *fx = *state;

	linger_reset(fx->a);
	fd_drop(&fx->a);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void pipe_may_hold_a_mebibyte(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(fcntl(fx->pipe[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(fcntl(fx->pipe[1], F_SETPIPE_SZ, 1048576), 1048576);
	assert_int_equal(fcntl(fx->pipe[0], F_GETPIPE_SZ), 1048576);
}

static void pipes_of_a_user_have_a_quota(void **state)
{
	int p[100][2], n = 0, err = 0;

	(void)state;
	NETNS_OR_SKIP(&netns); /* in there root has no way around it */
	for (; n < 100 && !err; n++) {
		assert_int_equal(pipe2(p[n], O_CLOEXEC), 0);
		if (fcntl(p[n][1], F_SETPIPE_SZ, 1048576) < 0)
			err = errno;
	}
	while (n-- > 0) {
		fd_drop(&p[n][0]);
		fd_drop(&p[n][1]);
	}
	assert_int_equal(err, EPERM);
}

/* ---- room to write: portfwd/relay.c, room() ---- */

/* As sk_stream_is_writeable() has it. */
static bool has_room(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len), 0);
	assert_true(len > SK_MEMINFO_WMEM_QUEUED * sizeof(mem[0]));
	if (mem[SK_MEMINFO_SNDBUF] <= mem[SK_MEMINFO_WMEM_QUEUED])
		return false;
	return mem[SK_MEMINFO_SNDBUF] - mem[SK_MEMINFO_WMEM_QUEUED] >=
	       mem[SK_MEMINFO_WMEM_QUEUED] / 2;
}

static bool writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void meminfo_and_epollout_mean_the_same_room(void **state)
{
	static char buf[16384];
	struct fx *fx = *state;
	int seen[2] = { 0, 0 };

	must_setsockopt(fx->a, SOL_SOCKET, SO_SNDBUF, 262144);
	must_setsockopt(fx->b, SOL_SOCKET, SO_RCVBUF, 65536);
	for (int i = 0; i < 400; i++) {
		bool before = has_room(fx->a), w = writable(fx->a);

		/* an ACK may come in between; then ask again */
		if (before == has_room(fx->a))
			assert_int_equal(w, before);
		seen[w]++;
		if (i / 40 % 2)
			(void)!recv(fx->b, buf, sizeof(buf), 0);
		else
			(void)!send(fx->a, buf, sizeof(buf), MSG_NOSIGNAL);
	}
	assert_true(seen[0] > 0 && seen[1] > 0);
}

/* Fill up to "no room", but never into an EAGAIN the kernel would notice. */
static void fill_unnoticed(int fd)
{
	static char buf[2048];

	while (has_room(fd))
		assert_true(send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0);
}

static void epoll_mod_makes_a_full_socket_tell_when_it_has_room(void **state)
{
	static char buf[65536];
	struct fx *fx = *state;
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	struct mono until = mono_add(mono_now(), mono_ms(PATIENCE_MS));

	assert_int_equal(epoll_ctl(fx->epfd, EPOLL_CTL_ADD, fx->a, &ev), 0);
	assert_int_equal(epoll_wait(fx->epfd, &ev, 1, PATIENCE_MS), 1);
	fill_unnoticed(fx->a);
	ev.events = EPOLLOUT | EPOLLET;
	assert_int_equal(epoll_ctl(fx->epfd, EPOLL_CTL_MOD, fx->a, &ev), 0);
	while (epoll_wait(fx->epfd, &ev, 1, 1) == 0) {
		if (!mono_before(mono_now(), until))
			fail_msg("no edge came");
		while (recv(fx->b, buf, sizeof(buf), 0) > 0)
			;
	}
	assert_int_equal(ev.events, EPOLLOUT);
	assert_true(has_room(fx->a));
}

static void hangup_and_error_cannot_be_masked(void **state)
{
	struct epoll_event ev = { .events = 0 };
	struct fx *fx = *state;

	assert_int_equal(epoll_ctl(fx->epfd, EPOLL_CTL_ADD, fx->b, &ev), 0);
	assert_int_equal(epoll_wait(fx->epfd, &ev, 1, 0), 0);
	linger_reset(fx->a);
	fd_drop(&fx->a);
	assert_int_equal(epoll_wait(fx->epfd, &ev, 1, PATIENCE_MS), 1);
	assert_int_equal(ev.events & (EPOLLHUP | EPOLLERR),
			 EPOLLHUP | EPOLLERR);
}

/* ---- ends: portfwd/relay.c ---- */

static void asking_for_the_error_turns_a_reset_into_an_end(void **state)
{
	struct fx *fx = *state;
	socklen_t len = sizeof(int);
	int err = 0;
	char c;

	linger_reset(fx->a);
	fd_drop(&fx->a);
	assert_true(readable(fx->b));
	assert_int_equal(getsockopt(fx->b, SOL_SOCKET, SO_ERROR, &err, &len),
			 0);
	assert_int_equal(err, ECONNRESET);
	assert_int_equal(recv(fx->b, &c, 1, 0), 0);
}

/* A process that is killed with fx->a open: what does its peer read? */
static int end_after_death(struct fx *fx)
{
	char c;
	int status, rc;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	fd_drop(&fx->a);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(readable(fx->b));
	rc = (int)recv(fx->b, &c, 1, 0);
	return rc < 0 ? -errno : rc;
}

static void death_of_a_process_looks_like_an_end(void **state)
{
	assert_int_equal(end_after_death(*state), 0);
}

static void death_of_a_process_that_lingers_for_zero_is_a_reset(void **state)
{
	struct fx *fx = *state;

	linger_reset(fx->a);
	assert_int_equal(end_after_death(fx), -ECONNRESET);
}

/* ---- urgent data: portfwd/relay.c, past() ---- */

static void splice_stops_at_the_urgent_mark_with_epollin_on(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLPRI };
	struct fx *fx = *state;
	int at_mark = 0;
	char buf[8];

	assert_int_equal(send(fx->a, "abc", 3, 0), 3);
	assert_int_equal(send(fx->a, "X", 1, MSG_OOB), 1);
	assert_int_equal(send(fx->a, "def", 3, 0), 3);
	assert_int_equal(epoll_ctl(fx->epfd, EPOLL_CTL_ADD, fx->b, &ev), 0);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), 3);
	assert_int_equal(pull(fx, 65536), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(epoll_wait(fx->epfd, &ev, 1, 0), 1);
	assert_int_equal(ev.events, EPOLLIN | EPOLLPRI);
	assert_int_equal(ioctl(fx->b, SIOCATMARK, &at_mark), 0);
	assert_int_equal(at_mark, 1);
	/* with the FIN here, it even says "end" */
	assert_int_equal(shutdown(fx->a, SHUT_WR), 0);
	for (int i = 0; i < PATIENCE_MS; i++) {
		struct pollfd p = { .fd = fx->b, .events = POLLRDHUP };

		if (poll(&p, 1, 1) == 1)
			break;
	}
	assert_int_equal(pull(fx, 65536), 0);
	/* and recv() steps over the mark, after which splice goes on */
	assert_int_equal(recv(fx->b, buf, 1, 0), 1);
	assert_int_equal(buf[0], 'd');
	assert_int_equal(pull(fx, 65536), 2);
	assert_int_equal(pull(fx, 65536), 0);
}

static void urgent_byte_read_in_line_is_never_lost(void **state)
{
	struct fx *fx = *state;
	int at_mark = 0;
	char buf[8] = "";

	must_setsockopt(fx->b, SOL_SOCKET, SO_OOBINLINE, 1);
	assert_int_equal(send(fx->a, "X", 1, MSG_OOB), 1);
	assert_int_equal(send(fx->a, "Y", 1, MSG_OOB), 1);
	assert_int_equal(send(fx->a, "z", 1, 0), 1);
	assert_int_equal(shutdown(fx->a, SHUT_WR), 0);
	assert_true(readable(fx->b));
	assert_int_equal(pull(fx, 65536), 1); /* up to the last mark */
	assert_int_equal(read(fx->pipe[0], buf, 8), 1);
	assert_int_equal(buf[0], 'X');
	assert_int_equal(ioctl(fx->b, SIOCATMARK, &at_mark), 0);
	assert_int_equal(at_mark, 1);
	assert_int_equal(recv(fx->b, buf, 1, 0), 1);
	assert_int_equal(buf[0], 'Y');
	assert_int_equal(pull(fx, 65536), 1);
}

/* ---- listeners: portfwd/ingress.c ---- */

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void accepted_socket_inherits_its_listeners_options(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	scoped_fd l = loopback_listener(AF_INET, &at, &len);
	scoped_fd c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	scoped_fd s = -1;
	struct linger linger = { 0, 0 };

	(void)state;
	linger_reset(l);
	must_setsockopt(l, SOL_TCP, TCP_NODELAY, 1);
	must_setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	must_setsockopt(l, SOL_SOCKET, SO_OOBINLINE, 1);
	must_setsockopt(l, SOL_TCP, TCP_KEEPIDLE, 301);
	must_setsockopt(l, SOL_TCP, TCP_KEEPINTVL, 61);
	must_setsockopt(l, SOL_TCP, TCP_KEEPCNT, 6);
	assert_int_equal(connect(c, (struct sockaddr *)&at, len), 0);
	s = accept_any(l, SOCK_NONBLOCK);
	assert_true(s >= 0);
	len = sizeof(linger);
	assert_int_equal(getsockopt(s, SOL_SOCKET, SO_LINGER, &linger, &len),
			 0);
	assert_int_equal(linger.l_onoff, 1);
	assert_int_equal(linger.l_linger, 0);
	assert_true(option(s, SOL_TCP, TCP_NODELAY) != 0);
	assert_true(option(s, SOL_SOCKET, SO_KEEPALIVE) != 0);
	assert_true(option(s, SOL_SOCKET, SO_OOBINLINE) != 0);
	assert_int_equal(option(s, SOL_TCP, TCP_KEEPIDLE), 301);
	assert_int_equal(option(s, SOL_TCP, TCP_KEEPINTVL), 61);
	assert_int_equal(option(s, SOL_TCP, TCP_KEEPCNT), 6);
}

static void port_of_a_bound_address_may_be_chosen_by_connect(void **state)
{
	struct sockaddr_in me = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0x7f000009) };
	struct sockaddr_storage at;
	socklen_t len;
	scoped_fd l = loopback_listener(AF_INET, &at, &len);
	scoped_fd c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(l >= 0);
	must_setsockopt(c, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	assert_int_equal(bind(c, (struct sockaddr *)&me, sizeof(me)), 0);
	len = sizeof(me);
	assert_int_equal(getsockname(c, (struct sockaddr *)&me, &len), 0);
	assert_int_equal(me.sin_port, 0);
	len = sizeof(struct sockaddr_in);
	assert_int_equal(connect(c, (struct sockaddr *)&at, len), 0);
	len = sizeof(me);
	assert_int_equal(getsockname(c, (struct sockaddr *)&me, &len), 0);
	assert_int_not_equal(me.sin_port, 0);
	assert_int_equal(ntohl(me.sin_addr.s_addr), 0x7f000009);
}

/* ---- destinations: netstack/policy.c ---- */

static bool reaches(int family, const char *to, uint16_t port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	scoped_fd fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET) {
		assert_int_equal(inet_pton(family, to, &a4.sin_addr), 1);
		return connect(fd, (struct sockaddr *)&a4, sizeof(a4)) == 0;
	}
	assert_int_equal(inet_pton(family, to, &a6.sin6_addr), 1);
	return connect(fd, (struct sockaddr *)&a6, sizeof(a6)) == 0;
}

static void other_spellings_of_loopback_reach_it(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	scoped_fd l4 = loopback_listener(AF_INET, &at, &len);
	uint16_t port = port_of(&at);

	(void)state;
	assert_true(l4 >= 0);
	assert_true(reaches(AF_INET, "127.0.0.1", port));
	assert_true(reaches(AF_INET, "0.0.0.0", port));
	if (!has_ipv6_loopback())
		skip();
	assert_true(reaches(AF_INET6, "::ffff:127.0.0.1", port));
	assert_true(reaches(AF_INET6, "::ffff:0.0.0.0", port));

	scoped_fd l6 = loopback_listener(AF_INET6, &at, &len);

	assert_true(l6 >= 0);
	port = port_of(&at);
	assert_true(reaches(AF_INET6, "::1", port));
	assert_true(reaches(AF_INET6, "::", port));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(splice_of_an_empty_socket_says_eagain),
		TEST(splice_at_the_end_says_zero_and_so_does_length_zero),
		TEST(splice_into_a_full_pipe_says_eagain_too),
		TEST(splice_of_a_reset_socket_is_an_error),
		TEST(pipe_may_hold_a_mebibyte),
		TEST(pipes_of_a_user_have_a_quota),
		TEST(meminfo_and_epollout_mean_the_same_room),
		TEST(epoll_mod_makes_a_full_socket_tell_when_it_has_room),
		TEST(hangup_and_error_cannot_be_masked),
		TEST(asking_for_the_error_turns_a_reset_into_an_end),
		TEST(death_of_a_process_looks_like_an_end),
		TEST(death_of_a_process_that_lingers_for_zero_is_a_reset),
		TEST(splice_stops_at_the_urgent_mark_with_epollin_on),
		TEST(urgent_byte_read_in_line_is_never_lost),
		TEST(accepted_socket_inherits_its_listeners_options),
		TEST(port_of_a_bound_address_may_be_chosen_by_connect),
		TEST(other_spellings_of_loopback_reach_it),
	};

	(void)netns_enter(&netns);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
