/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the host's routes say: asked of the kernel, no packet is sent. */

#include <stdbool.h>
#include <stdint.h>

#include "netstack/base/podnet.h"
#include "netstack/loop.h"

/**
 * uplink_mtu() - the MTU of the way out, IPv4's or else IPv6's
 * Return: bytes, 1500 when there is no way out; 1280..65520
 */
uint32_t uplink_mtu(void);

/** uplink_can_ipv6() - does the kernel have IPv6 at all? */
bool uplink_can_ipv6(void);

/** uplink_has_ipv6() - is there an IPv6 route to the world? */
bool uplink_has_ipv6(void);

/**
 * uplink_clashes() - does the host have a route into the pod's network?
 * @buf: set to the network's text, of UPLINK_NET_TEXT bytes
 *
 * Then the pod takes those addresses for its own neighbours. A default route
 * is none into it. What can't be asked is no clash.
 */
#define UPLINK_NET_TEXT (ADDR_TEXT_MAX + 4)
bool uplink_clashes(const struct podnet *plan, char *buf);

struct uplink_watch;
typedef void (*uplink_changed_fn)(void *arg, bool has_ipv6);

/**
 * uplink_watch_new() - call @fn when uplink_has_ipv6() changes
 * @has_ipv6: what the caller knows now; if it is out of date, @fn is called
 *            before this returns
 * Return: 0 or -errno, logged
 */
int uplink_watch_new(struct uplink_watch **out, struct loop *loop,
		     bool has_ipv6, uplink_changed_fn fn, void *arg);

/** uplink_watch_free() - NULL is fine; Return: NULL */
struct uplink_watch *uplink_watch_free(struct uplink_watch *w);
