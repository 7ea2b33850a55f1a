// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages between our processes, also from a peer that means no good. */
#include "netstack/base/msg.h"

#include <setjmp.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "tests/unit/harness.h"

struct fx {
	int fd[2];
	int other;
	size_t n_fds;
	struct msg m;
};

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	*state = fx;
	if (!fx)
		return -1;
	fx->n_fds = count_fds();
	fx->other = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fx->other < 0 ? -1 : msg_pair(fx->fd);
}

static int teardown(void **state)
{
	struct fx *fx = *state;
	size_t n;

	fd_drop(&fx->fd[0]);
	fd_drop(&fx->fd[1]);
	fd_drop(&fx->other);
	n = count_fds() - fx->n_fds;
	if (n)
		print_error("# %zu descriptors leaked\n", n);
	free(fx);
	return n ? -1 : 0;
}

/* A message as only an attacker writes it. */
static void raw_send(int fd, const void *body, size_t len, const int *fds,
		     size_t n_fds)
{
	char ctl[CMSG_SPACE(sizeof(int) * 253)];
	struct iovec iov = { (void *)(uintptr_t)body, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n_fds) {
		memset(ctl, 0, sizeof(ctl));
		mh.msg_control = ctl;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), len);
}

static void message_arrives_with_its_body_and_boundaries(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(msg_send(fx->fd[0], 7, "abc", 3, NULL, 0), 0);
	assert_int_equal(msg_send(fx->fd[0], 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
	assert_int_equal(fx->m.type, 7);
	assert_int_equal(fx->m.len, 3);
	assert_memory_equal(fx->m.body, "abc", 3);
	assert_int_equal(fx->m.n_fds, 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
	assert_int_equal(fx->m.type, 8);
	assert_int_equal(fx->m.len, 0);
	assert_int_equal(msg_take_fd(&fx->m, 0), -1);
}

static void largest_message_arrives_and_a_larger_one_is_refused(void **state)
{
	static uint8_t big[MSG_BODY_MAX + 1];
	struct fx *fx = *state;
	int fds[MSG_FDS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fx->other;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	assert_int_equal(
		msg_send(fx->fd[0], 1, big, MSG_BODY_MAX, fds, MSG_FDS_MAX), 0);
	assert_int_equal(msg_send(fx->fd[0], 1, big, sizeof(big), NULL, 0),
			 -EMSGSIZE);
	assert_int_equal(msg_send(fx->fd[0], 1, big, 1, fds, ARRAY_SIZE(fds)),
			 -EMSGSIZE);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
	assert_int_equal(fx->m.len, MSG_BODY_MAX);
	assert_memory_equal(fx->m.body, big, MSG_BODY_MAX);
	assert_int_equal(fx->m.n_fds, MSG_FDS_MAX);
	msg_drop(&fx->m);
	msg_drop(&fx->m); /* idempotent */
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state)
{
	struct fx *fx = *state;
	scoped_fd zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int fds[2] = { zero, fx->other }, got;
	struct stat a, b;

	assert_int_equal(msg_send(fx->fd[0], 1, NULL, 0, fds, 2), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
	assert_int_equal(fx->m.n_fds, 2);
	for (size_t i = 0; i < 2; i++) {
		got = msg_take_fd(&fx->m, i);
		assert_true(got > 2 && got != fds[i]);
		assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(fstat(got, &a), 0);
		assert_int_equal(fstat(fds[i], &b), 0);
		assert_int_equal(a.st_rdev, b.st_rdev);
		fd_drop(&got);
		assert_int_equal(msg_take_fd(&fx->m, i), -1); /* only once */
	}
	assert_int_equal(msg_take_fd(&fx->m, 2), -1);
	msg_drop(&fx->m);
}

static void pair_closes_on_exec(void **state)
{
	struct fx *fx = *state;

	for (int i = 0; i < 2; i++)
		assert_true(fcntl(fx->fd[i], F_GETFD) & FD_CLOEXEC);
}

static void death_of_the_peer_is_told(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(msg_send(fx->fd[0], 5, "x", 1, &fx->other, 1), 0);
	fd_drop(&fx->fd[0]);
	/* what was sent before is still there */
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
	assert_int_equal(fx->m.n_fds, 1);
	msg_drop(&fx->m);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 0);
	assert_int_equal(msg_send(fx->fd[1], 5, "x", 1, NULL, 0), -EPIPE);
	assert_int_equal(fx->m.n_fds, 0);
}

/* A peer that dies with our message unread gives ECONNRESET, not an end. */
static void death_of_a_peer_that_did_not_read_is_told_the_same(void **state)
{
	struct fx *fx = *state;

	assert_int_equal(msg_send(fx->fd[1], 5, "x", 1, NULL, 0), 0);
	fd_drop(&fx->fd[0]);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 0);
}

static void nonblocking_ends_say_eagain(void **state)
{
	struct fx *fx = *state;
	static const uint8_t body[1000];
	int rc = 0, n = 0;

	assert_int_equal(fd_nonblock(fx->fd[0]), 0);
	assert_int_equal(fd_nonblock(fx->fd[1]), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EAGAIN);
	while (rc == 0 && n++ < 100000)
		rc = msg_send(fx->fd[0], 1, body, sizeof(body), NULL, 0);
	assert_int_equal(rc, -EAGAIN);
}

static void oversized_message_is_refused_with_its_descriptors(void **state)
{
	static const uint8_t big[MSG_BODY_MAX + 100];
	struct fx *fx = *state;
	size_t before = count_fds();

	raw_send(fx->fd[0], big, sizeof(big), &fx->other, 1);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EPROTO);
	assert_int_equal(fx->m.n_fds, 0);
	assert_int_equal(count_fds(), before);
	/* the next one is read as usual */
	assert_int_equal(msg_send(fx->fd[0], 3, NULL, 0, NULL, 0), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), 1);
}

static void too_many_descriptors_are_refused_and_all_closed(void **state)
{
	struct fx *fx = *state;
	size_t before = count_fds();
	uint32_t type = 1;
	int fds[200];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fx->other;
	for (size_t n = MSG_FDS_MAX + 1; n <= ARRAY_SIZE(fds); n += 27) {
		raw_send(fx->fd[0], &type, sizeof(type), fds, n);
		assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EPROTO);
		assert_int_equal(fx->m.n_fds, 0);
		assert_int_equal(count_fds(), before);
	}
}

static void message_without_a_type_is_refused_and_leaks_nothing(void **state)
{
	struct fx *fx = *state;
	size_t before = count_fds();

	for (size_t len = 1; len < 4; len++) {
		raw_send(fx->fd[0], "abc", len, &fx->other, 1);
		assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EPROTO);
		assert_int_equal(count_fds(), before);
	}
	/* an empty one may look like the peer's end, but must not leak */
	raw_send(fx->fd[0], "", 0, &fx->other, 1);
	assert_true(msg_recv(fx->fd[1], &fx->m) <= 0);
	assert_int_equal(fx->m.n_fds, 0);
	assert_int_equal(count_fds(), before);
}

static void foreign_control_data_is_refused_and_leaks_nothing(void **state)
{
	struct fx *fx = *state;
	size_t before = count_fds();

	/* the kernel then adds the sender's credentials */
	must_setsockopt(fx->fd[1], SOL_SOCKET, SO_PASSCRED, 1);
	assert_int_equal(msg_send(fx->fd[0], 1, "x", 1, &fx->other, 1), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EPROTO);
	assert_int_equal(fx->m.n_fds, 0);
	assert_int_equal(count_fds(), before);
}

static void descriptors_we_have_no_room_for_refuse_the_message(void **state)
{
	struct fx *fx = *state;
	int fds[8] = { 0 };
	size_t before = count_fds();
	struct rlimit old, low;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fx->other;
	assert_int_equal(msg_send(fx->fd[0], 1, "x", 1, fds, 8), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	/* three are to be had below the limit */
	low = old;
	low.rlim_cur = (rlim_t)fx->other;
	for (int fd = fx->other + 1, free_fds = 0; free_fds < 3; fd++) {
		free_fds += fcntl(fd, F_GETFD) < 0;
		low.rlim_cur = (rlim_t)fd + 1;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(msg_recv(fx->fd[1], &fx->m), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(fx->m.n_fds, 0);
	/* it still tells what was lost */
	assert_int_equal(fx->m.type, 1);
	assert_int_equal(fx->m.len, 1);
	assert_int_equal(fx->m.body[0], 'x');
	assert_int_equal(count_fds(), before);
}

/* As an ordinary user, whom alone the kernel bounds. Return: exit status */
static int crowded(int crowd[2], int quiet[2])
{
	const struct rlimit few = { 32, 32 };
	int null[MSG_FDS_MAX] = { 0 };
	pid_t reader;
	int rc;

	if ((geteuid() == 0 && setuid(65534)) ||
	    setrlimit(RLIMIT_NOFILE, &few) ||
	    msg_send(crowd[0], 1, NULL, 0, null, MSG_FDS_MAX))
		return 1;
	/* no message of the test's own may bring more than the crowd's */
	if (msg_send(quiet[0], 2, NULL, 0, null, 1) != -ETOOMANYREFS)
		return 2;
	reader = fork();
	if (reader == 0) {
		struct msg m;

		(void)poll(NULL, 0, 50);
		rc = msg_recv(crowd[1], &m); /* more than it has room for */
		_exit(rc == -EMFILE ? 0 : 1);
	}
	rc = msg_must_send(quiet[0], "nobody", 2, NULL, 0, null, 1);
	return reader > 0 && rc == 0 ? 0 : 3;
}

static void crowd_of_descriptors_on_their_way_is_waited_for(void **state)
{
	struct fx *fx = *state;
	int crowd[2], status;
	pid_t pid;

	assert_int_equal(msg_pair(crowd), 0);
	pid = fork();
	if (pid == 0)
		_exit(crowded(crowd, fx->fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd_drop(&crowd[0]);
	fd_drop(&crowd[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(message_arrives_with_its_body_and_boundaries),
		TEST(largest_message_arrives_and_a_larger_one_is_refused),
		TEST(descriptors_arrive_in_order_and_close_on_exec),
		TEST(pair_closes_on_exec),
		TEST(death_of_the_peer_is_told),
		TEST(death_of_a_peer_that_did_not_read_is_told_the_same),
		TEST(nonblocking_ends_say_eagain),
		TEST(oversized_message_is_refused_with_its_descriptors),
		TEST(too_many_descriptors_are_refused_and_all_closed),
		TEST(message_without_a_type_is_refused_and_leaks_nothing),
		TEST(foreign_control_data_is_refused_and_leaks_nothing),
		TEST(descriptors_we_have_no_room_for_refuse_the_message),
		TEST(crowd_of_descriptors_on_their_way_is_waited_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
