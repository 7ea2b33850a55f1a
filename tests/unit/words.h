/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A command line in one string, and what is said to it. After <cmocka.h>. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/capture.h"

#define WORDS_MAX 24

/* Kept as long as the config that borrows from it. */
struct words {
	char copy[512], *argv[WORDS_MAX];
	char said[1024]; /* on stderr */
};

/* Cut @text at each blank. */
static inline void words_cut(struct words *w, const char *text)
{
	char *p = w->copy, *word;
	size_t n = 0;

	(void)snprintf(w->copy, sizeof(w->copy), "%s", text);
	while ((word = strsep(&p, " ")) && n < WORDS_MAX - 1)
		w->argv[n++] = word;
	w->argv[n] = NULL;
}

/* @rc of the parser: it refused them, in one line that has @why in it. */
static inline void words_refused(const struct words *w, int rc, const char *why)
{
	assert_true(rc < 0);
	if (!strstr(w->said, why))
		fail_msg("%s: %s", w->argv[0], w->said);
	/* one line */
	assert_ptr_equal(strchr(w->said, '\n'), w->said + strlen(w->said) - 1);
}
