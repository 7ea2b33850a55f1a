// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keepalive is the host side's alone: there peers vanish, while the pod's end
 * is a kernel on this machine.
 */
#include "portfwd/relay_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>

#define KEEPALIVE_IDLE_S 300
#define KEEPALIVE_STEP_S 60
#define KEEPALIVE_PROBES 5

int relay_socket_prepare(int fd)
{
	static const struct linger reset = { 1, 0 };
	static const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    setsockopt(fd, SOL_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)))
		return -errno;
	return 0;
}

int relay_socket_prepare_host(int fd)
{
	/* the sysctl's would make the relay's look at room wrong */
	static const unsigned int no_limit = UINT32_MAX;
	static const int one = 1, idle = KEEPALIVE_IDLE_S,
			 step = KEEPALIVE_STEP_S, probes = KEEPALIVE_PROBES;
	int rc = relay_socket_prepare(fd);

	if (rc)
		return rc;
	if (setsockopt(fd, SOL_TCP, TCP_NOTSENT_LOWAT, &no_limit,
		       sizeof(no_limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) ||
	    setsockopt(fd, SOL_TCP, TCP_KEEPINTVL, &step, sizeof(step)) ||
	    setsockopt(fd, SOL_TCP, TCP_KEEPCNT, &probes, sizeof(probes)))
		return -errno;
	return 0;
}

int relay_socket_connect(int fd, const union endpoint *to)
{
	socklen_t len = endpoint_len(to);

	if (!connect(fd, &to->sa, len))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	/* the second one only looks: EALREADY, or what the first came to */
	if (!connect(fd, &to->sa, len))
		return 0;
	return errno == EALREADY ? -EINPROGRESS : -errno;
}
