// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A listing of thousands of flows is kept as the text it will be, not as a tree
 * of JSON values, which takes ten times the memory and has to be printed in one
 * go. Errors stick, so that only the last step has to look.
 */
#include "setup/helper/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* a millisecond of a year is 11 digits; 17 show what binary can't hold */
#define FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

struct text *text_new(void)
{
	struct text *t = calloc(1, sizeof(*t));

	if (t)
		t->refs = 1;
	return t;
}

struct text *text_ref(struct text *t)
{
	t->refs++;
	return t;
}

struct text *text_unref(struct text *t)
{
	if (t && --t->refs == 0) {
		free(t->data);
		free(t);
	}
	return NULL;
}

static int make_room(struct text *t, size_t len)
{
	size_t cap = t->cap ? t->cap : 512;
	char *p;

	if (len > TEXT_MAX - t->len)
		return -E2BIG;
	while (cap - t->len < len)
		cap *= 2;
	if (cap == t->cap)
		return 0;
	p = realloc(t->data, cap);
	if (!p)
		return -ENOMEM;
	t->data = p;
	t->cap = cap;
	return 0;
}

void text_add(struct text *t, const char *data, size_t len)
{
	if (!t->err)
		t->err = make_room(t, len);
	if (t->err)
		return;
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static int add_part(const char *data, size_t len, void *arg)
{
	struct text *t = arg;

	text_add(t, data, len);
	return t->err;
}

void text_json(struct text *t, json_t *value)
{
	if (!value || json_dump_callback(value, add_part, t, FLAGS))
		t->err = t->err ? t->err : -ENOMEM;
	json_decref(value);
}
