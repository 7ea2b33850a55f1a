// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A socket that serves more or less than its SPEC says would be a surprise
 * either way, so everything has to be equal: a SPEC without an address wants
 * one socket of both families, one with [::] wants IPv6 alone.
 */
#include "portfwd/adopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/listen.h"

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static bool same_protocol(int fd, const struct spec *spec)
{
	if (spec->proto == SPEC_UDP)
		return get_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP;
	return get_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
	       get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
}

static bool same_device(int fd, const struct spec *spec)
{
	char name[IFNAMSIZ] = "";
	socklen_t len = sizeof(name);

	return !getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) &&
	       strncmp(name, spec->ifname, sizeof(name)) == 0;
}

static bool is_dual(int fd, const struct ip *ip)
{
	return ip->family == AF_INET6 && ip_is_any(ip) &&
	       get_int(fd, SOL_IPV6, IPV6_V6ONLY) == 0;
}

/* @fd may be anything. Return: is it a socket of IPv4 or IPv6? */
static bool name_of(int fd, union endpoint *out)
{
	union {
		union endpoint ep;
		struct sockaddr_storage any;
	} at = { 0 };
	socklen_t len = sizeof(at);

	if (getsockname(fd, &at.ep.sa, &len) ||
	    (at.ep.sa.sa_family != AF_INET && at.ep.sa.sa_family != AF_INET6))
		return false;
	*out = at.ep;
	return true;
}

/* Return: 0: none */
static uint16_t bound_port(int fd)
{
	union endpoint at;

	return name_of(fd, &at) ? endpoint_port(&at) : 0;
}

static bool matches(int fd, const struct spec *spec)
{
	union endpoint at;
	struct ip ip;
	bool dual;

	if (!name_of(fd, &at) || !same_protocol(fd, spec) ||
	    !same_device(fd, spec))
		return false;
	ip = endpoint_ip(&at);
	dual = is_dual(fd, &ip);
	return spec->host_addr.family ? !dual && ip_equal(&ip, &spec->host_addr)
				      : dual;
}

static int prepare(int fd, const struct spec *spec)
{
	int rc = fd_nonblock(fd);

	if (rc || spec->proto != SPEC_UDP)
		return rc;
	rc = listen_prepare_udp(
		fd, spec->host_addr.family ? spec->host_addr.family : AF_INET6,
		!spec->host_addr.family);
	return rc ? log_errno(-rc, "socket that was passed in") : 0;
}

/* Return: how many of @spec's ports were among @passed, or -errno, logged */
static int adopt(int *passed, size_t n_passed, const struct spec *spec,
		 int *fds, uint16_t *host_ports)
{
	int n = 0;

	for (size_t i = 0; i < n_passed; i++) {
		uint16_t port = passed[i] < 0 ? 0 : bound_port(passed[i]);
		size_t k = (size_t)(port - spec->host_port);
		int rc;

		if (port < spec->host_port || k >= spec->count || fds[k] >= 0 ||
		    !matches(passed[i], spec))
			continue;
		rc = prepare(passed[i], spec);
		if (rc)
			return rc;
		fds[k] = fd_take(&passed[i]);
		host_ports[k] = port;
		n++;
	}
	return n;
}

/* Those that nobody has passed in, one by one. */
static int open_rest(const struct spec *spec, int *fds, uint16_t *host_ports)
{
	for (uint16_t k = 0; k < spec->count; k++) {
		int rc;

		if (fds[k] >= 0)
			continue;
		rc = listen_open_nth(spec, k, &fds[k], &host_ports[k]);
		if (rc)
			return rc;
	}
	return 0;
}

int adopt_open(int *passed, size_t n_passed, const struct spec *spec, int *fds,
	       uint16_t *host_ports)
{
	int rc;

	for (size_t k = 0; k < spec->count; k++)
		fds[k] = -1;
	rc = spec->host_port ? adopt(passed, n_passed, spec, fds, host_ports)
			     : 0;
	if (rc == 0)
		return listen_open(spec, fds, host_ports);
	if (rc > 0)
		rc = open_rest(spec, fds, host_ports);
	if (!rc)
		return 1;
	listen_close(fds, spec->count);
	return rc;
}
