/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Ethernet frames from and to the pod. What is read is untrusted: frame_parse()
 * looks at nothing beyond the bytes it was given.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"

#define FRAME_ETH_LEN 14
/* The largest frame: MTU 65535 and the Ethernet header, rounded up. */
#define FRAME_MAX 65600

#define FRAME_TCP_FIN 0x01
#define FRAME_TCP_SYN 0x02
#define FRAME_TCP_RST 0x04
#define FRAME_TCP_ACK 0x10

struct frame {
	const uint8_t *eth; /* the whole frame, borrowed */
	size_t len;
	uint16_t ethertype; /* host order */
	/* the rest is set only where is_ip */
	bool is_ip;
	bool is_fragment; /* also the first one; no ports then */
	struct ip src, dst;
	uint8_t proto; /* of the transport, behind IPv6 extensions */
	/* only where has_ports: TCP or UDP, not a fragment */
	bool has_ports;
	uint16_t sport, dport; /* host order */
	uint8_t tcp_flags;
	const uint8_t *payload; /* UDP only */
	size_t payload_len;
};

/**
 * frame_parse() - take a frame apart
 * Return: true; false when it is too short or contradicts itself (drop it)
 */
bool frame_parse(const uint8_t *buf, size_t len, struct frame *out);

/** frame_is_first_syn() - TCP with SYN and neither ACK, RST nor FIN */
bool frame_is_first_syn(const struct frame *f);

/* Headers of Ethernet, IP and TCP, with all their options. */
#define FRAME_SYN_MAX (FRAME_ETH_LEN + 60 + 60)

/**
 * frame_bare_syn() - copy a first SYN without the data behind its header
 * (Fast Open, RFC 7413), checksums redone
 * @buf: FRAME_SYN_MAX bytes
 * Return: the length, 0 when @f isn't a first SYN or has no data
 */
size_t frame_bare_syn(uint8_t *buf, const struct frame *f);

/* Both ends of a UDP packet to be built. */
struct frame_udp {
	uint8_t dst_mac[6], src_mac[6];
	struct ip src, dst; /* of the same family */
	uint16_t sport, dport;
};

/**
 * frame_build_udp() - a frame with one UDP datagram, checksums included
 * (RFC 768, RFC 1071; RFC 8200 8.1 for IPv6)
 * @buf: FRAME_MAX bytes
 * Return: the frame's length, 0 when @len is too long for a packet
 */
size_t frame_build_udp(uint8_t *buf, const struct frame_udp *u,
		       const void *payload, size_t len);
