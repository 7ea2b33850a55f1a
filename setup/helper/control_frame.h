/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where a request of the control protocol ends. Pure. */

#include <stdbool.h>
#include <stddef.h>

/** frame_blanks() - how many white bytes @in begins with */
size_t frame_blanks(const char *in, size_t n);

/**
 * frame_len() - the length of the request that @in begins with
 *
 * It ends behind the brace that closes its first one, or behind a newline: a
 * client may send one object and wait, without newline or half-close, and a
 * line that is no JSON doesn't swallow the next.
 *
 * Return: 0: not whole yet
 */
size_t frame_len(const char *in, size_t n);

/** frame_closed() - does @in have its first brace closed, on whatever line? */
bool frame_closed(const char *in, size_t n);
