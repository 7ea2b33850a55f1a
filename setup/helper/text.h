/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A text that grows, and then has several readers. */

#include <jansson.h>
#include <stddef.h>

/* A reply that would be longer is refused. */
#define TEXT_MAX (64U << 20)

struct text {
	unsigned int refs;
	int err; /* -errno of the first append that failed; the rest is lost */
	size_t len, cap;
	char *data; /* not NUL-terminated */
};

/** text_new() - Return: it, with one reference, or NULL */
struct text *text_new(void);

struct text *text_ref(struct text *t);

/** text_unref() - NULL is fine; Return: NULL */
struct text *text_unref(struct text *t);

void text_add(struct text *t, const char *data, size_t len);
void text_puts(struct text *t, const char *s);

/** text_json() - append @value, compact; @value is stolen, NULL: no memory */
void text_json(struct text *t, json_t *value);
