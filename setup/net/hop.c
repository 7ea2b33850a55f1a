// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *  pod: tap0 (address, default route)      hop: p0, TAP, tables, nftables
 *        └───────────── veth ───────────────────┘
 *
 * p0 has the gateway's MAC, a route to the pod with a permanent neighbour
 * entry, and no address: whatever arrives on it is local by policy routing
 * ("iif p0 lookup T", "local default dev lo table T"), and whatever leaves
 * comes from transparent sockets that name their own source.
 *
 * Where veth or nftables are missing, p0 is a second TAP: its frames go through
 * netstack, which does what the nftables rules would have done (switch.h). The
 * hop's half of the configuration is the same, so that published ports keep
 * the client's address there, too; only the speed is less.
 */
#include "setup/net/hop.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/hopudp.h"
#include "netstack/base/log.h"
#include "portfwd/relay_socket.h"
#include "setup/base/sys.h"
#include "setup/net/link.h"
#include "setup/net/netconf.h"
#include "setup/net/nft.h"
#include "setup/net/poddev.h"
#include "setup/net/rtnl_alarm.h"
#include "setup/net/sockdiag.h"

#define P0		"p0"
#define USUAL_GSO_BYTES 65536 /* GSO_LEGACY_MAX_SIZE in linux/netdevice.h */
#define TAP		"tap0"
#define TABLE_LOCAL	100
#define BACKLOG		4096

/* The hop's sysctls that hold for every device; before any is made. */
static int hop_sysctls(void)
{
	int rc = netconf_dev_sysctl("ipv4", "all", "rp_filter", "0", true);

	if (rc)
		return rc;
	/* a client's source port may be below 1024, and is bound here */
	(void)netconf_sysctl("ipv4/ip_unprivileged_port_start", "0", false);
	/* a limit on unsent data would make the relay's look at room wrong */
	(void)netconf_sysctl("ipv4/tcp_notsent_lowat", "4294967295", false);
	/* the rest makes it better where it is allowed */
	(void)netconf_sysctl("ipv4/tcp_tw_reuse", "1", false);
	(void)netconf_sysctl("ipv4/ip_local_port_range", "1024 65535", false);
	/* a pod that drops SYNs costs a client half a minute, not two */
	(void)netconf_sysctl("ipv4/tcp_syn_retries", "4", false);
	/* between the hop and the pod nothing is lost: pacing only costs */
	(void)netconf_sysctl("ipv4/tcp_congestion_control", "reno", false);
	(void)netconf_dev_sysctl("ipv6", "default", "accept_dad", "0", false);
	(void)netconf_dev_sysctl("ipv6", "default", "accept_ra", "0", false);
	/* no link-local address: the hop's devices have nothing to say */
	(void)netconf_dev_sysctl("ipv6", "default", "addr_gen_mode", "1",
				 false);
	return 0;
}

static int local_table(struct nl_sock *nl, const struct podnet *plan, int lo)
{
	int rc = 0;

	for (int f = 0; f < (plan->has_ipv6 ? 2 : 1) && !rc; f++) {
		int family = f ? AF_INET6 : AF_INET;
		struct link_route all = {
			.family = (sa_family_t)family,
			.local = true,
			.table = TABLE_LOCAL,
			.ifindex = lo,
		};

		rc = link_route_add(nl, &all);
		if (!rc)
			rc = link_rule(nl, family, P0, TABLE_LOCAL);
		if (!rc)
			rc = link_rule(nl, family, TAP, TABLE_LOCAL);
	}
	return rc;
}

/* Routes and the permanent neighbour of the pod, over p0. */
static int to_pod(struct nl_sock *nl, const struct podnet *plan, int p0)
{
	struct link_route def4 = {
		.family = AF_INET,
		.via = &plan->pod4,
		.onlink = true,
		.ifindex = p0,
	};
	struct link_route pod6 = {
		.dst = &plan->pod6,
		.prefix = 128,
		.family = AF_INET6,
		.ifindex = p0,
	};
	struct link_route def6 = {
		.family = AF_INET6,
		.via = &plan->pod6,
		.ifindex = p0,
	};
	int rc = link_route_add(nl, &def4);

	if (!rc)
		rc = link_neigh(nl, p0, &plan->pod4, plan->pod_mac);
	if (rc || !plan->has_ipv6)
		return rc;
	rc = link_route_add(nl, &pod6);
	if (!rc)
		rc = link_route_add(nl, &def6);
	if (!rc)
		rc = link_neigh(nl, p0, &plan->pod6, plan->pod_mac);
	return rc;
}

/* The configuration of the hop around an existing p0. */
static int hop_config(struct nl_sock *nl, const struct podnet *plan, int *p0)
{
	struct link_opts up = { .up = true };
	int lo, rc;

	rc = netconf_dev_sysctl("ipv4", P0, "rp_filter", "0", true);
	if (plan->has_ipv6 && !rc)
		(void)netconf_dev_sysctl("ipv6", P0, "disable_ipv6", "0",
					 false);
	if (!rc)
		rc = link_set(nl, "lo", &up);
	if (!rc)
		rc = link_set(nl, P0, &up);
	if (!rc)
		rc = link_index(nl, "lo", &lo);
	if (!rc)
		rc = link_index(nl, P0, p0);
	if (!rc)
		rc = local_table(nl, plan, lo);
	if (!rc)
		rc = to_pod(nl, plan, *p0);
	return rc;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int hop_prepare_udp(int fd, int family)
{
	/* more than the kernel allows is cut */
	(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, HOP_UDP_BUFFER_BYTES);
	/* without: datagrams come one by one (Linux 5.0), and all of them may
	 * be fragmented on (5.19) */
	(void)set_int(fd, SOL_UDP, UDP_GRO, 1);
	(void)set_int(fd, SOL_SOCKET, SO_RCVMARK, 1);
	return family == AF_INET
		       ? set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
		       : set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER,
				 IPV6_PMTUDISC_DONT);
}

int hop_transparent(int family, int type)
{
	static const int one = 1;
	int icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	scoped_fd fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      type == SOCK_RAW ? icmp : 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!rc && family == AF_INET)
		rc = setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one));
	if (!rc && family == AF_INET6)
		rc = setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &one,
				sizeof(one));
	/* a raw socket is bound already, in a way: EINVAL */
	if (!rc && family == AF_INET6 && type != SOCK_RAW)
		rc = setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (rc)
		return -errno;
	/* what every relayed socket wants, here where it costs no relay time */
	if (type == SOCK_STREAM)
		rc = relay_socket_prepare(fd);
	else if (type == SOCK_DGRAM)
		rc = hop_prepare_udp(fd, family);
	else
		/* nobody reads: the least there can be */
		rc = set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	return rc ? rc : fd_take(&fd);
}

/* @reset: accepted sockets are for the relay, which wants SO_LINGER {1, 0} */
static int listener(const struct ip *ip, uint16_t port, bool reset, int *out)
{
	static const struct linger orderly = { 0, 0 };
	union endpoint ep = endpoint_make(ip, port);
	char text[ADDR_TEXT_MAX];
	scoped_fd fd = hop_transparent(ip->family, SOCK_STREAM);

	if (fd < 0)
		return log_errno(-fd, "transparent socket in the hop");
	if ((!reset && setsockopt(fd, SOL_SOCKET, SO_LINGER, &orderly,
				  sizeof(orderly))) ||
	    bind(fd, &ep.sa, endpoint_len(&ep)) || listen(fd, BACKLOG))
		return log_errno(errno, "listen in the hop on %s",
				 endpoint_format(&ep, text));
	*out = fd_take(&fd);
	return 0;
}

static int hop_listeners(const struct hop_config *cfg, struct hop *hop)
{
	const struct podnet *plan = cfg->plan;
	int rc = listener(&plan->gw4, HOP_TPROXY_PORT, true, &hop->tproxy[0]);

	if (!rc && plan->has_ipv6)
		rc = listener(&plan->gw6, HOP_TPROXY_PORT, true,
			      &hop->tproxy[1]);
	if (!rc && cfg->serve_dns)
		rc = listener(&plan->dns4, 53, false, &hop->dns[0]);
	if (!rc && cfg->serve_dns && plan->has_ipv6)
		rc = listener(&plan->dns6, 53, false, &hop->dns[1]);
	return rc;
}

/* ---- the two kinds of hop ---- */

static int kernel_hop_rules(const struct hop_config *cfg, struct nl_sock *nl,
			    int p0)
{
	struct nft_hop rules = {
		.plan = cfg->plan,
		.p0 = P0,
		.tap = TAP,
		.p0_index = p0,
		.serve_dns = cfg->serve_dns,
		.tproxy_port = HOP_TPROXY_PORT,
	};
	int rc = link_index(nl, TAP, &rules.tap_index);

	return rc ? rc : nft_hop_install(&rules);
}

static int make_veth(const struct hop_config *cfg, struct nl_sock *nl,
		     const struct link_copy *had, int ns_pod)
{
	const struct podnet *plan = cfg->plan;
	struct link_opts here = { .mac = plan->gw_mac,
				  .mtu_bytes = plan->mtu_bytes };
	struct link_opts there = { .mac = plan->pod_mac,
				   .mtu_bytes = poddev_mtu(cfg, had) };

	return link_add_veth(nl, P0, &here, plan->tap, ns_pod, &there);
}

/*
 * The test knob: pretend that a step fails. PODSPLICE_FAIL_HOP names it; "1" is
 * the first.
 */
static int knob(const char *step)
{
	const char *env = getenv("PODSPLICE_FAIL_HOP");

	if (!env || (strcmp(env, step) != 0 &&
		     !(strcmp(env, "1") == 0 && strcmp(step, "sysctl") == 0)))
		return 0;
	return log_errno(EOPNOTSUPP, "%s", step);
}

/* What follows the veth. */
static int kernel_hop_rest(const struct hop_config *cfg, struct nl_sock *nl,
			   const struct link_copy *had, struct hop *out)
{
	int p0, rc = knob("route");

	if (!rc)
		rc = hop_config(nl, cfg->plan, &p0);
	if (!rc)
		rc = knob("nft");
	if (!rc)
		rc = kernel_hop_rules(cfg, nl, p0);
	if (!rc)
		rc = knob("pod");
	if (!rc)
		rc = poddev_config(cfg, out->ns_pod, had, NULL);
	if (!rc)
		rc = knob("listen");
	if (!rc)
		rc = hop_listeners(cfg, out);
	return rc ? rc : knob("end");
}

/* From the TAP on; it may have been the pod's device. */
static int kernel_hop_links(const struct hop_config *cfg, struct nl_sock *nl,
			    const struct link_copy *had, struct hop *out)
{
	struct link_opts tap = {
		.mtu_bytes = cfg->plan->mtu_bytes,
		.txqueuelen = netconf_tap_queue(cfg->plan->mtu_bytes),
		.up = true,
	};
	int rc;

	out->tap = netconf_tap(TAP, cfg->tap);
	rc = out->tap < 0 ? out->tap : knob("tap");
	if (!rc)
		rc = netconf_dev_sysctl("ipv4", TAP, "rp_filter", "0", true);
	if (!rc)
		rc = link_set(nl, TAP, &tap);
	if (!rc)
		rc = knob("veth");
	if (!rc)
		rc = make_veth(cfg, nl, had, out->ns_pod);
	if (rc)
		return rc;
	rc = kernel_hop_rest(cfg, nl, had, out);
	if (rc)
		(void)link_del(nl, P0); /* takes the pod's end along */
	return rc;
}

/* veth, TAP, nftables: packets are steered by the kernel. */
static int kernel_hop(const struct hop_config *cfg, const struct link_copy *had,
		      struct hop *out)
{
	struct nl_sock *nl = NULL;
	bool taken = false;
	int rc;

	rc = knob("sysctl");
	if (!rc)
		rc = hop_sysctls();
	if (!rc)
		rc = link_open(&nl);
	if (!rc && had->there) {
		rc = poddev_take(cfg, out->ns_pod, TAP);
		taken = !rc;
	}
	if (!rc)
		rc = kernel_hop_links(cfg, nl, had, out);
	link_close(nl);
	if (rc && taken) {
		fd_drop(&out->tap);
		(void)poddev_give_back(cfg, out->ns_pod, TAP, had);
	}
	return rc;
}

/* Two TAPs: packets are steered by netstack. */
static int user_hop(const struct hop_config *cfg, const struct link_copy *had,
		    struct hop *out)
{
	struct link_opts p0_opts = {
		.mac = cfg->plan->gw_mac,
		.mtu_bytes = cfg->plan->mtu_bytes,
		.txqueuelen = netconf_tap_queue(cfg->plan->mtu_bytes),
	};
	struct nl_sock *nl = NULL;
	int p0, rc;

	/* a fresh namespace is the surest way to undo the first attempt */
	rc = sys_unshare(CLONE_NEWNET);
	if (rc)
		return log_errno(-rc, "make a network namespace");
	rc = hop_sysctls();
	if (rc)
		return rc;
	out->tap_hop = netconf_tap(P0, -1);
	if (out->tap_hop < 0)
		return out->tap_hop;
	rc = link_open(&nl);
	if (!rc)
		rc = link_set(nl, P0, &p0_opts);
	if (!rc)
		rc = hop_config(nl, cfg->plan, &p0);
	link_close(nl);
	if (!rc)
		rc = poddev_config(cfg, out->ns_pod, had, &out->tap);
	if (!rc)
		rc = hop_listeners(cfg, out);
	return rc;
}

void hop_close(struct hop *hop)
{
	fd_drop(&hop->tap);
	fd_drop(&hop->tap_hop);
	for (int i = 0; i < 2; i++) {
		fd_drop(&hop->tproxy[i]);
		fd_drop(&hop->dns[i]);
	}
	fd_drop(&hop->links);
	fd_drop(&hop->devices);
	fd_drop(&hop->capture);
	fd_drop(&hop->sockets);
	fd_drop(&hop->ns_user);
	fd_drop(&hop->ns_hop);
	fd_drop(&hop->ns_pod);
}

/* Whichever kind of hop can be had. */
static int set_up(const struct hop_config *cfg, const struct link_copy *had,
		  struct hop *out)
{
	char first[256] = "", second[256] = "";
	int rc;

	if (cfg->datapath == DATAPATH_SPLICE)
		return kernel_hop(cfg, had, out);
	log_hold(first, sizeof(first));
	rc = kernel_hop(cfg, had, out);
	if (!rc) {
		log_hold(NULL, 0);
		return 0;
	}
	fd_drop(&out->tap);
	for (int i = 0; i < 2; i++) {
		fd_drop(&out->tproxy[i]);
		fd_drop(&out->dns[i]);
	}
	log_hold(second, sizeof(second));
	rc = user_hop(cfg, had, out);
	log_hold(NULL, 0);
	if (rc)
		log_error("%s", second);
	else
		log_warn("hop: %s: all packets go through user space, slower",
			 first);
	return rc;
}

static int watch_packets(struct hop *hop)
{
	/* its p0 sees only what goes up the hop's TCP */
	if (hop->tap_hop >= 0)
		return log_errno(
			EOPNOTSUPP,
			"--pcap: needs veth and nftables (podsplice doctor)");
	hop->capture = recorder_socket(P0);
	return hop->capture < 0 ? hop->capture : 0;
}

/* In the pod. */
static int watch_pod(void *arg)
{
	struct hop *hop = arg;

	hop->sockets = sockdiag_socket();
	if (hop->sockets < 0)
		return hop->sockets;
	hop->devices = rtnl_alarm_socket(RTMGRP_LINK);
	return hop->devices < 0 ? hop->devices : 0;
}

static void set_gso(uint32_t bytes)
{
	struct nl_sock *nl = NULL;

	if (!link_open(&nl))
		link_gso_ipv4(nl, P0, bytes);
	link_close(nl);
}

int hop_setup(const struct hop_config *cfg, struct hop *out)
{
	struct link_copy had = LINK_COPY_NULL;
	struct hop hop = HOP_NULL;
	int rc;

	hop.ns_pod = cfg->ns_pod;
	hop.ns_user = sys_open_ns(0, "user");
	rc = hop.ns_user < 0 ? hop.ns_user : 0;
	if (!rc && cfg->joined)
		rc = poddev_look(cfg, hop.ns_pod, &had);
	if (!rc)
		rc = set_up(cfg, &had, &hop);
	link_copy_drop(&had);
	if (!rc) {
		hop.links = rtnl_alarm_socket(RTMGRP_LINK);
		rc = hop.links < 0 ? hop.links : 0;
	}
	if (!rc && cfg->capture)
		rc = watch_packets(&hop);
	if (!rc && !cfg->unheld)
		rc = netconf_in(hop.ns_pod, watch_pod, &hop);
	if (hop.tap_hop < 0 && hop.devices >= 0 &&
	    poddev_alone(hop.devices, cfg->plan))
		set_gso(HOP_GSO_BYTES);
	else
		fd_drop(&hop.devices);
	if (!rc) {
		hop.ns_hop = sys_open_ns(0, "net");
		rc = hop.ns_hop < 0 ? hop.ns_hop : 0;
	}
	if (rc) {
		hop_close(&hop);
		return rc;
	}
	*out = hop;
	return 0;
}

bool hop_cut_off(int fd)
{
	struct ifreq ifr = { .ifr_name = P0 };

	/* asks the namespace that the socket was made in: netdevice(7) */
	return ioctl(fd, SIOCGIFINDEX, &ifr) < 0 && errno == ENODEV;
}

/* What is to be done in one of the hop's namespaces later. */
struct errand {
	const struct hop *hop;
	const struct podnet *plan;
	int ns; /* where */
	bool add;
	int (*fn)(const struct errand *e);
};

/* In a child, because there is no way back out of a user namespace. */
static int run_errand(const struct errand *e)
{
	int rc;

	sys_sever();
	rc = sys_enter_user(e->hop->ns_user);
	if (!rc)
		rc = sys_setns(e->ns, CLONE_NEWNET);
	if (rc)
		return log_errno(-rc, "enter the hop's namespaces");
	return e->fn(e);
}

/* Return: 0 or -errno: that of the errand, which has logged it */
static int send_errand(const struct errand *e)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return log_errno(errno, "fork");
	if (pid == 0)
		_exit(-run_errand(e)); /* an errno fits */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(errno, "waitpid");
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int set_route6(const struct errand *e)
{
	return poddev_route6(e->plan, e->add);
}

int hop_route6(struct hop *hop, const struct podnet *plan, bool add)
{
	const struct errand e = { .hop = hop,
				  .plan = plan,
				  .ns = hop->ns_pod,
				  .add = add,
				  .fn = set_route6 };
	int rc = add && hop->no_route6 ? 0 : send_errand(&e);

	if (rc != -ESRCH)
		return rc;
	hop->no_route6 = true;
	return 0;
}

static int small_packets(const struct errand *e)
{
	(void)e;
	set_gso(USUAL_GSO_BYTES);
	return 0;
}

int hop_small_packets(const struct hop *hop)
{
	const struct errand e = { .hop = hop,
				  .ns = hop->ns_hop,
				  .fn = small_packets };

	return send_errand(&e);
}

static int remove_p0(const struct errand *e)
{
	struct nl_sock *nl = NULL;
	char why[256];
	int rc = link_open(&nl);

	(void)e;
	/* it may be going already, with the pod's end */
	log_hold(why, sizeof(why));
	if (!rc)
		rc = link_del(nl, P0);
	link_close(nl);
	log_hold(NULL, 0);
	if (!rc || !if_nametoindex(P0))
		return 0;
	log_error("%s", why);
	return rc;
}

int hop_remove(const struct hop *hop)
{
	const struct errand e = { .hop = hop,
				  .ns = hop->ns_hop,
				  .fn = remove_p0 };

	return send_errand(&e);
}

static int forget_slow(const struct errand *e)
{
	(void)e;
	return nft_hop_forget();
}

int hop_forget_slow(const struct hop *hop)
{
	const struct errand e = { .hop = hop,
				  .ns = hop->ns_hop,
				  .fn = forget_slow };

	return send_errand(&e);
}
