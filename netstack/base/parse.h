/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Numbers and words out of untrusted text. Nothing here logs. */

#include <stddef.h>
#include <stdint.h>

/**
 * parse_uint() - a decimal number, nothing before or behind it
 * Return: 0, -EINVAL (no number, sign, leading blanks, trailing text) or
 *         -ERANGE (outside @min..@max)
 */
int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/**
 * parse_uint_n() - the same for the first @len characters of @s
 */
int parse_uint_n(const char *s, size_t len, uint64_t min, uint64_t max,
		 uint64_t *out);

/**
 * parse_size() - bytes, or with a suffix k, M, G units of 1024, 1024^2, 1024^3;
 * the first @len characters of @s
 * Return: as parse_uint(); -ERANGE from 2^63 on
 */
int parse_size(const char *s, size_t len, uint64_t *out);

/**
 * parse_mac() - "xx:xx:xx:xx:xx:xx", unicast, not all zero
 * Return: 0 or -EINVAL
 */
int parse_mac(const char *s, uint8_t out[6]);
