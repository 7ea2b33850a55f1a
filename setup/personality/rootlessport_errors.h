/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where rootlessport's messages go. Its starter reads stdout for the reason of
 * a failure and shows it; stderr is for the curious, until it is ready.
 */

#include "setup/personality/rootlessport_config.h"

struct errors {
	int read, said; /* what we and our children log; the caller's stderr */
};

#define ERRORS_NULL                                                            \
	{                                                                      \
		-1, -1                                                         \
	}

/**
 * errors_collect() - from now on stderr, ours and our children's, is kept
 * Return: 0 or -errno, logged
 */
int errors_collect(struct errors *e);

/**
 * errors_failed() - what was kept was the reason of a failure: to stdout
 * errors_quiet() - it was none: to the caller's stderr; nothing is said any
 *	more, and neither descriptor is held
 */
void errors_failed(struct errors *e);
void errors_quiet(struct errors *e);

/**
 * errors_of_listening() - in the original's words, on stdout: which port can't
 * be listened on
 *
 * The ports are tried once more: nothing of them may be open.
 *
 * Return: is there one?
 */
bool errors_of_listening(const struct rootlessport_config *cfg);
