/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The world outside of netstack, for its fuzzer: no packet leaves this
 * process. The socket calls of libslirp and DNS are replaced by ones that give
 * out one end of an AF_UNIX socketpair; the input plays the other. Time stands
 * still but for world_wait(), and sleeping is the fuzzer's turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/base/mono.h"

/* How many sockets the process has at most at once: two descriptors each. */
#define WORLD_FDS 2048

struct world_ops {
	/* is this a destination that the pod may reach? Fails if not. */
	void (*check_dst)(const union endpoint *dst, int type);
	/* epoll_wait() was called: what it would do; Return: sleep no more */
	void (*sleep)(int events, int timeout_ms);
};

/** world_begin() - the calls are replaced from here on */
void world_begin(const struct world_ops *ops);

/** world_end() - and work as ever from here on; all sockets are closed */
void world_end(void);

/** world_wait() - time goes by */
void world_wait(struct mono t);

/** world_count() - sockets the process has open */
size_t world_count(void);

/* What the other end of a socket can do. */
enum world_act {
	WORLD_SEND,
	WORLD_READ,
	WORLD_SHUT,
	WORLD_CLOSE,
	WORLD_N_ACTS
};

/** world_act() - on the (@which modulo all)th socket, if there is any */
void world_act(unsigned int which, enum world_act act, const void *data,
	       size_t len);
