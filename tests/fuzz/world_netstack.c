// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * These functions stand before the C library's, for the program and for
 * libslirp's shared object alike. Descriptors that aren't sockets of the world
 * (the TAP, the control sockets) go through to the kernel.
 *
 * A UDP socket is an AF_UNIX datagram socket, a TCP one an AF_UNIX stream:
 * poll, read, half-close and end are the kernel's. Some addresses refuse.
 */
/* its inline versions would be in the way of ours */
#undef _FORTIFY_SOURCE
#include "tests/fuzz/world_netstack.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

struct sock {
	bool used;
	int family, type;
	int far; /* the world's end, or -1 */
	union endpoint dst;
};

static struct {
	const struct world_ops *ops; /* NULL: not begun */
	struct mono now;
	uint8_t random;
	size_t n;
	struct sock socks[WORLD_FDS];
} world;

static struct sock *sock_of(int fd)
{
	if (!world.ops || fd < 0 || fd >= WORLD_FDS || !world.socks[fd].used)
		return NULL;
	return &world.socks[fd];
}

/* ---- the calls ---- */

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!world.ops || id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = world.now.ns / 1000000000;
	ts->tv_nsec = world.now.ns % 1000000000;
	return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	if (!world.ops)
		return syscall(SYS_getrandom, buf, len, flags);
	memset(buf, ++world.random, len);
	return (ssize_t)len;
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	int n = (int)syscall(SYS_epoll_wait, epfd, events, max, 0);

	if (world.ops)
		world.ops->sleep(n, timeout);
	return n;
}

int socket(int family, int type, int protocol)
{
	int sort = type & (SOCK_STREAM | SOCK_DGRAM), ends[2];

	if (!world.ops)
		return (int)syscall(SYS_socket, family, type, protocol);
	check(family == AF_INET || family == AF_INET6);
	check(sort == SOCK_STREAM || sort == SOCK_DGRAM);
	if (socketpair(AF_UNIX, type, 0, ends))
		return -1;
	check(ends[0] < WORLD_FDS && ends[1] < WORLD_FDS);
	world.socks[ends[0]] = (struct sock){
		.used = true, .family = family, .type = sort, .far = ends[1]
	};
	world.n++;
	return ends[0];
}

static void far_close(struct sock *s)
{
	if (s->far >= 0)
		(void)syscall(SYS_close, s->far);
	s->far = -1;
}

int close(int fd)
{
	struct sock *s = sock_of(fd);

	if (s) {
		far_close(s);
		s->used = false;
		world.n--;
	}
	return (int)syscall(SYS_close, fd);
}

static union endpoint endpoint_of(const struct sockaddr *addr, socklen_t len)
{
	union endpoint ep = { 0 };

	check(len >= sizeof(struct sockaddr_in) && len <= sizeof(ep));
	memcpy(&ep, addr, len);
	return ep;
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	const struct sockaddr *addr = to.__sockaddr__;
	struct sock *s = sock_of(fd);
	unsigned int port;

	if (!s)
		return (int)syscall(SYS_connect, fd, addr, len);
	s->dst = endpoint_of(addr, len);
	world.ops->check_dst(&s->dst, s->type);
	port = ntohs(s->dst.v4.sin_port);
	if (port % 8 == 5) {
		errno = port & 8 ? ENETUNREACH : ECONNREFUSED;
		return -1;
	}
	if (s->type == SOCK_DGRAM || port % 8 == 6)
		return 0;
	errno = EINPROGRESS;
	return -1;
}

int bind(int fd, __CONST_SOCKADDR_ARG at, socklen_t len)
{
	if (sock_of(fd))
		return 0;
	return (int)syscall(SYS_bind, fd, at.__sockaddr__, len);
}

/* Nobody listens for the world in netstack. */
int listen(int fd, int backlog)
{
	(void)fd;
	(void)backlog;
	abort();
}

static void put_addr(const union endpoint *ep, __SOCKADDR_ARG out,
		     socklen_t *len)
{
	socklen_t n = endpoint_len(ep);

	if (!out.__sockaddr__ || !len)
		return;
	memcpy(out.__sockaddr__, ep, *len < n ? *len : n);
	*len = n;
}

int getsockname(int fd, __SOCKADDR_ARG out, socklen_t *len)
{
	struct ip here = fuzz_ip("192.0.2.10"), here6 = fuzz_ip("2001:db8::10");
	struct sock *s = sock_of(fd);
	union endpoint ep;

	if (!s)
		return (int)syscall(SYS_getsockname, fd, out.__sockaddr__, len);
	ep = endpoint_make(s->family == AF_INET ? &here : &here6, 40000);
	put_addr(&ep, out, len);
	return 0;
}

int getpeername(int fd, __SOCKADDR_ARG out, socklen_t *len)
{
	struct sock *s = sock_of(fd);

	if (!s)
		return (int)syscall(SYS_getpeername, fd, out.__sockaddr__, len);
	put_addr(&s->dst, out, len);
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (sock_of(fd))
		return 0;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

ssize_t sendto(int fd, const void *buf, size_t n, int flags,
	       __CONST_SOCKADDR_ARG to, socklen_t len)
{
	const struct sockaddr *addr = to.__sockaddr__;
	struct sock *s = sock_of(fd);

	if (s && addr) {
		s->dst = endpoint_of(addr, len);
		world.ops->check_dst(&s->dst, s->type);
		addr = NULL;
		len = 0;
	}
	return syscall(SYS_sendto, fd, buf, n, flags | MSG_NOSIGNAL, addr, len);
}

ssize_t recvfrom(int fd, void *buf, size_t n, int flags, __SOCKADDR_ARG out,
		 socklen_t *len)
{
	struct sock *s = sock_of(fd);
	ssize_t rc;

	if (!s)
		return syscall(SYS_recvfrom, fd, buf, n, flags,
			       out.__sockaddr__, len);
	rc = syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
	if (rc >= 0)
		put_addr(&s->dst, out, len);
	return rc;
}

/* ---- the input's side ---- */

void world_begin(const struct world_ops *ops)
{
	memset(&world, 0, sizeof(world));
	world.now = mono_s(1000);
	world.ops = ops;
}

void world_end(void)
{
	check(world.n == 0); /* netstack closed what it opened */
	world.ops = NULL;
}

void world_wait(struct mono t)
{
	world.now = mono_add(world.now, t);
}

size_t world_count(void)
{
	return world.n;
}

static struct sock *nth(unsigned int which)
{
	if (!world.n)
		return NULL;
	which %= (unsigned int)world.n;
	for (size_t fd = 0; fd < WORLD_FDS; fd++)
		if (world.socks[fd].used && which-- == 0)
			return &world.socks[fd];
	return NULL;
}

void world_act(unsigned int which, enum world_act act, const void *data,
	       size_t len)
{
	struct sock *s = nth(which);
	char buf[4096];

	if (!s || s->far < 0)
		return;
	switch (act) {
	case WORLD_SEND:
		(void)syscall(SYS_sendto, s->far, data, len,
			      MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		break;
	case WORLD_READ:
		while (syscall(SYS_recvfrom, s->far, buf, sizeof(buf),
			       MSG_DONTWAIT, NULL, NULL) > 0)
			;
		break;
	case WORLD_SHUT:
		(void)shutdown(s->far, SHUT_WR);
		break;
	case WORLD_CLOSE:
	case WORLD_N_ACTS:
		far_close(s);
		break;
	}
}
