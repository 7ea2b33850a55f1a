/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* --publish-all: what the pod listens on is published while it does. */

#include "netstack/base/podnet.h"
#include "netstack/loop.h"
#include "setup/helper/publisher.h"
#include "setup/net/sockdiag.h"

/* A pod can't take more of the host's ports than that. */
#define AUTOPUBLISH_MAX 1000

struct autopublish;

/** Called from the loop: other ports are published now. */
typedef void (*autopublish_fn)(void *arg);

/**
 * autopublish_new() - begin to follow the pod's listening sockets
 * @publisher, @sockets, @plan: borrowed until autopublish_free()
 * @changed: called with @arg at most once for each look
 *
 * Sockets that the pod's address can reach: bound to it or to no address; of
 * UDP those without a peer, below the ports that clients get by default. Each
 * is published on the same host port, or else on a free one, unless a SPEC has
 * that port of the pod already. Both happens within a second. Open flows of a
 * port that is withdrawn live on.
 *
 * Return: 0 or -errno, logged
 */
int autopublish_new(struct autopublish **out, struct loop *loop,
		    struct publisher *publisher, struct sockdiag *sockets,
		    const struct podnet *plan, autopublish_fn changed,
		    void *arg);

/**
 * autopublish_lost() - portfwd couldn't take what has that id
 *
 * Where it is one of ours that is told here, and it is tried again while the
 * pod listens there. NULL is fine.
 *
 * Return: is it?
 */
bool autopublish_lost(struct autopublish *a, uint32_t id);

/** autopublish_free() - stop following; NULL is fine. Return: NULL */
struct autopublish *autopublish_free(struct autopublish *a);
