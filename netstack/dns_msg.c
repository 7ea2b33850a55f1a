// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A forwarder needs to know very little about a message: where its question
 * ends, and whether a reply belongs to it. Everything behind the question is
 * handed through unread, so that record types, EDNS options and signatures of
 * the future work; the one exception is OPT, which is looked for when a reply
 * has to be cut.
 *
 * Names are walked, never decompressed. A question stands right behind the
 * header, so a compression pointer in it could only point at the header, at
 * itself or forward: it is refused, and loops can't arise.
 */
#include "netstack/dns_msg.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 255 /* RFC 1035 2.3.4 */
#define TYPE_OPT       41
#define RECORD_FIXED   10 /* type, class, TTL, length of the data */

enum { AT_QDCOUNT = 4, AT_ANCOUNT = 6, AT_NSCOUNT = 8, AT_ARCOUNT = 10 };

/* Where the question that begins behind the header ends; 0: it is broken. */
static size_t question_end(const uint8_t *msg, size_t len)
{
	size_t pos = DNS_HEADER_BYTES;

	for (;;) {
		if (pos >= len || msg[pos] > 63)
			return 0;
		if (msg[pos] == 0)
			break;
		pos += 1 + (size_t)msg[pos];
	}
	pos++;
	if (pos - DNS_HEADER_BYTES > NAME_MAX_BYTES || len - pos < 4)
		return 0;
	return pos + 4;
}

int dns_msg_query(const uint8_t *msg, size_t len, size_t *qend)
{
	size_t end;

	if (len < DNS_HEADER_BYTES || len > DNS_MSG_MAX || (msg[2] & 0x80))
		return -EBADMSG;
	if (dns_msg_u16(msg + AT_QDCOUNT) != 1)
		return -EBADMSG;
	end = question_end(msg, len);
	if (!end)
		return -EBADMSG;
	*qend = end;
	return 0;
}

/* glibc, too, takes a FORMERR without question: old servers do that on EDNS. */
static bool may_lack_question(const uint8_t *msg)
{
	switch (dns_msg_rcode(msg)) {
	case DNS_FORMERR:
	case DNS_SERVFAIL:
	case DNS_NOTIMP:
	case DNS_REFUSED:
		return dns_msg_u16(msg + AT_ANCOUNT) == 0;
	default:
		return false;
	}
}

bool dns_msg_is_reply(const uint8_t *msg, size_t len, uint16_t id,
		      const uint8_t *query, size_t qend)
{
	if (len < DNS_HEADER_BYTES || dns_msg_u16(msg) != id)
		return false;
	/* QR set, and the same opcode */
	if (!(msg[2] & 0x80) || ((msg[2] ^ query[2]) & 0x78))
		return false;
	switch (dns_msg_u16(msg + AT_QDCOUNT)) {
	case 0:
		return may_lack_question(msg);
	case 1:
		return len >= qend &&
		       memcmp(msg + DNS_HEADER_BYTES, query + DNS_HEADER_BYTES,
			      qend - DNS_HEADER_BYTES) == 0;
	default:
		return false;
	}
}

size_t dns_msg_error(uint8_t *out, const uint8_t *query, size_t qend,
		     enum dns_rcode rcode)
{
	memmove(out, query, qend);
	out[2] = (uint8_t)(0x80 | (query[2] & 0x79)); /* QR, opcode, RD */
	out[3] = (uint8_t)(0x80 | (query[3] & 0x10) | rcode); /* RA, CD */
	memset(out + AT_ANCOUNT, 0, DNS_HEADER_BYTES - AT_ANCOUNT);
	return qend;
}

/* Behind the name at @pos; 0: it is broken. A pointer ends a name. */
static size_t skip_name(const uint8_t *msg, size_t len, size_t pos)
{
	while (pos < len) {
		if (msg[pos] == 0)
			return pos + 1;
		if (msg[pos] >= 0xc0)
			return pos + 2;
		if (msg[pos] > 63)
			return 0;
		pos += 1 + (size_t)msg[pos];
	}
	return 0;
}

/* Find OPT among the records from @pos on. Return: its length, 0: none. */
static size_t find_opt(const uint8_t *msg, size_t len, size_t pos, size_t *out)
{
	size_t n = (size_t)dns_msg_u16(msg + AT_ANCOUNT) +
		   dns_msg_u16(msg + AT_NSCOUNT) +
		   dns_msg_u16(msg + AT_ARCOUNT);

	while (n-- > 0) {
		size_t start = pos, size;

		pos = skip_name(msg, len, pos);
		if (pos == 0 || pos > len || len - pos < RECORD_FIXED)
			return 0;
		size = RECORD_FIXED + (size_t)dns_msg_u16(msg + pos + 8);
		if (len - pos < size)
			return 0;
		if (msg[start] == 0 && dns_msg_u16(msg + pos) == TYPE_OPT) {
			*out = start;
			return pos + size - start;
		}
		pos += size;
	}
	return 0;
}

size_t dns_msg_cut(uint8_t *msg, size_t len, size_t max)
{
	size_t end = DNS_HEADER_BYTES, at = 0, opt;

	if (dns_msg_u16(msg + AT_QDCOUNT) == 1)
		end = question_end(msg, len);
	if (!end) { /* can't be: it equals the query's question */
		memset(msg + AT_QDCOUNT, 0, 2);
		end = DNS_HEADER_BYTES;
	}
	opt = find_opt(msg, len, end, &at);
	memset(msg + AT_ANCOUNT, 0, DNS_HEADER_BYTES - AT_ANCOUNT);
	if (opt == 0 || opt > max - end)
		return end;
	memmove(msg + end, msg + at, opt);
	msg[AT_ARCOUNT + 1] = 1;
	return end + opt;
}
