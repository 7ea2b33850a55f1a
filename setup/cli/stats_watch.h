/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* --watch: what a verb of the control socket says, again every second. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct control_peer;

/*
 * Prints one reply. @before: the one a @seconds ago, NULL the first time.
 */
typedef void (*stats_watch_fn)(FILE *f, const json_t *now, const json_t *before,
			       double seconds);

/**
 * stats_watch() - until q or a signal, or until the pod is gone
 * @verb: what to ask it
 * @screen: false: print one reply after the other, also on a terminal
 *
 * On a terminal it is a screen that follows the terminal's size: what is too
 * wide or too long is cut off. The terminal is as it was afterwards, also after
 * ^C and while stopped by ^Z. What is no terminal gets one after the other.
 *
 * Return: 0; -errno when the pod can't be asked (any more), logged
 */
int stats_watch(const struct control_peer *peer, const char *verb,
		stats_watch_fn print, bool screen);
