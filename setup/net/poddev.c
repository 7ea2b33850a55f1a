// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything here that touches the device is done in the pod's network
 * namespace. An address plan is made before the namespace is looked into; a
 * device that is there already completes it: engines tell the container of its
 * MAC and MTU, so these stay.
 *
 * With @bare others set the addresses, perhaps later: nothing of the namespace
 * is touched but the device, and not even that is brought up. Where an address
 * is needed before it is known (to which one does a published port go?) the
 * plan's IPv4 address is right if they follow it, and for IPv6 the one that a
 * router advertisement makes of the MAC.
 */
#include "setup/net/poddev.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/config.h"
#include "setup/base/idmap.h"
#include "setup/base/sys.h"
#include "setup/net/link.h"
#include "setup/net/netconf.h"

#define DUMP_PIECES   1024 /* and alarms between them */
#define BUSY_TRIES    75
#define BUSY_PAUSE_NS 20000000L

/* One errand in the pod. */
struct errand {
	const struct hop_config *cfg;
	struct link_copy *out;	     /* look */
	const struct link_copy *had; /* config, give back */
	const char *name;	     /* in the hop */
	int ns_hop;
	int *tap;
};

/* ---- what is there ---- */

/* RFC 4291, appendix A: what autoconfiguration makes of the MAC. */
static struct ip slaac(const struct podnet *plan)
{
	struct ip ip = plan->net6;
	uint8_t *low = &ip.v6.s6_addr[8];

	memcpy(low, plan->pod_mac, 3);
	low[0] ^= 2;
	low[3] = 0xff;
	low[4] = 0xfe;
	memcpy(low + 5, plan->pod_mac + 3, 3);
	return ip;
}

static int follow(const struct hop_config *cfg, const struct link_copy *had)
{
	struct podnet *plan = cfg->plan;
	uint32_t least = plan->has_ipv6 ? MTU_MIN6 : MTU_MIN;

	if (had->there && !cfg->own_mtu)
		plan->mtu_bytes = had->mtu_bytes < least     ? least
				  : had->mtu_bytes > MTU_MAX ? MTU_MAX
							     : had->mtu_bytes;
	if (had->there && !cfg->own_mac)
		memcpy(plan->pod_mac, had->mac, sizeof(plan->pod_mac));
	if (memcmp(plan->pod_mac, plan->gw_mac, sizeof(plan->pod_mac)) == 0) {
		log_error(
			"TAP device %s: its MAC is the gateway's (give it another one, or --mac)",
			plan->tap);
		return -EINVAL;
	}
	if ((cfg->bare || cfg->plain) && plan->has_ipv6)
		plan->pod6 = slaac(plan);
	return 0;
}

/* There is no place for ours beside it, and without nothing goes by us. */
static int check_default(const struct link_copy *had, sa_family_t family)
{
	if (!link_copy_default(had, family))
		return 0;
	log_error("the pod has an %s default route already (remove it, or "
		  "--no-configure)",
		  family == AF_INET ? "IPv4" : "IPv6");
	return -EEXIST;
}

static int look(void *arg)
{
	struct errand *e = arg;
	const char *name = e->cfg->plan->tap;
	scoped_fd probe = -1;
	struct nl_sock *nl = NULL;
	int rc = link_open(&nl);

	if (!rc)
		rc = link_copy_read(nl, name, e->out);
	link_close(nl);
	if (!rc && !e->out->there && e->cfg->tap >= 0) {
		log_error("TAP device %s: is not there any more", name);
		rc = -ENODEV;
	}
	if (!rc && e->out->there && e->cfg->tap < 0) {
		probe = netconf_tap(name, -1);
		rc = probe < 0 ? probe : 0;
	}
	if (!rc && !e->cfg->bare)
		rc = check_default(e->out, AF_INET);
	if (!rc && !e->cfg->bare && !e->cfg->plain && e->cfg->route6)
		rc = check_default(e->out, AF_INET6);
	return rc;
}

/*
 * Who calls us by slirp4netns' name doesn't wait for the end of one before us,
 * whose device goes away with it a moment later.
 */
static int look_again(struct errand *e, int ns_pod)
{
	static const struct timespec pause = { 0, BUSY_PAUSE_NS };
	char why[256];
	int rc = -EBUSY;

	for (int i = 0; i < BUSY_TRIES && rc == -EBUSY; i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		link_copy_drop(e->out);
		log_hold(why, sizeof(why));
		rc = netconf_in(ns_pod, look, e);
		log_hold(NULL, 0);
	}
	if (rc)
		log_error("%s", why);
	return rc;
}

int poddev_look(const struct hop_config *cfg, int ns_pod, struct link_copy *out)
{
	struct errand e = { .cfg = cfg, .out = out };
	int rc = cfg->plain ? look_again(&e, ns_pod)
			    : netconf_in(ns_pod, look, &e);

	return rc ? rc : follow(cfg, out);
}

/* @link: an RTM_NEWLINK. May packets of the pod's be handed on to it? */
static bool is_other(struct nlmsghdr *link, const char *tap)
{
	const struct ifinfomsg *ifi = nlmsg_data(link);
	struct nlattr *name = nlmsg_find_attr(link, sizeof(*ifi), IFLA_IFNAME);

	return (ifi->ifi_flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP &&
	       !(name && strcmp(nla_get_string(name), tap) == 0);
}

/* A piece of the answer. Return: 1 = alone, 0 = not, -1 = so far */
static int judge(void *buf, int len, const char *tap)
{
	/* alarms are among them: what they tell of is as good as the answer */
	for (struct nlmsghdr *h = buf; nlmsg_ok(h, len);
	     h = nlmsg_next(h, &len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR ||
		    (h->nlmsg_type == RTM_NEWLINK && is_other(h, tap)))
			return 0;
	}
	return -1;
}

bool poddev_alone(int fd, const struct podnet *plan)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg ifi;
	} ask = { .h = { .nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	union {
		struct nlmsghdr align;
		char bytes[32768]; /* the kernel's largest piece of a dump */
	} buf;
	int rc = -1;

	if (send(fd, &ask, sizeof(ask), 0) != sizeof(ask))
		return false;
	for (int i = 0; i < DUMP_PIECES && rc < 0; i++) {
		ssize_t n = recv(fd, &buf, sizeof(buf), MSG_DONTWAIT);

		if (n >= 0)
			rc = judge(&buf, (int)n, plan->tap);
		else if (errno != ENOBUFS && errno != EINTR)
			rc = 0;
	}
	return rc == 1;
}

/* ---- moving it ---- */

static int take(void *arg)
{
	struct errand *e = arg;
	struct nl_sock *nl = NULL;
	int rc = link_open(&nl);

	if (!rc)
		rc = link_move(nl, e->cfg->plan->tap, e->ns_hop, e->name);
	link_close(nl);
	return rc;
}

int poddev_take(const struct hop_config *cfg, int ns_pod, const char *name)
{
	scoped_fd here = sys_open_ns(0, "net");
	struct errand e = { .cfg = cfg, .name = name, .ns_hop = here };

	return here < 0 ? here : netconf_in(ns_pod, take, &e);
}

static int restore(void *arg)
{
	struct errand *e = arg;
	struct link_opts mtu = { .mtu_bytes = e->had->mtu_bytes };
	struct nl_sock *nl = NULL;
	int rc = link_open(&nl);

	if (!rc)
		rc = link_set(nl, e->cfg->plan->tap, &mtu);
	if (!rc)
		rc = link_copy_apply(nl, e->cfg->plan->tap, e->had);
	link_close(nl);
	return rc;
}

int poddev_give_back(const struct hop_config *cfg, int ns_pod, const char *name,
		     const struct link_copy *had)
{
	struct errand e = { .cfg = cfg, .had = had };
	struct nl_sock *nl = NULL;
	int rc = link_open(&nl);

	if (!rc)
		rc = link_move(nl, name, ns_pod, cfg->plan->tap);
	link_close(nl);
	return rc ? rc : netconf_in(ns_pod, restore, &e);
}

/* ---- configuring it ---- */

static void sysctls(const struct podnet *plan)
{
	char range[32];

	(void)snprintf(range, sizeof(range), "0 %u", idmap_last_gid());
	/* each is a convenience: where it can't be set, the kernel's default
	 * stays */
	(void)netconf_sysctl("ipv4/ip_unprivileged_port_start", "0", false);
	(void)netconf_sysctl("ipv4/ping_group_range", range, false);
	if (!plan->has_ipv6)
		return;
	(void)netconf_dev_sysctl("ipv6", plan->tap, "disable_ipv6", "0", false);
	(void)netconf_dev_sysctl("ipv6", plan->tap, "accept_dad", "0", false);
	/* we configure the address; who wants libslirp's may turn this on */
	(void)netconf_dev_sysctl("ipv6", plan->tap, "accept_ra", "0", false);
}

static struct link_route default_route(const struct podnet *plan, int family,
				       int ifindex)
{
	return (struct link_route){
		.family = (sa_family_t)family,
		.via = family == AF_INET ? &plan->gw4 : &plan->gw6,
		.ifindex = ifindex,
	};
}

/* One of others stays, as what a TAP had, or a VPN of the pod's. */
static int add_default(struct nl_sock *nl, const struct podnet *plan,
		       int family, int ifindex)
{
	struct link_route def = default_route(plan, family, ifindex);
	int rc = link_route_add(nl, &def);

	return rc == -EEXIST ? 0 : rc;
}

static int addresses(struct nl_sock *nl, const struct hop_config *cfg, int dev)
{
	const struct podnet *plan = cfg->plan;
	int rc = link_addr(nl, dev, &plan->pod4, plan->prefix4);

	if (!rc)
		rc = add_default(nl, plan, AF_INET, dev);
	if (!rc)
		rc = link_neigh(nl, dev, &plan->gw4, plan->gw_mac);
	if (rc || !plan->has_ipv6 || cfg->plain)
		return rc;
	rc = link_addr(nl, dev, &plan->pod6, plan->prefix6);
	if (!rc)
		rc = link_neigh(nl, dev, &plan->gw6, plan->gw_mac);
	if (!rc && cfg->route6)
		rc = add_default(nl, plan, AF_INET6, dev);
	return rc;
}

uint32_t poddev_mtu(const struct hop_config *cfg, const struct link_copy *had)
{
	/* who sets the addresses sets this, too, when they want another one */
	return had->there && cfg->bare ? had->mtu_bytes : cfg->plan->mtu_bytes;
}

static int bring_up(struct nl_sock *nl, const struct hop_config *cfg)
{
	const struct link_opts up = { .up = true };
	int dev, rc = link_set(nl, "lo", &up);

	if (!rc)
		rc = link_set(nl, cfg->plan->tap, &up);
	if (!rc)
		rc = link_index(nl, cfg->plan->tap, &dev);
	return rc ? rc : addresses(nl, cfg, dev);
}

static int config(void *arg)
{
	const struct errand *e = arg;
	const struct podnet *plan = e->cfg->plan;
	struct link_opts own = { .mac = plan->pod_mac,
				 .mtu_bytes = poddev_mtu(e->cfg, e->had) };
	struct nl_sock *nl = NULL;
	int rc;

	if (e->tap) {
		own.txqueuelen = netconf_tap_queue(plan->mtu_bytes);
		*e->tap = netconf_tap(plan->tap, e->cfg->tap);
		if (*e->tap < 0)
			return *e->tap;
	}
	if (!e->cfg->bare && !e->cfg->plain)
		sysctls(plan);
	rc = link_open(&nl);
	if (!rc)
		rc = link_set(nl, plan->tap, &own);
	if (!rc && !e->tap)
		link_gso_ipv4(nl, plan->tap, HOP_GSO_BYTES);
	if (!rc && e->had->there && !e->tap)
		rc = link_copy_apply(nl, plan->tap, e->had);
	if (!rc && !e->cfg->bare)
		rc = bring_up(nl, e->cfg);
	link_close(nl);
	return rc;
}

int poddev_config(const struct hop_config *cfg, int ns_pod,
		  const struct link_copy *had, int *tap)
{
	struct errand e = { .cfg = cfg, .had = had, .tap = tap };

	return netconf_in(ns_pod, config, &e);
}

int poddev_route6(const struct podnet *plan, bool add)
{
	struct nl_sock *nl = NULL;
	struct link_route def6;
	int dev, rc = link_open(&nl);

	if (!rc)
		rc = link_index(nl, plan->tap, &dev);
	if (!rc && add) {
		rc = add_default(nl, plan, AF_INET6, dev);
	} else if (!rc) {
		def6 = default_route(plan, AF_INET6, dev);
		rc = link_route_del(nl, &def6);
	}
	link_close(nl);
	return rc;
}
