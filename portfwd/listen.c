// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listening on the host's side of a published port.
 *
 * Without an address one dual-stack socket serves both families. IPV6_V6ONLY is
 * always set explicitly, since its default is a sysctl; and SO_REUSEPORT never,
 * or a second podsplice would share the port instead of being refused. With
 * SO_REUSEADDR alone the kernel refuses a port that anybody listens on, the
 * same address or a wildcard of that family, but not one whose old connections
 * are in TIME_WAIT.
 *
 * For UDP SO_REUSEADDR would be just that sharing, so there it isn't set. What
 * a datagram's receiver must know (the address it was sent to) has to be asked
 * for before the first one comes, so it is asked for here.
 *
 * Two sockets may get to bind the same free port with SO_REUSEADDR, and only
 * listen() tells: it counts as part of binding.
 *
 * Opening is silent and keeps the step that failed; the message is made once,
 * at the end, when it is known that nothing else will be tried.
 */
#include "portfwd/listen.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/hopudp.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "portfwd/owner.h"

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 4096

/* How many taken ports a search for a block of free ones walks past. */
#define WALK_STEPS 256

/* Where opening failed, for the message. */
struct failure {
	const char *step;
	uint16_t port;
};

void listen_close(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fd_drop(&fds[i]);
}

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* Addresses of datagrams, and what became of sent ones. */
int listen_prepare_udp(int fd, int family, bool dual)
{
	int rc = 0;

	/* as much as net.core.rmem_max allows; Linux 5.0 for the other */
	(void)set_flag(fd, SOL_SOCKET, SO_RCVBUF, HOP_UDP_BUFFER_BYTES);
	(void)set_flag(fd, SOL_UDP, UDP_GRO, 1);
	if (family == AF_INET || dual)
		rc = set_flag(fd, SOL_IP, IP_PKTINFO, 1);
	if (!rc && (family == AF_INET || dual))
		rc = set_flag(fd, SOL_IP, IP_RECVERR, 1);
	if (!rc && family == AF_INET6)
		rc = set_flag(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	if (!rc && family == AF_INET6)
		rc = set_flag(fd, SOL_IPV6, IPV6_RECVERR, 1);
	return rc;
}

/* Everything between socket() and bind(). Return: 0 or -errno */
static int prepare(int fd, const struct spec *spec, int family, bool dual,
		   const char **step)
{
	int rc;

	*step = "SO_REUSEADDR";
	rc = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, spec->proto == SPEC_TCP);
	if (!rc && family == AF_INET6) {
		*step = "IPV6_V6ONLY";
		rc = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
	}
	if (!rc && spec->ifname[0]) {
		*step = "SO_BINDTODEVICE";
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, spec->ifname,
			       (socklen_t)strlen(spec->ifname)))
			rc = -errno;
	}
	if (!rc && spec->proto == SPEC_UDP) {
		*step = "socket options";
		rc = listen_prepare_udp(fd, family, dual);
	}
	return rc;
}

/*
 * One listening socket on @ip, or on both families when @dual.
 * Return: the descriptor or -errno, with the step that failed in @step
 */
static int open_at(const struct spec *spec, const struct ip *ip, bool dual,
		   uint16_t port, const char **step)
{
	int type = spec->proto == SPEC_UDP ? SOCK_DGRAM : SOCK_STREAM;
	union endpoint ep = endpoint_make(ip, port);
	scoped_fd fd = -1;
	int rc;

	*step = "socket";
	fd = socket(ip->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = prepare(fd, spec, ip->family, dual, step);
	if (rc)
		return rc;
	*step = "bind";
	if (bind(fd, &ep.sa, endpoint_len(&ep)))
		return -errno;
	*step = "listen";
	if (type == SOCK_STREAM && listen(fd, BACKLOG))
		return -errno;
	return fd_take(&fd);
}

static int open_one(const struct spec *spec, uint16_t port, const char **step)
{
	static const struct ip any6 = { .family = AF_INET6 };
	static const struct ip any4 = { .family = AF_INET };
	int fd;

	if (spec->host_addr.family)
		return open_at(spec, &spec->host_addr, false, port, step);
	fd = open_at(spec, &any6, true, port, step);
	/* a kernel without IPv6, or with it disabled */
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = open_at(spec, &any4, false, port, step);
	return fd;
}

static int bound_port(int fd, uint16_t *out)
{
	union endpoint ep;
	socklen_t len = sizeof(ep);

	if (getsockname(fd, &ep.sa, &len))
		return -errno;
	*out = endpoint_port(&ep);
	return 0;
}

/* Open @spec's ports from @first on, all or none, starting with the @from th */
static int open_from(const struct spec *spec, unsigned int from, uint16_t first,
		     int *fds, struct failure *fail)
{
	for (unsigned int i = from; i < spec->count; i++) {
		fail->port = (uint16_t)(first + i);
		fds[i] = open_one(spec, fail->port, &fail->step);
		if (fds[i] >= 0)
			continue;

		int rc = fds[i];

		fds[i] = -1;
		listen_close(fds, i);
		return rc;
	}
	return 0;
}

/* One try of open_free(), at @start, or where the kernel says when it is 0. */
static int open_block(const struct spec *spec, uint16_t start, int *fds,
		      uint16_t *first, struct failure *fail)
{
	int rc, fd;

	fail->port = start;
	fd = open_one(spec, start, &fail->step);
	if (fd < 0)
		return fd;
	fds[0] = fd;
	rc = bound_port(fd, first);
	if (!rc && *first + spec->count - 1 > UINT16_MAX)
		rc = -EADDRINUSE; /* too near the end of all ports */
	if (!rc)
		return open_from(spec, 1, *first, fds, fail);
	fd_drop(&fds[0]);
	return rc;
}

/*
 * A block of free ports wherever there is one: walk up from where the kernel
 * chose, past each port that is taken. On a host with many connections its
 * range is full of TIME_WAIT at every other port, so ports above and below the
 * usual range follow.
 */
static int open_free(const struct spec *spec, int *fds, uint16_t *first,
		     struct failure *fail)
{
	static const uint16_t starts[] = { 0, 0, 61000, 20000, 10000 };
	int rc = -EADDRINUSE;

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		uint16_t start = starts[i];

		for (int step = 0; step < WALK_STEPS; step++) {
			rc = open_block(spec, start, fds, first, fail);
			if (rc != -EADDRINUSE)
				return rc;
			if (!fail->port ||
			    fail->port + spec->count > UINT16_MAX)
				break; /* no room behind it */
			start = (uint16_t)(fail->port + 1);
		}
	}
	fail->port = 0;
	return rc;
}

/*
 * "ADDR:PORT/tcp" (or /udp) in the words of SPEC; without ADDR it is "*". A
 * port that nobody has named has no number yet: then it is the SPEC.
 */
static void describe(const struct spec *spec, uint16_t port, char *buf,
		     size_t cap)
{
	char addr[ADDR_TEXT_MAX] = "*";

	if (!port) {
		spec_format(spec, buf, cap);
		return;
	}
	if (spec->ifname[0])
		(void)snprintf(addr, sizeof(addr), "%%%s", spec->ifname);
	else if (spec->host_addr.family)
		ip_format(&spec->host_addr, addr);
	(void)snprintf(buf, cap,
		       spec->host_addr.family == AF_INET6 ? "[%.45s]:%u/%s"
							  : "%.45s:%u/%s",
		       addr, port, spec->proto == SPEC_UDP ? "udp" : "tcp");
}

static void log_in_use(const struct spec *spec, const char *what, uint16_t port)
{
	char owner[OWNER_TEXT_MAX];

	if (!port) {
		log_error("%s: no free port%s found (name the host port)", what,
			  spec->count > 1 ? "s in a row" : "");
		return;
	}
	owner_find(spec->proto, &spec->host_addr, port, owner);
	log_error("%s: address already in use%s%s%s", what,
		  owner[0] ? " (by " : "", owner, owner[0] ? ")" : "");
}

unsigned int listen_port_start(void)
{
	uint64_t start = 1024;
	char text[32];

	if (fd_read_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", text,
			 sizeof(text)) > 0)
		(void)parse_uint_n(text, strcspn(text, "\n"), 0, 65536, &start);
	return (unsigned int)start;
}

static void log_no_access(const struct failure *fail, const char *what)
{
	unsigned int start = listen_port_start();

	if (fail->port && fail->port < start)
		log_error(
			"%s: ports below " LISTEN_PORT_START
			" (%u) need privileges (sudo sysctl " LISTEN_PORT_START
			"=%u)",
			what, start, fail->port);
	else
		log_errno(EACCES, "%s: %s", what, fail->step);
}

static int report(const struct spec *spec, const struct failure *fail, int err)
{
	char what[SPEC_TEXT_MAX];
	bool device = strcmp(fail->step, "SO_BINDTODEVICE") == 0;

	describe(spec, fail->port, what, sizeof(what));
	if (err == EADDRINUSE)
		log_in_use(spec, what, fail->port);
	else if (err == EACCES)
		log_no_access(fail, what);
	else if (err == EADDRNOTAVAIL)
		log_error("%s: no address of this host (ip addr lists them)",
			  what);
	else if (err == EAFNOSUPPORT)
		log_error("%s: this host has no IPv6", what);
	else if (device && err == ENODEV)
		log_error("%s: no such interface (ip link lists them)", what);
	else if (device && err == EPERM)
		log_error("%s: needs Linux 5.7 to listen on an interface "
			  "without privileges (name its address instead)",
			  what);
	else if (err == EINVAL && ip_is_linklocal(&spec->host_addr))
		log_error("%s: a link-local address needs its interface "
			  "(write %%INTERFACE instead)",
			  what);
	else if (err == EMFILE)
		log_error("%s: too many open files (ulimit -n shows how many "
			  "are allowed)",
			  what);
	else
		log_errno(err, "%s: %s", what, fail->step);
	return -err;
}

int listen_open(const struct spec *spec, int *fds, uint16_t *host_ports)
{
	uint16_t first = spec->host_port;
	struct failure fail = { "", 0 };
	int rc;

	assert(spec->count);
	for (unsigned int i = 0; i < spec->count; i++)
		fds[i] = -1;
	rc = first ? open_from(spec, 0, first, fds, &fail)
		   : open_free(spec, fds, &first, &fail);
	if (rc)
		return report(spec, &fail, -rc);
	for (unsigned int i = 0; i < spec->count; i++)
		host_ports[i] = (uint16_t)(first + i);
	return 0;
}

int listen_open_nth(const struct spec *spec, uint16_t k, int *fd,
		    uint16_t *host_port)
{
	struct spec one = *spec;

	one.count = 1;
	one.host_port = (uint16_t)(spec->host_port + k);
	one.pod_port = (uint16_t)(spec->pod_port + k);
	return listen_open(&one, fd, host_port);
}

unsigned int listen_device(int fd)
{
	int index = 0;
	socklen_t len = sizeof(index);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, &len))
		return 0;
	return (unsigned int)index;
}
