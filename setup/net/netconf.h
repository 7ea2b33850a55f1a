/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What both the hop and the pod need of the network namespace we are in. */

#include <stdbool.h>
#include <stdint.h>

/**
 * netconf_sysctl() - set net.KEY
 * @key:  "ipv4/ping_group_range"
 * @must: a failure is an error; else it is told at debug level only
 *
 * One that can't be written, and has the value already, is no failure.
 *
 * Return: 0 or -errno, logged
 */
int netconf_sysctl(const char *key, const char *value, bool must);

/** netconf_dev_sysctl() - the same for net.FAMILY.conf.DEV.KEY */
int netconf_dev_sysctl(const char *family, const char *dev, const char *key,
		       const char *value, bool must);

/**
 * netconf_tap() - create a TAP device, or attach to one that nobody drives
 * @passed: its maker's descriptor of it, borrowed: another of the same device;
 *	    -1: there is none
 *
 * One with several queues gets a queue of its own.
 *
 * Return: a non-blocking descriptor or -errno, logged
 */
int netconf_tap(const char *name, int passed);

/** netconf_tap_queue() - packets that may wait in a TAP of that MTU */
uint32_t netconf_tap_queue(uint32_t mtu_bytes);

/**
 * netconf_in() - call @fn(@arg) in the network namespace @ns, and come back
 * Return: what @fn returns, or -errno, logged
 */
int netconf_in(int ns, int (*fn)(void *arg), void *arg);
