// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Braces are counted outside of strings; everything else is the JSON parser's
 * business. A newline can't be part of a JSON string, and requests are not
 * printed over several lines: it ends whatever there is.
 */
#include "setup/helper/control_frame.h"

size_t frame_blanks(const char *in, size_t n)
{
	size_t i = 0;

	while (i < n && (in[i] == ' ' || in[i] == '\t' || in[i] == '\r' ||
			 in[i] == '\n'))
		i++;
	return i;
}

static size_t end_of(const char *in, size_t n, bool lines)
{
	bool string = false, escaped = false;
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		char ch = in[i];

		if (lines && ch == '\n')
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

size_t frame_len(const char *in, size_t n)
{
	return end_of(in, n, true);
}

bool frame_closed(const char *in, size_t n)
{
	return end_of(in, n, false) > 0;
}
