// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that moves to another namespace loses its addresses and routes, so
 * they are read before. libnl's caches are whole tables of the namespace; what
 * belongs to the device is picked when it is given on.
 *
 * Addresses and routes name the device by its index, which is all that is
 * changed in them, for the moment of the request: they may be given more than
 * once.
 */
#include "setup/net/link_copy.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ipv6_route.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>

#include "netstack/base/log.h"
#include "setup/net/link.h"

static int failed(int rc, const char *name, const char *what)
{
	log_error("%s: %s: %s", name, what, nl_geterror(rc));
	return -EIO;
}

static int read_link(struct nl_sock *sk, const char *name,
		     struct link_copy *out)
{
	struct rtnl_link *l;
	struct nl_addr *mac;
	int rc = rtnl_link_get_kernel(sk, 0, name, &l);

	if (rc == -NLE_OBJ_NOTFOUND || rc == -NLE_NODEV)
		return 0;
	if (rc < 0)
		return failed(rc, name, "look up");
	out->there = true;
	out->up = rtnl_link_get_flags(l) & IFF_UP;
	out->mtu_bytes = rtnl_link_get_mtu(l);
	out->ifindex = rtnl_link_get_ifindex(l);
	mac = rtnl_link_get_addr(l);
	if (mac && nl_addr_get_len(mac) == sizeof(out->mac))
		memcpy(out->mac, nl_addr_get_binary_addr(mac),
		       sizeof(out->mac));
	rtnl_link_put(l);
	return 0;
}

int link_copy_read(struct nl_sock *sk, const char *name, struct link_copy *out)
{
	int rc;

	*out = (struct link_copy)LINK_COPY_NULL;
	rc = read_link(sk, name, out);
	if (rc)
		return rc;
	if (out->there)
		rc = rtnl_addr_alloc_cache(sk, &out->addrs);
	if (rc >= 0)
		rc = rtnl_route_alloc_cache(sk, AF_UNSPEC, 0, &out->routes);
	return rc < 0 ? failed(rc, name, "read addresses and routes") : 0;
}

/* A device that is not there has no index, and no route. */
static bool over(struct rtnl_route *r, int dev)
{
	return rtnl_route_get_nnexthops(r) == 1 &&
	       rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(r, 0)) == dev;
}

bool link_copy_default(const struct link_copy *copy, sa_family_t family)
{
	uint32_t metric = family == AF_INET6 ? IP6_RT_PRIO_USER : 0;

	for (struct nl_object *o = nl_cache_get_first(copy->routes); o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;

		if (rtnl_route_get_family(r) == family &&
		    rtnl_route_get_table(r) == RT_TABLE_MAIN &&
		    rtnl_route_get_priority(r) == metric &&
		    nl_addr_get_prefixlen(rtnl_route_get_dst(r)) == 0 &&
		    !over(r, copy->ifindex))
			return true;
	}
	return false;
}

/* Return: 0 or libnl's error */
static int give_addr(struct nl_sock *sk, struct rtnl_addr *a, int dev)
{
	int old = rtnl_addr_get_ifindex(a), rc;

	/* the link-local one is the kernel's */
	if (rtnl_addr_get_family(a) == AF_INET6 &&
	    rtnl_addr_get_scope(a) == RT_SCOPE_LINK)
		return 0;
	rtnl_addr_set_ifindex(a, dev);
	if (rtnl_addr_get_family(a) == AF_INET6)
		rtnl_addr_set_flags(a, IFA_F_NODAD);
	rc = rtnl_addr_add(sk, a, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_addr_set_ifindex(a, old);
	return rc < 0 ? rc : 0;
}

static bool is_own_route(struct rtnl_route *r, int dev)
{
	return over(r, dev) && rtnl_route_get_type(r) == RTN_UNICAST &&
	       rtnl_route_get_protocol(r) != RTPROT_KERNEL &&
	       rtnl_route_get_protocol(r) != RTPROT_RA;
}

static int give_route(struct nl_sock *sk, struct rtnl_route *r, int dev)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);
	int old = rtnl_route_nh_get_ifindex(nh), rc;

	rtnl_route_nh_set_ifindex(nh, dev);
	/* the others tell the state, and aren't taken back */
	rtnl_route_unset_flags(r, ~(uint32_t)RTNH_F_ONLINK);
	rtnl_route_nh_unset_flags(nh, ~(unsigned int)RTNH_F_ONLINK);
	rc = rtnl_route_add(sk, r, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_route_nh_set_ifindex(nh, old);
	return rc < 0 ? rc : 0;
}

static int give_addrs(struct nl_sock *sk, const struct link_copy *copy, int dev)
{
	int rc = 0;

	for (struct nl_object *o = nl_cache_get_first(copy->addrs); o && !rc;
	     o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		if (rtnl_addr_get_ifindex(a) == copy->ifindex)
			rc = give_addr(sk, a, dev);
	}
	return rc;
}

/* A gateway may be reached by another route only: those without one first. */
static int give_routes(struct nl_sock *sk, const struct link_copy *copy,
		       int dev, bool via)
{
	int rc = 0;

	for (struct nl_object *o = nl_cache_get_first(copy->routes); o && !rc;
	     o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;

		if (is_own_route(r, copy->ifindex) &&
		    via == !!rtnl_route_nh_get_gateway(
				   rtnl_route_nexthop_n(r, 0)))
			rc = give_route(sk, r, dev);
	}
	return rc;
}

int link_copy_apply(struct nl_sock *sk, const char *name,
		    const struct link_copy *copy)
{
	struct link_opts up = { .up = copy->up };
	int dev, rc = link_index(sk, name, &dev);

	if (rc)
		return rc;
	rc = give_addrs(sk, copy, dev);
	if (rc)
		return failed(rc, name, "give back its addresses");
	rc = link_set(sk, name, &up);
	if (rc || !copy->up)
		return rc; /* a device that is down has no routes */
	rc = give_routes(sk, copy, dev, false);
	if (!rc)
		rc = give_routes(sk, copy, dev, true);
	return rc ? failed(rc, name, "give back its routes") : 0;
}

void link_copy_drop(struct link_copy *copy)
{
	nl_cache_free(copy->addrs); /* takes NULL */
	nl_cache_free(copy->routes);
	*copy = (struct link_copy)LINK_COPY_NULL;
}
