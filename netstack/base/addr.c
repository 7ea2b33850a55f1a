// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See addr.h. Addresses are compared and tested by their bytes; an IPv4-mapped
 * IPv6 address (RFC 4291 2.5.5.2) is IPv4 in disguise, and endpoint_ip() takes
 * the disguise off so that no policy has to remember it.
 */
#include "netstack/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/parse.h"

int ip_parse(const char *s, struct ip *out)
{
	char tmp[INET6_ADDRSTRLEN];
	size_t len = strlen(s);
	bool bracket = len >= 2 && s[0] == '[' && s[len - 1] == ']';
	struct ip ip = { 0 };

	if (bracket) {
		s++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(tmp))
		return -EINVAL;
	memcpy(tmp, s, len);
	tmp[len] = '\0';
	ip.family = strchr(tmp, ':') ? AF_INET6 : AF_INET;
	if (bracket && ip.family == AF_INET)
		return -EINVAL;
	if (inet_pton(ip.family, tmp, &ip.v4) != 1)
		return -EINVAL;
	*out = ip;
	return 0;
}

const char *ip_format(const struct ip *ip, char *buf)
{
	if (!ip->family || !inet_ntop(ip->family, &ip->v4, buf, ADDR_TEXT_MAX))
		memcpy(buf, "?", 2);
	return buf;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family &&
	       memcmp(ip_bytes(a), ip_bytes(b), ip_len(a)) == 0;
}

bool ip_in_net(const struct ip *ip, const struct ip *net, unsigned int prefix)
{
	const uint8_t *a = ip_bytes(ip), *b = ip_bytes(net);
	unsigned int whole = prefix / 8, rest = prefix % 8;

	if (ip->family != net->family || memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

struct ip ip_unmap(const struct ip *ip)
{
	struct ip out = *ip;

	if (ip->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip->v6)) {
		out = (struct ip){ .family = AF_INET };
		memcpy(&out.v4, &ip->v6.s6_addr[12], 4);
	}
	return out;
}

static uint32_t v4_host(const struct ip *ip)
{
	return ntohl(ip->v4.s_addr);
}

bool ip_is_any(const struct ip *ip)
{
	return ip->family == AF_INET ? ip->v4.s_addr == 0
				     : IN6_IS_ADDR_UNSPECIFIED(&ip->v6);
}

bool ip_is_loopback(const struct ip *ip)
{
	return ip->family == AF_INET ? v4_host(ip) >> 24 == 127
				     : IN6_IS_ADDR_LOOPBACK(&ip->v6);
}

bool ip_is_linklocal(const struct ip *ip)
{
	return ip->family == AF_INET ? v4_host(ip) >> 16 == 0xa9fe
				     : IN6_IS_ADDR_LINKLOCAL(&ip->v6);
}

bool ip_is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET ? v4_host(ip) >> 28 == 0xe
				     : IN6_IS_ADDR_MULTICAST(&ip->v6);
}

union endpoint endpoint_make(const struct ip *ip, uint16_t port)
{
	union endpoint ep;

	memset(&ep, 0, sizeof(ep));
	ep.sa.sa_family = ip->family;
	if (ip->family == AF_INET) {
		ep.v4.sin_addr = ip->v4;
		ep.v4.sin_port = htons(port);
	} else {
		ep.v6.sin6_addr = ip->v6;
		ep.v6.sin6_port = htons(port);
	}
	return ep;
}

socklen_t endpoint_len(const union endpoint *ep)
{
	return ep->sa.sa_family == AF_INET ? sizeof(ep->v4) : sizeof(ep->v6);
}

struct ip endpoint_ip(const union endpoint *ep)
{
	struct ip ip = { .family = ep->sa.sa_family };

	if (ip.family == AF_INET) {
		ip.v4 = ep->v4.sin_addr;
		return ip;
	}
	ip.v6 = ep->v6.sin6_addr;
	return ip_unmap(&ip);
}

uint16_t endpoint_port(const union endpoint *ep)
{
	return ntohs(ep->sa.sa_family == AF_INET ? ep->v4.sin_port
						 : ep->v6.sin6_port);
}

const char *endpoint_format(const union endpoint *ep, char *buf)
{
	char text[ADDR_TEXT_MAX];
	struct ip ip = endpoint_ip(ep);

	ip_format(&ip, text);
	(void)snprintf(buf, ADDR_TEXT_MAX,
		       ip.family == AF_INET ? "%.45s:%u" : "[%.45s]:%u", text,
		       endpoint_port(ep));
	return buf;
}

int cidr_parse(const char *s, int family, struct ip *net, unsigned int *prefix)
{
	char tmp[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	struct ip ip, masked;
	uint64_t bits;
	int rc;

	if (!slash || (size_t)(slash - s) >= sizeof(tmp))
		return -EINVAL;
	memcpy(tmp, s, (size_t)(slash - s));
	tmp[slash - s] = '\0';
	rc = ip_parse(tmp, &ip);
	if (rc || ip.family != family || tmp[0] == '[')
		return -EINVAL;
	if (parse_uint(slash + 1, 0, ip_len(&ip) * 8, &bits))
		return -EINVAL;
	masked = ip;
	for (size_t i = 0; i < ip_len(&ip) * 8; i++)
		if (i >= bits)
			((uint8_t *)&masked.v4)[i / 8] &=
				(uint8_t) ~(0x80U >> (i % 8));
	if (!ip_equal(&ip, &masked))
		return -ERANGE;
	*net = ip;
	*prefix = (unsigned int)bits;
	return 0;
}

struct ip ip_offset(const struct ip *net, uint32_t n)
{
	struct ip out = *net;
	uint8_t *b = (uint8_t *)&out.v4;

	for (size_t i = ip_len(net); i-- > 0 && n;) {
		n += b[i];
		b[i] = (uint8_t)n;
		n >>= 8;
	}
	return out;
}
