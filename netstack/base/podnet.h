/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The address plan of a pod: what every process of its helper agrees on. */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "netstack/base/addr.h"

struct podnet {
	struct ip net4, gw4, dns4, pod4; /* +0, +2, +3, +100 */
	struct ip dhcp4; /* the first of 16 leases; family 0: it is pod4 */
	unsigned int prefix4;
	bool has_ipv6;
	struct ip net6, gw6, dns6, pod6; /* ::, ::2, ::3, ::100 */
	unsigned int prefix6;
	uint32_t mtu_bytes;
	char tap[IFNAMSIZ]; /* the device's name in the pod */
	uint8_t pod_mac[6]; /* of the device in the pod */
	uint8_t gw_mac[6];  /* libslirp's: 52:55 and the gateway's IPv4 */
};

/** podnet_has() - is @ip in one of the pod's networks? */
static inline bool podnet_has(const struct podnet *plan, const struct ip *ip)
{
	return ip_in_net(ip, &plan->net4, plan->prefix4) ||
	       (plan->has_ipv6 && ip_in_net(ip, &plan->net6, plan->prefix6));
}
