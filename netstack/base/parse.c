// SPDX-License-Identifier: GPL-2.0-or-later
/* See parse.h. strtoul() is not used: it takes signs, blanks and prefixes. */
#include "netstack/base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int parse_uint_n(const char *s, size_t len, uint64_t min, uint64_t max,
		 uint64_t *out)
{
	bool over = false;
	uint64_t v = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned int d = (unsigned int)(unsigned char)s[i] - '0';

		if (d > 9)
			return -EINVAL;
		if (v > (UINT64_MAX - d) / 10) {
			v = UINT64_MAX; /* saturate; text behind still checked
					 */
			continue;
		}
		v = v * 10 + d;
	}
	if (over || v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	return parse_uint_n(s, strlen(s), min, max, out);
}

int parse_size(const char *s, size_t len, uint64_t *out)
{
	static const char units[] = "kMG";
	const char *unit = len && s[len - 1] ? strchr(units, s[len - 1]) : NULL;
	unsigned int shift = unit ? 10 * (unsigned int)(unit - units + 1) : 0;
	int rc = parse_uint_n(s, len - (unit != NULL), 0, INT64_MAX >> shift,
			      out);

	if (!rc)
		*out <<= shift;
	return rc;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int parse_mac(const char *s, uint8_t out[6])
{
	static const uint8_t zero[6];
	uint8_t mac[6];

	if (strlen(s) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int hi = hex_digit(s[i * 3]), lo = hex_digit(s[i * 3 + 1]);

		if (hi < 0 || lo < 0 || (i < 5 && s[i * 3 + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(hi << 4 | lo);
	}
	if ((mac[0] & 1) || memcmp(mac, zero, 6) == 0)
		return -EINVAL;
	memcpy(out, mac, 6);
	return 0;
}
