/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Answers to a SYN that won't become a connection: RST and ICMP errors. */

#include <stddef.h>
#include <stdint.h>

#include "netstack/base/podnet.h"
#include "netstack/frame.h"

/* Ethernet, IP, ICMP, and at most 128 bytes of the packet it is about. */
#define ANSWER_MAX 256

enum answer_why {
	ANSWER_NET,	   /* the pod's connect() gets ENETUNREACH */
	ANSWER_HOST,	   /* EHOSTUNREACH */
	ANSWER_DOWN,	   /* EHOSTDOWN (IPv4), EHOSTUNREACH (IPv6) */
	ANSWER_NO_TCP,	   /* ENOPROTOOPT (IPv4), EHOSTUNREACH (IPv6) */
	ANSWER_PROHIBITED, /* EHOSTUNREACH (IPv4), EACCES (IPv6) */
};

/**
 * answer_reset() - the RST that refuses @syn (RFC 9293 3.10.7.1)
 * @out: ANSWER_MAX bytes
 * Return: the frame's length; 0 when @syn is no SYN
 */
size_t answer_reset(uint8_t *out, const struct frame *syn);

/**
 * answer_unreachable() - the ICMP error from the gateway about @syn
 * (RFC 792, RFC 1812 5.2.7.1; RFC 4443 3.1)
 * Return: the frame's length
 */
size_t answer_unreachable(uint8_t *out, const struct frame *syn,
			  const struct podnet *plan, enum answer_why why);
