/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* IPv4 and IPv6 addresses, with and without a port. Nothing here logs. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address without a port. family is AF_INET or AF_INET6 (0: none). */
struct ip {
	sa_family_t family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* An address with a port, as the kernel wants it. */
union endpoint {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Room for any text this module writes, with port, brackets and scope. */
#define ADDR_TEXT_MAX 80

/**
 * ip_parse() - "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; no scope, no name
 * Return: 0 or -EINVAL
 */
int ip_parse(const char *s, struct ip *out);

/** ip_format() - Return: @buf, which has ADDR_TEXT_MAX bytes; never fails */
const char *ip_format(const struct ip *ip, char *buf);

bool ip_equal(const struct ip *a, const struct ip *b);

/** ip_in_net() - is @ip inside @net/@prefix? False across families. */
bool ip_in_net(const struct ip *ip, const struct ip *net, unsigned int prefix);

/** ip_unmap() - ::ffff:a.b.c.d becomes a.b.c.d, anything else stays */
struct ip ip_unmap(const struct ip *ip);

bool ip_is_any(const struct ip *ip);	   /* 0.0.0.0, :: */
bool ip_is_loopback(const struct ip *ip);  /* 127/8, ::1 */
bool ip_is_linklocal(const struct ip *ip); /* 169.254/16, fe80::/10 */
bool ip_is_multicast(const struct ip *ip); /* 224/4, ff00::/8 */

/** ip_bytes() - the address in network order: 4 or 16 bytes */
static inline const uint8_t *ip_bytes(const struct ip *ip)
{
	return (const uint8_t *)&ip->v4;
}

static inline size_t ip_len(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

/** endpoint_make() - @port in host order; Return: by value */
union endpoint endpoint_make(const struct ip *ip, uint16_t port);

/** endpoint_len() - the length bind() and connect() want */
socklen_t endpoint_len(const union endpoint *ep);

/** endpoint_ip() - the address, IPv4-mapped unmapped; endpoint_port(): host
 * order */
struct ip endpoint_ip(const union endpoint *ep);
uint16_t endpoint_port(const union endpoint *ep);

/** endpoint_format() - "192.0.2.1:80", "[::1]:80"; Return: @buf */
const char *endpoint_format(const union endpoint *ep, char *buf);

/**
 * cidr_parse() - "A.B.C.D/N" or "P::/N"
 * @family: AF_INET or AF_INET6; the other is -EINVAL
 *
 * Return: 0, -EINVAL (no such text), -ERANGE (host bits set)
 */
int cidr_parse(const char *s, int family, struct ip *net, unsigned int *prefix);

/** ip_offset() - @net plus @n: "the second address of this network" */
struct ip ip_offset(const struct ip *net, uint32_t n);
