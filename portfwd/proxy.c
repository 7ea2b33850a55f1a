// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A header says the same in both versions: the client's address and port, then
 * those it connected to. A dual-stack listener has IPv4 clients as
 * ::ffff:a.b.c.d, which is this machine's notation and none of the server's
 * business: addresses are unmapped first, and the family follows.
 *
 * Version 2 is SIGNATURE, version and command (PROXY), family and protocol,
 * the length of what follows in two bytes, both addresses, both ports; all in
 * network order, without the optional part (TLVs).
 */
#include "portfwd/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/checksum.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

#define V2_PROXY 0x21 /* version 2, command PROXY */
#define V2_TCP4	 0x11
#define V2_TCP6	 0x21

static size_t header_v1(const struct ip *client, uint16_t client_port,
			const struct ip *asked, uint16_t asked_port,
			uint8_t *out)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], text[2 * ADDR_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "PROXY TCP%c %s %s %u %u\r\n",
			 client->family == AF_INET ? '4' : '6',
			 ip_format(client, from), ip_format(asked, to),
			 client_port, asked_port);

	assert(n > 0 && n <= PROXY_HEADER_MAX);
	memcpy(out, text, (size_t)n);
	return (size_t)n;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *put_u16(uint8_t *at, uint16_t v)
{
	store16(at, v);
	return at + 2;
}

static size_t header_v2(const struct ip *client, uint16_t client_port,
			const struct ip *asked, uint16_t asked_port,
			uint8_t *out)
{
	size_t len = ip_len(client);
	uint8_t *at = put(out, SIGNATURE, sizeof(SIGNATURE) - 1);

	*at++ = V2_PROXY;
	*at++ = client->family == AF_INET ? V2_TCP4 : V2_TCP6;
	at = put_u16(at, (uint16_t)(2 * len + 4));
	at = put(at, ip_bytes(client), len);
	at = put(at, ip_bytes(asked), len);
	at = put_u16(at, client_port);
	at = put_u16(at, asked_port);
	return (size_t)(at - out);
}

size_t proxy_header(enum spec_proxy version, const union endpoint *client,
		    const union endpoint *asked, uint8_t *out)
{
	struct ip from = endpoint_ip(client), to = endpoint_ip(asked);

	assert(version != SPEC_PROXY_NONE && from.family == to.family);
	return (version == SPEC_PROXY_V1 ? header_v1 : header_v2)(
		&from, endpoint_port(client), &to, endpoint_port(asked), out);
}

int proxy_send(enum spec_proxy version, int to, int client_fd,
	       const union endpoint *client)
{
	union endpoint asked;
	socklen_t asked_len = sizeof(asked);
	uint8_t header[PROXY_HEADER_MAX];
	size_t len;
	ssize_t n;

	if (getsockname(client_fd, &asked.sa, &asked_len))
		return -errno;
	len = proxy_header(version, client, &asked, header);
	do {
		n = send(to, header, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE; /* it wasn't empty */
}
