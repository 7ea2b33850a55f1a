// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connect() on a UDP socket makes the kernel choose a route without sending
 * anything: it fails with ENETUNREACH where there is none, and IP_MTU tells
 * the MTU of the one it chose (ip(7)). That needs no parsing of tables, and it
 * respects policy routing.
 */
#include "setup/net/uplink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "netstack/base/addr.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/config.h"
#include "setup/net/link.h"
#include "setup/net/rtnl_alarm.h"

#define MTU_DEFAULT 1500

struct uplink_watch {
	struct rtnl_alarm *alarm;
	bool has_ipv6;
	uplink_changed_fn fn;
	void *arg;
};

/* A UDP socket routed to a global address, or -errno. */
static int routed_socket(const char *to)
{
	struct ip ip;
	union endpoint ep;
	scoped_fd fd = -1;

	if (ip_parse(to, &ip))
		return -EINVAL;
	ep = endpoint_make(&ip, 9); /* discard; nothing is sent */
	fd = socket(ip.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, &ep.sa, endpoint_len(&ep)))
		return -errno;
	return fd_take(&fd);
}

/* Root name servers a and k: addresses that will stay global unicast. */
static int routed4(void)
{
	return routed_socket("198.41.0.4");
}

static int routed6(void)
{
	return routed_socket("2001:503:ba3e::2:30");
}

bool uplink_can_ipv6(void)
{
	scoped_fd fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 || errno != EAFNOSUPPORT;
}

bool uplink_has_ipv6(void)
{
	scoped_fd fd = routed6();

	return fd >= 0;
}

uint32_t uplink_mtu(void)
{
	scoped_fd v4 = routed4();
	scoped_fd v6 = v4 >= 0 ? -1 : routed6();
	socklen_t len = sizeof(int);
	int mtu = 0;

	if (v4 >= 0 && getsockopt(v4, SOL_IP, IP_MTU, &mtu, &len))
		mtu = 0;
	if (v6 >= 0 && getsockopt(v6, SOL_IPV6, IPV6_MTU, &mtu, &len))
		mtu = 0;
	if (mtu <= 0)
		return MTU_DEFAULT;
	return mtu < MTU_MIN6  ? MTU_MIN6
	       : mtu > MTU_MAX ? MTU_MAX
			       : (uint32_t)mtu;
}

static bool clash(struct nl_sock *nl, const struct ip *net, unsigned int prefix,
		  char *buf)
{
	/* its first hosts; what is more specific than that is a rare sight */
	struct ip host = ip_offset(net, 2);
	unsigned int match;
	char text[ADDR_TEXT_MAX];

	if (link_route_prefix(nl, &host, &match) || match == 0)
		return false;
	(void)snprintf(buf, UPLINK_NET_TEXT, "%s/%u", ip_format(net, text),
		       prefix);
	return true;
}

bool uplink_clashes(const struct podnet *plan, char *buf)
{
	struct nl_sock *nl = NULL;
	bool yes;

	if (link_open(&nl))
		return false;
	yes = clash(nl, &plan->net4, plan->prefix4, buf) ||
	      (plan->has_ipv6 && clash(nl, &plan->net6, plan->prefix6, buf));
	link_close(nl);
	return yes;
}

static void on_routes(void *arg, int fd)
{
	struct uplink_watch *w = arg;
	scoped_fd route = routed6();
	bool now = route >= 0;

	(void)fd;
	/* a shortage says nothing about routes */
	if (now == w->has_ipv6 || route == -EMFILE || route == -ENFILE ||
	    route == -ENOBUFS || route == -ENOMEM)
		return;
	w->has_ipv6 = now;
	w->fn(w->arg, now);
}

int uplink_watch_new(struct uplink_watch **out, struct loop *loop,
		     bool has_ipv6, uplink_changed_fn fn, void *arg)
{
	struct uplink_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return log_errno(ENOMEM, "uplink watch");
	*w = (struct uplink_watch){ .has_ipv6 = has_ipv6,
				    .fn = fn,
				    .arg = arg };
	rc = rtnl_alarm_socket(RTMGRP_IPV6_ROUTE);
	if (rc >= 0)
		rc = rtnl_alarm_new(&w->alarm, loop, rc, on_routes, w);
	if (rc) {
		free(w);
		return rc;
	}
	*out = w;
	/* it may have changed, or not have been known, before we watched */
	on_routes(w, -1);
	return 0;
}

struct uplink_watch *uplink_watch_free(struct uplink_watch *w)
{
	if (!w)
		return NULL;
	w->alarm = rtnl_alarm_free(w->alarm);
	free(w);
	return NULL;
}
