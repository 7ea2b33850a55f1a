/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The other end of the control socket: what verbs ask a running pod. */

#include <jansson.h>

/* Where a pod's control socket is; all borrowed. */
struct control_peer {
	const char *name; /* the pod's, for people */
	int dir;	  /* where a relative path begins, or AT_FDCWD */
	const char *path;
};

/**
 * control_ask() - one request, one reply
 * @verb: to execute, without arguments
 *
 * Return: what is in "return", a new reference, or NULL with one line logged
 */
json_t *control_ask(const struct control_peer *peer, const char *verb);

/** control_ask_args() - the same, with @arguments, stolen; NULL: no memory */
json_t *control_ask_args(const struct control_peer *peer, const char *verb,
			 json_t *arguments);

/** control_ask_with() - control_ask(), and send @pass, a descriptor, along */
json_t *control_ask_with(const struct control_peer *peer, const char *verb,
			 int pass);

/**
 * control_warn() - say on stderr who had no answer for @reply, and the @effect;
 * the rest of it is good
 */
void control_warn(const json_t *reply, const char *effect);
