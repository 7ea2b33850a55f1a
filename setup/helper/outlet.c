// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nothing transparent, but where inbound.h has made it so: the answers to a
 * client's address have to find their way from the target back to us, and the
 * routes there aren't ours.
 *
 * portfwd can't connect to a unix socket by itself: there are no paths in its
 * empty root, and giving it the socket's directory would give it all sockets
 * there. So each connection is made here, which whoever took portfwd over can
 * ask for, and for no other path.
 */
#include "setup/helper/outlet.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/relay_socket.h"
#include "setup/net/hop.h"

void outlet_lead(struct podnet *plan, const struct ip *ip)
{
	bool v4 = ip->family == AF_INET;

	*(v4 ? &plan->pod4 : &plan->pod6) = *ip;
	(v4 ? &plan->gw4 : &plan->gw6)->family = ip->family;
	plan->has_ipv6 |= !v4;
}

int outlet_fit(const struct outlet *o, struct spec *spec)
{
	char text[SPEC_TEXT_MAX];

	if (spec->proto == SPEC_UDP && o->kind == OUTLET_UNIX) {
		log_error("%s: UDP can't lead to a unix socket (drop /udp)",
			  spec_format(spec, text, sizeof(text)));
		return -EINVAL;
	}
	/* each client is counted as lost then */
	if (o->kind && !o->transparent)
		spec->source = SPEC_SOURCE_OFF;
	return 0;
}

int outlet_path_ok(const char *path)
{
	struct sockaddr_un sa;

	if (!*path) {
		log_error("unix: the path is empty");
		return -EINVAL;
	}
	if (strlen(path) >= sizeof(sa.sun_path)) {
		log_error(
			"unix:%.64s...: longer than the %zu bytes that the path of a socket may have (use a shorter or a relative one)",
			path, sizeof(sa.sun_path) - 1);
		return -EINVAL;
	}
	return 0;
}

static int connected(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	scoped_fd fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* it fits: outlet_path_ok() */
	memcpy(sa.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return fd_take(&fd);
}

static int unconnected(int family, int type)
{
	scoped_fd fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	/* what may vanish is on this side, too */
	rc = type == SOCK_DGRAM ? hop_prepare_udp(fd, family)
				: relay_socket_prepare_host(fd);
	return rc ? rc : fd_take(&fd);
}

/* What answers to a client's address are known by: inbound.c. */
static int transparent(int family, int type)
{
	static const uint32_t mark = OUTLET_MARK;
	scoped_fd fd = hop_transparent(family, type);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return -errno;
	return fd_take(&fd);
}

int outlet_socket(const struct outlet *o, int family, int type)
{
	scoped_fd fd = -1;

	if (o->kind == OUTLET_UNIX)
		return connected(o->path);
	fd = o->transparent ? transparent(family, type)
			    : unconnected(family, type);
	/* within a namespace nothing is lost: pacing, as bbr's, only costs */
	if (fd >= 0 && o->kind == OUTLET_NETNS && type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_TCP, TCP_CONGESTION, "reno", 4);
	return fd_take(&fd);
}
