/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One thread plays both sides: the code under test runs in a loop that is
 * turned by hand, and the test does its own socket calls between the turns.
 * After <cmocka.h>.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/loop.h"

#define PATIENCE_MS 20000 /* sanitizers on a busy machine */

/* A job that ends loop_run() after one batch; it also keeps it from sleeping */
struct turner {
	struct loop_job job;
	struct loop *loop;
};

static inline void turner_fn(struct loop_job *job)
{
	loop_stop(container_of(job, struct turner, job)->loop, 0);
}

/* One batch of events, timers and jobs. */
static inline void turn(struct loop *loop)
{
	struct turner t = { .job.fn = turner_fn, .loop = loop };

	list_init(&t.job.link);
	loop_defer(loop, &t.job);
	assert_int_equal(loop_run(loop), 0);
	loop->stopped = false;
}

/* Is there an event within @ms? */
static inline bool loop_has_event(struct loop *loop, int ms)
{
	struct pollfd p = { .fd = loop->epfd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* Turn until @cond, with a failure that names it when it never comes. */
#define WAIT(loop, cond)                                                       \
	do {                                                                   \
		struct mono until_ =                                           \
			mono_add(mono_now(), mono_ms(PATIENCE_MS));            \
		while (!(cond)) {                                              \
			if (!mono_before(mono_now(), until_))                  \
				fail_msg("waited in vain for: %s", #cond);     \
			(void)loop_has_event((loop), 1);                       \
			turn(loop);                                            \
		}                                                              \
	} while (0)

/* Let everything happen that wants to. */
static inline void settle(struct loop *loop)
{
	for (int quiet = 0; quiet < 3;) {
		quiet = loop_has_event(loop, 5) ? 0 : quiet + 1;
		turn(loop);
	}
}

static inline size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void must_setsockopt(int fd, int level, int name, int value)
{
	assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

/* From here on only @want descriptors more can be opened. */
static inline void leave_descriptors(int want, struct rlimit *old)
{
	struct rlimit low;
	int fd = 3;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, old), 0);
	low = *old;
	while (fcntl(fd, F_GETFD) >= 0 || want-- > 0)
		fd++;
	low.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

/* close() resets, and so does our death. */
static inline void linger_reset(int fd)
{
	static const struct linger reset = { 1, 0 };

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
		0);
}

/* A listener on loopback; Return: it, and its address in @at */
static inline int loopback_listener(int family, struct sockaddr_storage *at,
				    socklen_t *len)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(at, 0, sizeof(*at));
	if (family == AF_INET)
		assert_int_equal(bind(fd, (struct sockaddr *)&a4, sizeof(a4)),
				 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&a6, sizeof(a6)),
				 0);
	assert_int_equal(listen(fd, 1024), 0);
	*len = sizeof(*at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, len), 0);
	return fd;
}

static inline bool has_ipv6_loopback(void)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	scoped_fd fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&a6, sizeof(a6)) == 0;
}

/* Return: descriptor or -1 */
static inline int accept_any(int fd, int flags)
{
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC | flags);
}

/* Two connected TCP sockets, non-blocking, without Nagle. */
static inline void tcp_pair(int family, int out[2])
{
	struct sockaddr_storage at;
	socklen_t len;
	scoped_fd l = loopback_listener(family, &at, &len);

	out[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(out[0], (struct sockaddr *)&at, len), 0);
	out[1] = accept_any(l, 0);
	assert_true(out[1] >= 0);
	for (int i = 0; i < 2; i++) {
		must_setsockopt(out[i], SOL_TCP, TCP_NODELAY, 1);
		assert_int_equal(fd_nonblock(out[i]), 0);
	}
}

static inline uint16_t port_of(const struct sockaddr_storage *at)
{
	struct sockaddr_in in; /* the port is at the same place in IPv6 */

	memcpy(&in, at, sizeof(in));
	return ntohs(in.sin_port);
}

/* Byte @at of stream @seed. */
static inline uint8_t pattern_at(unsigned int seed, uint64_t at)
{
	return (uint8_t)((at * 2654435761U + at / 251 + seed * 97) >> 3);
}
