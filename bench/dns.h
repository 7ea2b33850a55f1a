/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Questions and answers of DNS, all of one form and each different. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_MAX 512

/**
 * dns_ask() - the question of @client's that has the number @seq
 * @out: DNS_MAX bytes
 * Return: its length
 */
size_t dns_ask(uint32_t client, uint32_t seq, uint8_t *out);

/**
 * dns_answer() - make it the answer to it: an address that is its number
 * @msg: DNS_MAX bytes, of which it has @len
 * Return: the length; 0: it is none of dns_ask()'s
 */
size_t dns_answer(uint8_t *msg, size_t len);

/**
 * dns_check() - is it the right answer to a question of @client's?
 * @seq: set when it is
 */
bool dns_check(const uint8_t *msg, size_t len, uint32_t client, uint32_t *seq);
