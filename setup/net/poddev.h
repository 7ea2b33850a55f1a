/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The pod's own device, made by us or found there, and what is set on it. The
 * caller is in the hop and comes back to it.
 */

#include "setup/net/hop.h"
#include "setup/net/link_copy.h"

/**
 * poddev_look() - is the device there already? Then the plan follows it.
 * @cfg: its plan gets the MTU and the MAC of what is there, unless they were
 *	 asked for, and the address that IPv6 will have when others set it
 * @out: what it has; release with link_copy_drop()
 *
 * One that nobody can attach to is an error, before anything is changed.
 *
 * Return: 0 or -errno, logged
 */
int poddev_look(const struct hop_config *cfg, int ns_pod,
		struct link_copy *out);

/**
 * poddev_take() - move the device that is there into the hop
 * @name: its name in the hop, where it arrives down
 * Return: 0 or -errno, logged
 */
int poddev_take(const struct hop_config *cfg, int ns_pod, const char *name);

/**
 * poddev_give_back() - the opposite: in the pod it is as it was again
 * Return: 0 or -errno, logged
 */
int poddev_give_back(const struct hop_config *cfg, int ns_pod, const char *name,
		     const struct link_copy *had);

/**
 * poddev_config() - the device's state, addresses and routes
 * @had: of poddev_look()
 * @tap: NULL: the device is a veth, which takes over what another one had;
 *	 else set to a TAP that is made for it, or was there
 *
 * Return: 0 or -errno, logged
 */
int poddev_config(const struct hop_config *cfg, int ns_pod,
		  const struct link_copy *had, int *tap);

/**
 * poddev_alone() - has the pod no other device that is up, but lo?
 * @fd: a non-blocking rtnetlink socket of the pod's, as hop.devices is; the
 *	caller may be elsewhere
 * Return: false, too, when that can't be asked
 */
bool poddev_alone(int fd, const struct podnet *plan);

/** poddev_mtu() - what it begins with in the pod */
uint32_t poddev_mtu(const struct hop_config *cfg, const struct link_copy *had);

/**
 * poddev_route6() - add or remove its IPv6 default route, in the pod
 *
 * One of others is never removed, and ours not added where one is.
 *
 * Return: 0; -ESRCH, not logged, when there is none of ours to remove; or
 *	   -errno, logged
 */
int poddev_route6(const struct podnet *plan, bool add);
