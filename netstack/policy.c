// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connect() to 0.0.0.0, ::, ::ffff:127.0.0.1 or ::ffff:0.0.0.0 reaches the
 * host's own loopback, and libslirp hands on whatever destination a packet
 * has. A pod's kernel sends no such packets by itself, but the pod's root can.
 */
#include "netstack/policy.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#define PORT_TFTP  69
#define PORT_DHCPS 67

static bool allows4(const struct frame *f, const struct podnet *plan,
		    bool host_loopback)
{
	uint32_t dst = ntohl(f->dst.v4.s_addr);
	uint32_t bcast =
		ntohl(plan->net4.v4.s_addr) |
		(plan->prefix4 ? (uint32_t)((1ULL << (32 - plan->prefix4)) - 1)
			       : ~0U);
	bool to_gw = ip_equal(&f->dst, &plan->gw4);

	if (dst >> 24 == 0 || dst >> 24 == 127)
		return false;
	/* the host's links, where clouds keep its credentials; no pod's subnet
	 * is there (config_net.c) */
	if (ip_is_linklocal(&f->dst))
		return false;
	if (dst == 0xffffffff || dst == bcast)
		return f->proto == IPPROTO_UDP && !f->is_fragment &&
		       f->dport == PORT_DHCPS;
	if (dst >> 28 == 0xf)
		return false; /* reserved, RFC 1112 4 */
	if (dst >> 28 == 0xe)
		return f->proto != IPPROTO_TCP;
	if (!ip_in_net(&f->dst, &plan->net4, plan->prefix4))
		return true;
	if (to_gw && f->proto == IPPROTO_UDP && f->dport == PORT_TFTP)
		return false;
	/* a fragment hides its ports until libslirp has put it together */
	if (f->is_fragment && !host_loopback)
		return false;
	/* DHCP renewals and pings are answered by libslirp itself; the rest
	 * is refused by it unless host_loopback, with an ICMP error */
	if (to_gw)
		return true;
	/* DNS is ours: libslirp's would ask the host's own 127.0.0.1 */
	return ip_equal(&f->dst, &plan->dns4) && f->proto == IPPROTO_ICMP &&
	       !f->is_fragment;
}

static bool allows6(const struct frame *f, const struct podnet *plan,
		    bool host_loopback)
{
	const uint8_t *b = f->dst.v6.s6_addr;
	bool zeros = true;

	/* ::/96 (unspecified, loopback, IPv4-compatible) and IPv4-mapped */
	for (int i = 0; i < 10; i++)
		zeros = zeros && b[i] == 0;
	if (zeros &&
	    ((b[10] == 0 && b[11] == 0) || (b[10] == 0xff && b[11] == 0xff)))
		return false;
	if (ip_is_multicast(&f->dst))
		return f->proto == IPPROTO_ICMPV6 || f->proto == IPPROTO_UDP;
	/* NDP and pings of libslirp's own link-local address, nothing else */
	if (ip_is_linklocal(&f->dst))
		return f->proto == IPPROTO_ICMPV6;
	if (!ip_in_net(&f->dst, &plan->net6, plan->prefix6))
		return true;
	if (f->proto == IPPROTO_UDP && f->dport == PORT_TFTP)
		return false;
	if (f->is_fragment && !host_loopback)
		return false;
	/* as for IPv4; NDP and pings of any address of the subnet */
	return f->proto == IPPROTO_ICMPV6 || ip_equal(&f->dst, &plan->gw6);
}

bool policy_allows(const struct frame *f, const struct podnet *plan,
		   bool host_loopback)
{
	if (f->ethertype == ETH_P_ARP)
		return true;
	if (!f->is_ip)
		return false;
	if (f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP &&
	    f->proto != IPPROTO_ICMP && f->proto != IPPROTO_ICMPV6)
		return false;
	if (f->src.family == AF_INET)
		return allows4(f, plan, host_loopback);
	return plan->has_ipv6 && allows6(f, plan, host_loopback);
}
