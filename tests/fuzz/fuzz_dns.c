// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DNS message parser: the input is cut in two at a length given by its
 * first two bytes; the first part is a query, the second what a server says.
 */
#include "netstack/dns_msg.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_reply(const uint8_t *query, size_t qend, const uint8_t *data,
		       size_t size)
{
	uint8_t *msg = malloc(size + qend);
	size_t len;

	if (!msg)
		return;
	memcpy(msg, data, size);
	if (size >= DNS_HEADER_BYTES &&
	    dns_msg_is_reply(msg, size, dns_msg_u16(query), query, qend)) {
		len = dns_msg_cut(msg, size, DNS_UDP_MIN);
		check(len >= DNS_HEADER_BYTES && len <= DNS_UDP_MIN);
		dns_msg_set_tc(msg);
		check(dns_msg_is_reply(msg, len, dns_msg_u16(query), query,
				       qend));
	}
	len = dns_msg_error(msg, query, qend, DNS_SERVFAIL);
	check(dns_msg_is_reply(msg, len, dns_msg_u16(query), query, qend));
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut, qend = 0;
	uint8_t *query;

	if (size < 2)
		return 0;
	cut = dns_msg_u16(data);
	data += 2;
	size -= 2;
	if (cut > size)
		cut = size;
	query = malloc(cut + 1);
	if (!query)
		return 0;
	memcpy(query, data, cut);
	if (dns_msg_query(query, cut, &qend) == 0) {
		check(qend <= cut && qend <= 271);
		(void)dns_msg_qtype(query, qend);
		fuzz_reply(query, qend, data + cut, size - cut);
	}
	free(query);
	return 0;
}
