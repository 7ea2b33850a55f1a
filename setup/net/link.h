/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Links, addresses, routes and rules over rtnetlink. A handle speaks to the
 * network namespace it was opened in, whatever namespace its user enters
 * later. All functions return 0 or -errno, logged with the object's name.
 */

#include <stdbool.h>
#include <stdint.h>

#include "netstack/base/addr.h"

struct nl_sock;

int link_open(struct nl_sock **out);
struct nl_sock *link_close(struct nl_sock *sk); /* NULL is fine; returns NULL */

struct link_opts {
	const uint8_t *mac;  /* NULL: as it is */
	uint32_t mtu_bytes;  /* 0: as it is */
	uint32_t txqueuelen; /* 0: as it is */
	bool up;
};

int link_index(struct nl_sock *sk, const char *name, int *out);
int link_set(struct nl_sock *sk, const char *name, const struct link_opts *o);
int link_del(struct nl_sock *sk, const char *name);

/**
 * link_add_veth() - a pair: @name here with @o, @peer in @peer_netns with @p
 * The "up" of @o and @p is not looked at: both ends are down.
 */
int link_add_veth(struct nl_sock *sk, const char *name,
		  const struct link_opts *o, const char *peer, int peer_netns,
		  const struct link_opts *p);

/**
 * link_gso_ipv4() - how large packets of IPv4 TCP may leave by a veth, which
 *		     never cuts them into segments itself
 * @bytes: above 65,536 ("BIG TCP") their IPv4 header tells a length of 0
 *
 * For speed only: kernels before 6.3 ignore it, and no error is told.
 */
void link_gso_ipv4(struct nl_sock *sk, const char *name, uint32_t bytes);

/** link_move() - give a device to another namespace, where its name is @as */
int link_move(struct nl_sock *sk, const char *name, int netns, const char *as);

/** link_addr() - add an address; IPv6 without duplicate address detection */
int link_addr(struct nl_sock *sk, int ifindex, const struct ip *ip,
	      unsigned int prefix);

struct link_route {
	const struct ip *dst; /* NULL: default */
	unsigned int prefix;
	sa_family_t family;
	const struct ip *via; /* NULL: none */
	bool onlink;
	bool local;	/* type local */
	uint32_t table; /* 0: main */
	int ifindex;
};

/**
 * link_route_add() - one that is in its place stays
 * Return: 0, -EEXIST, not logged: there is another one, of the metric that the
 *	   kernel gives, to the same destination; or -errno
 */
int link_route_add(struct nl_sock *sk, const struct link_route *r);

/** link_route_del() - Return: 0, -ESRCH, not logged: not there; or -errno */
int link_route_del(struct nl_sock *sk, const struct link_route *r);

/**
 * link_route_prefix() - of the route that packets to @ip take
 * @out: its prefix's length in bits, 0: the default route
 * Return: 0, -ENETUNREACH when there is none, or -errno; not logged
 */
int link_route_prefix(struct nl_sock *sk, const struct ip *ip,
		      unsigned int *out);

/** link_rule() - "from all iif @iif lookup @table" */
int link_rule(struct nl_sock *sk, int family, const char *iif, uint32_t table);

/** link_rule_mark() - "fwmark @mark lookup @table", unless it is there */
int link_rule_mark(struct nl_sock *sk, int family, uint32_t mark,
		   uint32_t table);

/** link_neigh() - a permanent neighbour entry */
int link_neigh(struct nl_sock *sk, int ifindex, const struct ip *ip,
	       const uint8_t mac[6]);
