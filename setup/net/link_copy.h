/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a device has: read from one, given to another one of the same name. Its
 * sysctls, queueing disciplines and filters are not in it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct nl_sock;
struct nl_cache;

struct link_copy {
	bool there; /* such a device exists */
	bool up;
	uint32_t mtu_bytes;
	uint8_t mac[6];
	int ifindex;
	struct nl_cache *addrs, *routes; /* of the whole namespace */
};

#define LINK_COPY_NULL                                                         \
	{                                                                      \
		.there = false                                                 \
	}

/**
 * link_copy_read() - what the device @name has
 * @out: release with link_copy_drop(), also when there is no such device
 * Return: 0 or -errno, logged
 */
int link_copy_read(struct nl_sock *sk, const char *name, struct link_copy *out);

/**
 * link_copy_default() - was there a default route that isn't the device's?
 * Only one in whose place link_route_add() would put another counts.
 */
bool link_copy_default(const struct link_copy *copy, sa_family_t family);

/**
 * link_copy_apply() - give it to the device @name: up or down, addresses,
 * routes; MTU and MAC are not touched. What the kernel makes by itself, and
 * what router advertisements gave, comes back by itself.
 *
 * Return: 0 or -errno, logged
 */
int link_copy_apply(struct nl_sock *sk, const char *name,
		    const struct link_copy *copy);

/** link_copy_drop() - idempotent */
void link_copy_drop(struct link_copy *copy);
