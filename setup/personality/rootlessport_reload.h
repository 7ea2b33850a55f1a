/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The socket over which podman tells rootlessport of a new address. */

#include "netstack/base/addr.h"
#include "netstack/loop.h"

struct reload;

/** Called from the loop: lead to @child. Return: 0 or -errno, logged */
typedef int (*reload_fn)(void *arg, const struct ip *child);

/**
 * reload_new() - serve @listener
 * @loop: borrowed until reload_free()
 * @listener: non-blocking, of packets; owned, also on failure
 *
 * A client sends a JSON string and reads "OK" or what went wrong. One that is
 * silent waits for its turn to be dropped: when there are too many.
 *
 * Return: 0 or -errno, logged
 */
int reload_new(struct reload **out, struct loop *loop, int listener,
	       reload_fn fn, void *arg);

/** reload_free() - NULL is fine; Return: NULL */
struct reload *reload_free(struct reload *r);
