/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Bytes that could drive a terminal, made harmless. */

#include <stddef.h>

#define ESCAPE_MAX 4 /* bytes that one byte may become */

/**
 * escape_byte() - the byte at @p as text: itself, or \xNN for a control
 * @left: bytes at @p, at least 1; the second one tells a C1 control in UTF-8
 * Return: how many bytes of @out were written
 */
size_t escape_byte(char out[ESCAPE_MAX], const char *p, size_t left);
