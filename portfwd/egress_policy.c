// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The destinations that mean something else on the host side than in the pod,
 * or nothing at all, are refused by the packet's bytes. The pod's own subnets
 * exist only between it and us: the gateway stands for the host's loopback when
 * that is allowed, nothing else is there.
 */
#include <string.h>

#include "portfwd/egress.h"

static bool no_unicast4(const struct ip *ip)
{
	uint32_t a = ntohl(ip->v4.s_addr);

	/* this host, loopback, multicast, reserved and broadcast */
	return a >> 24 == 0 || a >> 24 == 127 || a >> 28 >= 0xe;
}

static bool no_unicast6(const struct ip *ip)
{
	static const uint8_t zeros[10];
	const uint8_t *b = ip->v6.s6_addr;

	/* ::/96 (unspecified, loopback, IPv4-compatible), IPv4-mapped */
	if (memcmp(b, zeros, sizeof(zeros)) == 0 &&
	    ((b[10] == 0 && b[11] == 0) || (b[10] == 0xff && b[11] == 0xff)))
		return true;
	return ip_is_multicast(ip);
}

struct ip egress_loopback(sa_family_t family)
{
	struct ip ip = { .family = family };

	if (family == AF_INET)
		ip.v4.s_addr = htonl(INADDR_LOOPBACK);
	else
		ip.v6 = in6addr_loopback;
	return ip;
}

bool egress_policy(const struct egress_config *cfg, const struct ip *dst,
		   struct ip *to, enum syn_what *verdict)
{
	const struct podnet *plan = cfg->plan;
	bool v4 = dst->family == AF_INET;
	const struct ip *gw = v4 ? &plan->gw4 : &plan->gw6;
	const struct ip *dns = v4 ? &plan->dns4 : &plan->dns6;

	*verdict = SYN_NET;
	if (v4 ? no_unicast4(dst) : no_unicast6(dst))
		return false;
	if (ip_is_linklocal(dst))
		return false;
	if (ip_equal(dst, gw)) {
		*to = egress_loopback(dst->family);
		return cfg->host_loopback;
	}
	*verdict = ip_equal(dst, dns) ? SYN_RESET : SYN_HOST;
	if (podnet_has(plan, dst))
		return false;
	*to = *dst;
	return true;
}
