// SPDX-License-Identifier: GPL-2.0-or-later
/* DNS messages as bytes: what is a query, what is its reply, what is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/dns_msg.h"

/* ID 0x1234, RD, one question */
#define HEAD "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define L63  "\x3f" X21 X21 X21
#define X21  "xxxxxxxxxxxxxxxxxxxxx"
#define L61  "\x3d" X21 X21 "xxxxxxxxxxxxxxxxxxx"
#define IN_A "\x00\x01\x00\x01"
#define BYTES(s)                                                               \
	{                                                                      \
		(s), sizeof(s) - 1                                             \
	}

struct sample {
	const char *bytes;
	size_t len;
};

static const char query[] = HEAD "\x01"
				 "a" IN_A;

static int check(const struct sample *s, size_t *qend)
{
	/* exact allocation: the sanitizer sees one byte too far */
	uint8_t *copy = malloc(s->len + (s->len == 0));
	int rc;

	assert_non_null(copy);
	memcpy(copy, s->bytes, s->len);
	rc = dns_msg_query(copy, s->len, qend);
	free(copy);
	return rc;
}

static void well_formed_queries_are_accepted(void **state)
{
	static const struct sample good[] = {
		BYTES(HEAD "\x00" IN_A),
		BYTES(HEAD "\x01"
			   "a\x00" IN_A),
		BYTES(HEAD "\x01"
			   "a\x03"
			   "b.c\x00" IN_A),
		/* 255 bytes of name: as long as it may be */
		BYTES(HEAD L63 L63 L63 L61 "\x00" IN_A),
		/* what is behind the question isn't our business */
		BYTES(HEAD "\x00" IN_A "\xff\xff\xff"),
		/* opcodes other than QUERY: NOTIFY, UPDATE */
		BYTES("\x12\x34\x20\x00\x00\x01\x00\x00\x00\x00\x00\x00"
		      "\x00" IN_A),
		BYTES("\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00"
		      "\x00" IN_A),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t qend = 0;

		assert_int_equal(check(&good[i], &qend), 0);
		assert_in_range(qend, 17, 271);
		assert_true(qend <= good[i].len);
	}
}

static void malformed_queries_are_refused(void **state)
{
	static const struct sample bad[] = {
		BYTES(""),
		BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00"),
		BYTES(HEAD),
		BYTES(HEAD "\x00"),
		BYTES(HEAD "\x00\x00\x01\x00"),
		/* a reply; no question; two */
		BYTES("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00"
		      "\x00" IN_A),
		BYTES("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		      "\x00" IN_A),
		BYTES("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00"
		      "\x00" IN_A "\x00" IN_A),
		/* a label over the end; no end of the name */
		BYTES(HEAD "\x05"
			   "a" IN_A),
		BYTES(HEAD "\x01"
			   "a\x01"
			   "b"),
		/* pointers: to itself, to the header, forward, a chain */
		BYTES(HEAD "\xc0\x0c" IN_A),
		BYTES(HEAD "\xc0\x00" IN_A),
		BYTES(HEAD "\xc0\xff" IN_A),
		BYTES(HEAD "\x01"
			   "a\xc0\x0c" IN_A),
		/* label types of the past */
		BYTES(HEAD "\x40\x00" IN_A),
		BYTES(HEAD "\x80\x00" IN_A),
		/* 256 bytes of name */
		BYTES(HEAD L63 L63 L63 "\x3e" X21 X21 "xxxxxxxxxxxxxxxxxxxx"
				       "\x00" IN_A),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t qend = 0;

		assert_int_not_equal(check(&bad[i], &qend), 0);
		assert_int_equal(qend, 0);
	}
}

static void reply_must_match_in_everything(void **state)
{
	/* header and question of the query are mutated at each bit but these */
	static const uint8_t free_bits[DNS_HEADER_BYTES] = {
		0, 0, 0x07, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	const uint8_t *q = (const uint8_t *)query;
	uint8_t msg[sizeof(query)];
	size_t qend = 0;

	(void)state;
	assert_int_equal(dns_msg_query(q, sizeof(query), &qend), 0);
	memcpy(msg, query, sizeof(msg));
	assert_false(dns_msg_is_reply(msg, qend, 0x1234, q, qend));
	msg[2] |= 0x80;
	assert_true(dns_msg_is_reply(msg, qend, 0x1234, q, qend));
	assert_false(dns_msg_is_reply(msg, qend, 0x1235, q, qend));
	for (size_t i = 0; i < qend; i++)
		assert_false(dns_msg_is_reply(msg, i, 0x1234, q, qend));
	for (size_t i = 0; i < qend * 8; i++) {
		uint8_t bit = (uint8_t)(1 << (i % 8));
		bool ok = i / 8 < DNS_HEADER_BYTES && (free_bits[i / 8] & bit);

		msg[i / 8] ^= bit;
		assert_int_equal(dns_msg_is_reply(msg, qend, 0x1234, q, qend),
				 ok);
		msg[i / 8] ^= bit;
	}
}

static void only_errors_may_lack_the_question(void **state)
{
	const uint8_t *q = (const uint8_t *)query;
	uint8_t msg[DNS_HEADER_BYTES] = { 0x12, 0x34, 0x81 };
	size_t qend = 0;

	(void)state;
	assert_int_equal(dns_msg_query(q, sizeof(query), &qend), 0);
	for (uint8_t rcode = 0; rcode < 16; rcode++) {
		bool ok = rcode == DNS_FORMERR || rcode == DNS_SERVFAIL ||
			  rcode == DNS_NOTIMP || rcode == DNS_REFUSED;

		msg[3] = rcode;
		assert_int_equal(
			dns_msg_is_reply(msg, sizeof(msg), 0x1234, q, qend),
			ok);
	}
	msg[7] = 1; /* an answer to what? */
	msg[3] = DNS_SERVFAIL;
	assert_false(dns_msg_is_reply(msg, sizeof(msg), 0x1234, q, qend));
}

static void error_reply_keeps_what_the_client_checks(void **state)
{
	uint8_t msg[64];
	const uint8_t *q = (const uint8_t *)query;
	size_t qend = 0;

	(void)state;
	assert_int_equal(dns_msg_query(q, sizeof(query), &qend), 0);
	memcpy(msg, query, sizeof(query));
	msg[11] = 1; /* an OPT that isn't copied */
	assert_int_equal(dns_msg_error(msg, msg, qend, DNS_SERVFAIL), qend);
	assert_true(dns_msg_is_reply(msg, qend, 0x1234, q, qend));
	assert_int_equal(dns_msg_rcode(msg), DNS_SERVFAIL);
	assert_int_equal(msg[2], 0x81);
	assert_int_equal(msg[3] & 0x80, 0x80);
	assert_int_equal(msg[11], 0);
}

/* A reply of one record of 600 bytes, OPT of @opt bytes behind it */
static size_t long_reply(uint8_t *msg, size_t opt)
{
	size_t pos = sizeof(query);

	memcpy(msg, query, sizeof(query)); /* its NUL ends the name ... */
	memcpy(msg + 14, "\x00" IN_A, 5);  /* ... which moves the type */
	pos = 19;
	memset(msg + pos, 0, 1000);
	msg[2] |= 0x80;
	msg[7] = msg[11] = 1;
	memcpy(msg + pos, "\xc0\x0c\x00\x10\x00\x01", 6);
	msg[pos + 10] = 600 >> 8;
	msg[pos + 11] = 600 & 0xff;
	pos += 12 + 600;
	msg[pos + 2] = 41;
	msg[pos + 9] = (uint8_t)(opt >> 8);
	msg[pos + 10] = (uint8_t)opt;
	return pos + 11 + opt;
}

static void cutting_keeps_opt_when_it_fits(void **state)
{
	uint8_t msg[2048];
	size_t len = long_reply(msg, 20);

	(void)state;
	assert_int_equal(dns_msg_cut(msg, len, 512), 19 + 31);
	assert_int_equal(msg[7], 0);
	assert_int_equal(msg[11], 1);
	assert_int_equal(msg[19 + 2], 41);
	len = long_reply(msg, 494);
	assert_int_equal(dns_msg_cut(msg, len, 512), 19);
	assert_int_equal(msg[11], 0);
	/* cut off within OPT */
	len = long_reply(msg, 20);
	assert_int_equal(dns_msg_cut(msg, len - 1, 512), 19);
	assert_int_equal(msg[11], 0);
}

static void mutations_do_no_harm(void **state)
{
	unsigned int seed = 7;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint8_t base[2048];
		size_t len = long_reply(base, 20), qend = 0;
		uint8_t *msg;

		len -= (unsigned int)rand_r(&seed) % len;
		msg = malloc(len);
		assert_non_null(msg);
		memcpy(msg, base, len);
		for (int n = rand_r(&seed) % 8; n > 0; n--)
			msg[(unsigned int)rand_r(&seed) % len] =
				(uint8_t)rand_r(&seed);
		if (len > 2)
			msg[2] &= 0x7f;
		if (dns_msg_query(msg, len, &qend) == 0) {
			assert_in_range(qend, 17, 271);
			assert_true(qend <= len);
		}
		if (len >= DNS_HEADER_BYTES)
			assert_in_range(dns_msg_cut(msg, len, 512), 12, 512);
		free(msg);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_queries_are_accepted),
		cmocka_unit_test(malformed_queries_are_refused),
		cmocka_unit_test(reply_must_match_in_everything),
		cmocka_unit_test(only_errors_may_lack_the_question),
		cmocka_unit_test(error_reply_keeps_what_the_client_checks),
		cmocka_unit_test(cutting_keeps_opt_when_it_fits),
		cmocka_unit_test(mutations_do_no_harm),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
