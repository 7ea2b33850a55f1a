// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Braces are counted outside of strings; everything else is the JSON parser's
 * business. A newline can't be part of a JSON string, and requests are not
 * printed over several lines: it ends whatever there is.
 */
#include "setup/helper/control_frame.h"

#include <stdbool.h>

size_t frame_blanks(const char *in, size_t n)
{
	size_t i = 0;

	while (i < n && (in[i] == ' ' || in[i] == '\t' || in[i] == '\r' ||
			 in[i] == '\n'))
		i++;
	return i;
}

size_t frame_len(const char *in, size_t n)
{
	bool string = false, escaped = false;
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		char ch = in[i];

		if (ch == '\n')
			return i + 1;
		if (string) {
			string = escaped || ch != '"';
			escaped = !escaped && ch == '\\';
		} else if (ch == '"') {
			string = true;
		} else if (ch == '{') {
			depth++;
		} else if (ch == '}' && (depth == 0 || --depth == 0)) {
			return i + 1;
		}
	}
	return 0;
}
