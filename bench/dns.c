// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A question is one for the address (A) of SSSSSSSS-CCCCCCCC.bench.test, its
 * number and its client's in hexadecimal: no cache on the way knows it. The
 * answer has its number for an address, so that it can be told from any other.
 *
 * What is on the way may put records of its own behind the answer.
 */
#include "bench/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_LEN   12
#define NAME_LEN   17 /* of the first label */
#define ANSWER_LEN 16
#define TTL_AT	   6
#define ZONE	   "\5bench\4test\0\0\1\0\1" /* its end, class, type */
/* the question: the first label with its length, the zone */
#define QUESTION_LEN (1 + NAME_LEN + sizeof(ZONE) - 1)

/* one question, one answer */
static const uint8_t counts[] = { 0, 1, 0, 1 };
static const uint8_t asks[HEAD_LEN - 2] = { 1, 0, 0, 1 };
/* the name at HEAD_LEN, type, class, no time to live, an address */
static const uint8_t record[ANSWER_LEN - 4] = { 0xc0, HEAD_LEN, 0, 1, 0, 1,
						0,    0,	0, 0, 0, 4 };

static void write_question(uint32_t client, uint32_t seq, uint8_t *out)
{
	char name[NAME_LEN + 1];

	(void)snprintf(name, sizeof(name), "%08x-%08x", seq, client);
	*out = NAME_LEN;
	memcpy(out + 1, name, NAME_LEN);
	memcpy(out + 1 + NAME_LEN, ZONE, sizeof(ZONE) - 1);
}

size_t dns_ask(uint32_t client, uint32_t seq, uint8_t *out)
{
	out[0] = (uint8_t)(seq >> 8);
	out[1] = (uint8_t)seq;
	memcpy(out + 2, asks, sizeof(asks));
	write_question(client, seq, out + HEAD_LEN);
	return HEAD_LEN + QUESTION_LEN;
}

/* Return: is that the name of a question? */
static bool read_question(const uint8_t *q, uint32_t *client, uint32_t *seq)
{
	char name[NAME_LEN + 1] = "", *end;
	uint8_t again[QUESTION_LEN];

	memcpy(name, q + 1, NAME_LEN);
	*seq = (uint32_t)strtoul(name, &end, 16);
	if (*end != '-')
		return false;
	*client = (uint32_t)strtoul(end + 1, NULL, 16);
	write_question(*client, *seq, again);
	return memcmp(q, again, QUESTION_LEN) == 0;
}

size_t dns_answer(uint8_t *msg, size_t len)
{
	uint8_t *answer = msg + HEAD_LEN + QUESTION_LEN;
	uint32_t client, seq;

	if (len < HEAD_LEN + QUESTION_LEN ||
	    !read_question(msg + HEAD_LEN, &client, &seq))
		return 0;
	msg[2] = 0x84; /* an answer, by who knows */
	msg[3] = 0;
	memcpy(msg + 4, counts, sizeof(counts));
	memset(msg + 8, 0, HEAD_LEN - 8);
	memcpy(answer, record, sizeof(record));
	seq = htonl(seq);
	memcpy(answer + sizeof(record), &seq, sizeof(seq));
	return HEAD_LEN + QUESTION_LEN + ANSWER_LEN;
}

bool dns_check(const uint8_t *msg, size_t len, uint32_t client, uint32_t *seq)
{
	const uint8_t *answer = msg + HEAD_LEN + QUESTION_LEN;
	uint32_t who, address;

	if (len < HEAD_LEN + QUESTION_LEN + ANSWER_LEN ||
	    !read_question(msg + HEAD_LEN, &who, seq) || who != client)
		return false;
	memcpy(&address, answer + sizeof(record), sizeof(address));
	return msg[0] == (uint8_t)(*seq >> 8) && msg[1] == (uint8_t)*seq &&
	       (msg[2] & 0x80) && (msg[3] & 0x0f) == 0 &&
	       memcmp(msg + 4, counts, sizeof(counts)) == 0 &&
	       memcmp(answer, record, TTL_AT) == 0 &&
	       memcmp(answer + TTL_AT + 4, record + TTL_AT + 4, 2) == 0 &&
	       ntohl(address) == *seq;
}
