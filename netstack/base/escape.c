// SPDX-License-Identifier: GPL-2.0-or-later
/* See escape.h. */
#include "netstack/base/escape.h"

size_t escape_byte(char out[ESCAPE_MAX], const char *p, size_t left)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*p;

	/* 0xc2 0x80..0x9f are the C1 controls in UTF-8 */
	if (c >= 0x20 && c != 0x7f &&
	    !(c == 0xc2 && left > 1 && ((unsigned char)p[1] & 0xe0) == 0x80)) {
		out[0] = *p;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return ESCAPE_MAX;
}
