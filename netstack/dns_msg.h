/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* DNS messages as bytes (RFC 1035 section 4): pure functions, no state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER_BYTES 12
#define DNS_MSG_MAX	 65535
#define DNS_UDP_MIN	 512 /* what every client must take: RFC 1035 2.3.4 */

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

enum dns_qtype { DNS_IXFR = 251, DNS_AXFR = 252 };

static inline uint16_t dns_msg_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline enum dns_rcode dns_msg_rcode(const uint8_t *msg)
{
	return (enum dns_rcode)(msg[3] & 15);
}

/** dns_msg_qtype() - of a query that dns_msg_query() accepted */
static inline uint16_t dns_msg_qtype(const uint8_t *msg, size_t qend)
{
	return dns_msg_u16(msg + qend - 4);
}

/**
 * dns_msg_query() - is this a query, with exactly one well-formed question?
 * @qend: set to where its question ends: at most 271
 * Return: 0 or -EBADMSG
 */
int dns_msg_query(const uint8_t *msg, size_t len, size_t *qend);

/**
 * dns_msg_is_reply() - does @msg answer @query, which was sent as @id?
 * @query, @qend: as accepted by dns_msg_query()
 *
 * The question must be the same to the byte, the case of letters included. A
 * server that didn't understand a query may leave the question out; that is
 * accepted for errors only.
 */
bool dns_msg_is_reply(const uint8_t *msg, size_t len, uint16_t id,
		      const uint8_t *query, size_t qend);

/**
 * dns_msg_error() - build the reply to @query that says @rcode
 * @out: room for @qend bytes; may be @query itself
 * Return: its length
 */
size_t dns_msg_error(uint8_t *out, const uint8_t *query, size_t qend,
		     enum dns_rcode rcode);

/**
 * dns_msg_cut() - leave of a reply only header, question and, where it can be
 *		   found and fits, OPT; TC is not touched
 * @msg: accepted by dns_msg_is_reply(), changed in place
 * @max: at least DNS_UDP_MIN
 * Return: the new length
 */
size_t dns_msg_cut(uint8_t *msg, size_t len, size_t max);

/** dns_msg_set_tc() - "there was more, ask by TCP" */
static inline void dns_msg_set_tc(uint8_t *msg)
{
	msg[2] |= 0x02;
}
