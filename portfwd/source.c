// SPDX-License-Identifier: GPL-2.0-or-later
#include "portfwd/source.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

const struct ip *source_pod_ip(const struct podnet *plan,
			       const struct spec *spec, int family)
{
	if (spec->pod_addr.family == family)
		return &spec->pod_addr;
	return family == AF_INET ? &plan->pod4 : &plan->pod6;
}

const struct ip *source_gw_ip(const struct podnet *plan, int family)
{
	return family == AF_INET ? &plan->gw4 : &plan->gw6;
}

enum source_lost source_why_lost(const struct source *s,
				 const struct spec *spec,
				 const struct ip *client)
{
	if (spec->source == SPEC_SOURCE_OFF)
		return SOURCE_LOST_OFF;
	if (s->lost[spec->proto])
		return SOURCE_LOST_ANSWER;
	if (ip_is_loopback(client) || ip_is_linklocal(client))
		return SOURCE_LOST_LOCAL;
	if (podnet_has(s->plan, client))
		return SOURCE_LOST_POD;
	if (client->family == AF_INET6 ? !s->plan->has_ipv6
				       : !s->plan->pod4.family)
		return SOURCE_LOST_FAMILY;
	if (client->family == AF_INET6 && s->no_route6)
		return SOURCE_LOST_ROUTE;
	return SOURCE_LOST_NONE;
}

enum source_lost source_lost_at(const struct source *s, const struct spec *spec,
				const struct ip *client, enum source_rung rung)
{
	enum source_lost why = source_why_lost(s, spec, client);

	if (rung == SOURCE_OTHER)
		return SOURCE_LOST_FAMILY;
	if (rung == SOURCE_GATEWAY)
		return why	   ? why
		       : s->direct ? SOURCE_LOST_ANSWER
				   : SOURCE_LOST_ADDRESS;
	return SOURCE_LOST_NONE;
}

int source_family(const struct podnet *plan, enum source_rung rung,
		  const struct ip *client)
{
	if (!plan->pod4.family)
		return AF_INET6;
	if (rung != SOURCE_OTHER && client->family == AF_INET6 &&
	    plan->has_ipv6)
		return AF_INET6;
	if (rung == SOURCE_OTHER && client->family == AF_INET)
		return AF_INET6;
	return AF_INET;
}

static bool bind_to(int fd, const struct ip *ip, uint16_t port)
{
	union endpoint ep = endpoint_make(ip, port);
	static const int one = 1;

	/* a free port is then chosen by connect(), for this peer alone */
	if (!port)
		(void)setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one,
				 sizeof(one));
	return bind(fd, &ep.sa, endpoint_len(&ep)) == 0;
}

int source_connect(int fd, const struct podnet *plan, const struct spec *spec,
		   enum source_rung rung, const union endpoint *client,
		   uint16_t pod_port)
{
	struct ip ip = endpoint_ip(client);
	int family = source_family(plan, rung, &ip);
	union endpoint to =
		endpoint_make(source_pod_ip(plan, spec, family), pod_port);
	bool bound;

	/* the pod's address of the other family is somebody else's */
	if (spec->pod_addr.family && spec->pod_addr.family != family)
		return -ECONNREFUSED;
	if (rung == SOURCE_CLIENT)
		bound = bind_to(fd, &ip, endpoint_port(client));
	else if (rung == SOURCE_CLIENT_ADDR)
		bound = bind_to(fd, &ip, 0);
	else
		bound = bind_to(fd, source_gw_ip(plan, family), 0);
	if (bound && (connect(fd, &to.sa, endpoint_len(&to)) == 0 ||
		      errno == EINPROGRESS))
		return 0;
	/* EAGAIN (connect(2): a table of the kernel's is full) would say that
	 * a pool is empty */
	return errno == EAGAIN ? -EADDRNOTAVAIL : -errno;
}

enum source_rung source_next(const struct podnet *plan, enum source_rung rung,
			     int err)
{
	bool address = err == EADDRINUSE || err == EADDRNOTAVAIL ||
		       err == EACCES || err == EINVAL;

	if (address && rung == SOURCE_CLIENT)
		return SOURCE_CLIENT_ADDR;
	if (address && rung == SOURCE_CLIENT_ADDR)
		return SOURCE_GATEWAY;
	/* the second: a target of `forward` that has no ::1 */
	if ((err == ECONNREFUSED || err == EADDRNOTAVAIL) &&
	    rung != SOURCE_OTHER && plan->pod4.family && plan->has_ipv6)
		return SOURCE_OTHER;
	return SOURCE_NONE;
}
