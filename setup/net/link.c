// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thin typed wrappers around libnl-route. Each call is one request and its
 * acknowledgement; caches, which dump whole tables, are never used, because
 * they cost more than all the rest of the set-up together.
 */
#include "setup/net/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <string.h>

#include "netstack/base/log.h"

#define GSO_IPV4_MAX_SIZE 63 /* IFLA_GSO_IPV4_MAX_SIZE, since Linux 6.3 */

/* libnl has error numbers of its own; back to errno's. */
static int nl_errno(int rc)
{
	switch (-rc) {
	case 0:
		return 0;
	case NLE_EXIST:
		return EEXIST;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return ENODEV;
	case NLE_PERM:
	case NLE_NOACCESS:
		return EPERM;
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_OPNOTSUPP:
		return EOPNOTSUPP;
	case NLE_BUSY:
		return EBUSY;
	case NLE_RANGE:
		return ERANGE;
	default:
		return EINVAL;
	}
}

static int done(int rc, const char *what, const char *object)
{
	if (rc >= 0)
		return 0;
	/* the library's text says more than our errno */
	log_error("%s: %s: %s", object, what, nl_geterror(rc));
	return -nl_errno(rc);
}

int link_open(struct nl_sock **out)
{
	struct nl_sock *sk = nl_socket_alloc();
	int rc;

	if (!sk)
		return log_errno(ENOMEM, "rtnetlink");
	rc = nl_connect(sk, NETLINK_ROUTE);
	if (rc < 0) {
		nl_socket_free(sk);
		return done(rc, "connect", "rtnetlink");
	}
	*out = sk;
	return 0;
}

struct nl_sock *link_close(struct nl_sock *sk)
{
	nl_socket_free(sk); /* takes NULL */
	return NULL;
}

int link_index(struct nl_sock *sk, const char *name, int *out)
{
	struct rtnl_link *l;
	int rc = rtnl_link_get_kernel(sk, 0, name, &l);

	if (rc < 0)
		return done(rc, "look up", name);
	*out = rtnl_link_get_ifindex(l);
	rtnl_link_put(l);
	return 0;
}

static void set_mac(struct rtnl_link *l, const uint8_t *mac)
{
	struct nl_addr *a = nl_addr_build(AF_LLC, mac, 6);

	if (a) /* without memory the next allocation fails, too, and is told */
		rtnl_link_set_addr(l, a);
	nl_addr_put(a);
}

static void apply(struct rtnl_link *l, const struct link_opts *o)
{
	if (o->mac)
		set_mac(l, o->mac);
	if (o->mtu_bytes)
		rtnl_link_set_mtu(l, o->mtu_bytes);
	if (o->txqueuelen)
		rtnl_link_set_txqlen(l, o->txqueuelen);
}

int link_set(struct nl_sock *sk, const char *name, const struct link_opts *o)
{
	struct rtnl_link *old = rtnl_link_alloc(), *l = rtnl_link_alloc();
	int rc = -NLE_NOMEM;

	if (old && l) {
		/* with no index, the kernel looks it up by this name */
		rtnl_link_set_name(l, name);
		apply(l, o);
		if (o->up)
			rtnl_link_set_flags(l, IFF_UP);
		rc = rtnl_link_change(sk, old, l, 0);
	}
	rtnl_link_put(old);
	rtnl_link_put(l);
	return done(rc, "set link", name);
}

void link_gso_ipv4(struct nl_sock *sk, const char *name, uint32_t bytes)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

	if (!msg)
		return;
	if (nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) ||
	    nla_put_string(msg, IFLA_IFNAME, name) ||
	    nla_put_u32(msg, GSO_IPV4_MAX_SIZE, bytes))
		nlmsg_free(msg);
	else
		(void)nl_send_sync(sk, msg); /* frees it */
}

int link_del(struct nl_sock *sk, const char *name)
{
	struct rtnl_link *l = rtnl_link_alloc();
	int rc = -NLE_NOMEM;

	if (l) {
		rtnl_link_set_name(l, name);
		rc = rtnl_link_delete(sk, l);
	}
	rtnl_link_put(l);
	return done(rc, "delete link", name);
}

int link_move(struct nl_sock *sk, const char *name, int netns, const char *as)
{
	struct rtnl_link *old = rtnl_link_alloc(), *l = rtnl_link_alloc();
	int dev = 0, rc = link_index(sk, name, &dev);

	if (!rc && old && l) {
		rtnl_link_set_ifindex(old, dev);
		rtnl_link_set_name(l, as);
		rtnl_link_set_ns_fd(l, netns);
		rc = done(rtnl_link_change(sk, old, l, 0), "move", name);
	} else if (!rc) {
		rc = done(-NLE_NOMEM, "move", name);
	}
	rtnl_link_put(old);
	rtnl_link_put(l);
	return rc;
}

int link_add_veth(struct nl_sock *sk, const char *name,
		  const struct link_opts *o, const char *peer, int peer_netns,
		  const struct link_opts *p)
{
	struct rtnl_link *l = rtnl_link_veth_alloc(), *other;
	int rc;

	if (!l)
		return done(-NLE_NOMEM, "create veth", name);
	rtnl_link_set_name(l, name);
	apply(l, o);
	other = rtnl_link_veth_get_peer(l);
	rtnl_link_set_name(other, peer);
	apply(other, p);
	rtnl_link_set_ns_fd(other, peer_netns);
	rc = rtnl_link_add(sk, l, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(other);
	rtnl_link_veth_release(l);
	return done(rc, "create veth", name);
}

static struct nl_addr *to_nl(const struct ip *ip, unsigned int prefix)
{
	struct nl_addr *a = nl_addr_build(
		ip->family, (void *)(uintptr_t)ip_bytes(ip), ip_len(ip));

	if (a)
		nl_addr_set_prefixlen(a, (int)prefix);
	return a;
}

int link_addr(struct nl_sock *sk, int ifindex, const struct ip *ip,
	      unsigned int prefix)
{
	struct rtnl_addr *a = rtnl_addr_alloc();
	struct nl_addr *local = to_nl(ip, prefix);
	char text[ADDR_TEXT_MAX];
	int rc = -NLE_NOMEM;

	if (a && local) {
		rtnl_addr_set_ifindex(a, ifindex);
		rc = rtnl_addr_set_local(a, local);
		if (ip->family == AF_INET6)
			rtnl_addr_set_flags(a, IFA_F_NODAD);
		if (!rc)
			rc = rtnl_addr_add(sk, a, NLM_F_CREATE | NLM_F_REPLACE);
	}
	nl_addr_put(local);
	rtnl_addr_put(a);
	return done(rc, "add address", ip_format(ip, text));
}

static struct rtnl_route *build_route(const struct link_route *r)
{
	static const struct in6_addr zero;
	struct rtnl_route *rt = rtnl_route_alloc();
	struct rtnl_nexthop *nh = rtnl_route_nh_alloc();
	struct nl_addr *dst, *via = NULL;

	dst = r->dst ? to_nl(r->dst, r->prefix)
		     : nl_addr_build(r->family, (void *)(uintptr_t)&zero,
				     r->family == AF_INET ? 4 : 16);
	if (r->via)
		via = to_nl(r->via, (unsigned int)ip_len(r->via) * 8);
	if (!rt || !nh || !dst || (r->via && !via)) {
		rtnl_route_put(rt);
		rtnl_route_nh_free(nh);
		nl_addr_put(dst);
		nl_addr_put(via);
		return NULL;
	}
	if (!r->dst)
		nl_addr_set_prefixlen(dst, 0);
	(void)rtnl_route_set_family(rt, (uint8_t)r->family); /* can't fail */
	(void)rtnl_route_set_dst(rt, dst); /* the family fits */
	rtnl_route_set_table(rt, r->table ? r->table : RT_TABLE_MAIN);
	rtnl_route_set_protocol(rt, RTPROT_STATIC);
	(void)rtnl_route_set_type(rt, r->local ? RTN_LOCAL : RTN_UNICAST);
	rtnl_route_set_scope(rt, r->local ? RT_SCOPE_HOST
				 : via	  ? RT_SCOPE_UNIVERSE
					  : RT_SCOPE_LINK);
	rtnl_route_nh_set_ifindex(nh, r->ifindex);
	if (via)
		rtnl_route_nh_set_gateway(nh, via);
	if (r->onlink)
		rtnl_route_nh_set_flags(nh, RTNH_F_ONLINK);
	rtnl_route_add_nexthop(rt, nh);
	nl_addr_put(dst);
	nl_addr_put(via);
	return rt;
}

static const char *route_name(const struct link_route *r, char *text)
{
	return r->dst ? ip_format(r->dst, text) : "default";
}

int link_route_add(struct nl_sock *sk, const struct link_route *r)
{
	struct rtnl_route *rt = build_route(r);
	char text[ADDR_TEXT_MAX];
	int rc = rt ? rtnl_route_add(sk, rt, NLM_F_CREATE | NLM_F_EXCL)
		    : -NLE_NOMEM;

	rtnl_route_put(rt);
	if (rc == -NLE_EXIST)
		return -EEXIST;
	return done(rc, "add route", route_name(r, text));
}

int link_route_del(struct nl_sock *sk, const struct link_route *r)
{
	struct rtnl_route *rt = build_route(r);
	char text[ADDR_TEXT_MAX];
	int rc = rt ? rtnl_route_delete(sk, rt, 0) : -NLE_NOMEM;

	rtnl_route_put(rt);
	if (rc == -NLE_OBJ_NOTFOUND)
		return -ESRCH;
	return done(rc, "delete route", route_name(r, text));
}

static int on_route(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct rtmsg *rtm = nlmsg_data(h);
	int *prefix = arg;

	if (h->nlmsg_type == RTM_NEWROUTE && rtm->rtm_type == RTN_UNICAST)
		*prefix = rtm->rtm_dst_len;
	return NL_OK;
}

/* Asked with RTM_F_FIB_MATCH (Linux 4.13) the answer is the table's entry. */
static struct nl_msg *route_question(const struct ip *ip)
{
	struct rtmsg rtm = {
		.rtm_family = (unsigned char)ip->family,
		.rtm_flags = RTM_F_FIB_MATCH,
		.rtm_dst_len = ip->family == AF_INET ? 32 : 128,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);

	if (msg && (nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) ||
		    nla_put(msg, RTA_DST, rtm.rtm_dst_len / 8, ip_bytes(ip)))) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int link_route_prefix(struct nl_sock *sk, const struct ip *ip,
		      unsigned int *out)
{
	struct nl_msg *msg = route_question(ip);
	int prefix = -1, rc;

	if (!msg)
		return -ENOMEM;
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_route, &prefix);
	rc = nl_send_auto(sk, msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(sk);
	if (rc >= 0 && prefix >= 0)
		(void)nl_wait_for_ack(sk); /* the answer is there */
	nlmsg_free(msg);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	if (prefix < 0)
		return -ENETUNREACH;
	*out = (unsigned int)prefix;
	return 0;
}

/* NULL without memory */
static struct rtnl_rule *build_rule(int family, uint32_t table)
{
	struct rtnl_rule *rule = rtnl_rule_alloc();

	if (!rule)
		return NULL;
	rtnl_rule_set_family(rule, family);
	rtnl_rule_set_action(rule, 1 /* FR_ACT_TO_TBL */);
	rtnl_rule_set_table(rule, table);
	rtnl_rule_set_prio(rule, 100);
	return rule;
}

int link_rule(struct nl_sock *sk, int family, const char *iif, uint32_t table)
{
	struct rtnl_rule *rule = build_rule(family, table);
	int rc = rule ? rtnl_rule_set_iif(rule, iif) : -NLE_NOMEM;

	if (!rc)
		rc = rtnl_rule_add(sk, rule, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_rule_put(rule);
	return done(rc, "add rule for", iif);
}

int link_rule_mark(struct nl_sock *sk, int family, uint32_t mark,
		   uint32_t table)
{
	struct rtnl_rule *rule = build_rule(family, table);
	char text[16];
	int rc = -NLE_NOMEM;

	if (rule) {
		rtnl_rule_set_mark(rule, mark);
		rc = rtnl_rule_add(sk, rule, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_rule_put(rule);
	(void)snprintf(text, sizeof(text), "mark %#x", mark);
	return rc == -NLE_EXIST ? 0 : done(rc, "add rule for", text);
}

int link_neigh(struct nl_sock *sk, int ifindex, const struct ip *ip,
	       const uint8_t mac[6])
{
	struct rtnl_neigh *n = rtnl_neigh_alloc();
	struct nl_addr *dst = to_nl(ip, (unsigned int)ip_len(ip) * 8);
	struct nl_addr *ll = nl_addr_build(AF_LLC, (void *)(uintptr_t)mac, 6);
	char text[ADDR_TEXT_MAX];
	int rc = -NLE_NOMEM;

	if (n && dst && ll) {
		rtnl_neigh_set_ifindex(n, ifindex);
		rtnl_neigh_set_state(n, NUD_PERMANENT);
		rtnl_neigh_set_lladdr(n, ll);
		rc = rtnl_neigh_set_dst(n, dst);
		if (!rc)
			rc = rtnl_neigh_add(sk, n,
					    NLM_F_CREATE | NLM_F_REPLACE);
	}
	nl_addr_put(dst);
	nl_addr_put(ll);
	rtnl_neigh_put(n);
	return done(rc, "add neighbour", ip_format(ip, text));
}
