/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Header of the PROXY protocol, with which a TCP server learns who its client
 * is: versions 1 (text) and 2 (binary) of
 * https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
 */

#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "portfwd/spec.h"

/* The longest of either version: 1, with IPv6 addresses written out. */
#define PROXY_HEADER_MAX 104

/**
 * proxy_header() - build a header
 * @version: not SPEC_PROXY_NONE
 * @client, @asked: where the connection came from, and the address it was made
 *		    to: of one family, once IPv4-mapped ones are unmapped
 * @out: PROXY_HEADER_MAX bytes
 *
 * Return: its length in bytes
 */
size_t proxy_header(enum spec_proxy version, const union endpoint *client,
		    const union endpoint *asked, uint8_t *out);

/**
 * proxy_send() - begin a connection to the pod with a header
 * @to: a connected socket on which nothing was sent yet; non-blocking
 * @client: of @client_fd; what it asked for is that socket's own address
 *
 * Never blocks: an empty send buffer takes the whole header.
 *
 * Return: 0 or -errno, not logged
 */
int proxy_send(enum spec_proxy version, int to, int client_fd,
	       const union endpoint *client);
