/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The control socket's transport: clients, framing, and nobody who could make
 * the loop wait. What the verbs mean is control_verbs.h.
 *
 * A request is one JSON object, {"execute": VERB, "arguments": {...}}. It ends
 * with its closing brace, a newline, or the client's half-close, whichever
 * comes first. The reply, {"return": ...} or {"error": {"desc": ...}}, is one
 * line. A descriptor may come with it. Requests of one client are answered in
 * order, the next being looked at when the reply before it has been written.
 */

#include <jansson.h>

#include "netstack/loop.h"
#include "setup/helper/text.h"

#define CONTROL_REQUEST_MAX 65536
#define CONTROL_CLIENTS_MAX 32

struct control;

/*
 * A request that is being answered. It may be kept on a list while the answer
 * is gathered; a client that goes takes it off. The rest is its verb's own.
 */
struct control_call {
	struct list link;
	int state;
	uint32_t id;
};

/**
 * A request. Ends with one call of control_return(), control_error() or
 * control_reply(), at once or later.
 * @arguments: an object, or NULL; borrowed, gone after the return
 */
typedef void (*control_fn)(void *arg, struct control_call *call,
			   const char *verb, const json_t *arguments);

/* How a listener's clients speak and are spoken to. */
struct control_manners {
	/* a request of so many bytes is too long; up to CONTROL_REQUEST_MAX */
	size_t too_long;
	/* one request a client, on as many lines as it likes, whatever stands
	 * behind it; the reply has no newline */
	bool once;
	/* what a bad one is answered with */
	const char *length, *json, *object, *verb;
};

struct control_times {
	struct mono request; /* from a request's first byte to its end */
	struct mono reply;   /* for the client to read something of it */
	struct mono full;    /* an idle client's, when others wait */
};

/**
 * control_new() - serve a listening socket
 * @loop:     borrowed
 * @listener: non-blocking; owned, also on failure
 * Return: 0 or -errno, logged
 */
int control_new(struct control **out, struct loop *loop, int listener,
		control_fn fn, void *arg);

/** control_free() - drops all clients; NULL is fine; Return: NULL */
struct control *control_free(struct control *c);

/** control_set_manners() - other ones than ours; @manners is borrowed */
void control_set_manners(struct control *c,
			 const struct control_manners *manners);

/** control_set_times() - shorter ones for tests */
void control_set_times(struct control *c, const struct control_times *times);

/**
 * control_take_fd() - the descriptor that was sent along with a request
 * Only within control_fn. Return: it, the caller's from then on, or -1
 */
int control_take_fd(struct control_call *call);

/** control_return() - {"return": @value}; @value is stolen */
void control_return(struct control_call *call, json_t *value);

/** control_envelope() - the whole reply; @envelope is stolen */
void control_envelope(struct control_call *call, json_t *envelope);

/** control_error() - {"error": {"desc": ...}} */
void control_error(struct control_call *call, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** control_reply() - @reply is the whole line, newline included; referenced */
void control_reply(struct control_call *call, struct text *reply);
