/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The helper's processes beside the supervisor: forked, given their
 * descriptors, and started again when one dies.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "netstack/loop.h"
#include "setup/helper/child.h"
#include "setup/helper/maker.h"
#include "setup/helper/publisher.h"
#include "setup/net/resolv.h"

enum helper { HELPER_NETSTACK, HELPER_PORTFWD, HELPER_MAKER, HELPER_N };

/* What a process that runs can be told: something of struct helpers is new. */
enum helper_news {
	HELPER_NEWS_ROUTE6, /* route6, to portfwd */
	HELPER_NEWS_TARGET, /* plan, lost, to portfwd: `forward` leads elsewhere
			     */
	HELPER_NEWS_SERVERS, /* resolv, to netstack */
	HELPER_NEWS_N
};

struct helpers_ops {
	/* @who speaks over @ctl (non-blocking, borrowed) from now on; -1: it
	 * is gone, and will be started again */
	void (*changed)(void *arg, enum helper who, pid_t pid, int ctl);
	/* @reason why the pod's network doesn't do all it should, borrowed
	 * until the next call; NULL: it does again */
	void (*degraded)(void *arg, const char *reason);
	void *arg;
};

struct helpers {
	/* what they are told; set before helpers_start(), borrowed */
	const struct net_config *net;
	struct podnet *plan; /* completed by helpers_start() */
	const struct resolv *resolv;
	bool route6; /* the pod has an IPv6 route to the world */
	struct publisher *publisher;
	bool lost[2]; /* of `forward`: struct source's */
	/* the rest is kept here */
	struct child children[HELPER_N];
	struct hop hop;
	struct loop *loop;
	struct helpers_ops ops;
	struct helper_restart {
		/* of a dead one: start it; of a living one: it is stable */
		struct loop_timer timer;
		unsigned int failures; /* since it was last stable */
		uint64_t count;
		char why[96]; /* it ended last */
	} restarts[HELPER_N];
	bool untold[HELPER_NEWS_N]; /* there was no room yet */
	struct loop_timer tell_again;
	bool tap_gone;	  /* for good */
	char reason[192]; /* what was last told by ops.degraded(); "": none */
};

/** helpers_init() - the sentinel state: helpers_stop() is fine from here on */
void helpers_init(struct helpers *h);

/**
 * helpers_start() - fork all, make the pod, hand everything over
 * @maker: for the maker; its runner becomes the pod's pid 1. Its descriptors
 *	   stay the caller's
 * @init:  set as soon as the pod's pid 1 is there, also on failure: the caller
 *	   ends and reaps it
 * @runner_ctl: set to our end of the runner's control socket
 *
 * Blocks until all are ready. What fails has been logged, once.
 *
 * Return: 0 or -errno
 */
int helpers_start(struct helpers *h, struct maker_config *maker, pid_t *init,
		  int *runner_ctl);

/**
 * helpers_forward() - the same without a pod: portfwd, and a maker of sockets
 * that lead to the target of `forward`
 * @ns_user, @ns_net: namespaces to make them in, owned; -1: where we are
 */
int helpers_forward(struct helpers *h, int ns_user, int ns_net);

/**
 * helpers_watch() - from now on start again what dies
 *
 * netstack gets the same TAP, portfwd the same listeners, the maker the same
 * hop. Flows of portfwd are reset by its death, all others don't notice. One
 * that dies again and again is started ever more slowly, up to every 5 s, and
 * is told as degraded until it has lived for 10 s. A netstack whose TAP was
 * deleted is not started again.
 *
 * Return: 0 or -errno, logged
 */
int helpers_watch(struct helpers *h, struct loop *loop,
		  const struct helpers_ops *ops);

/**
 * helpers_tap_gone() - the pod has deleted its device: told, once, as degraded
 * There is nothing to restart: it comes back with the next pod.
 */
void helpers_tap_gone(struct helpers *h);

/** helpers_splice() - is TCP out of the pod spliced? After helpers_start() */
bool helpers_splice(const struct helpers *h);

/**
 * helpers_leave() - before helpers_stop(), of a pod that stays: after both its
 * device is gone, and the next helper can come. Idempotent.
 */
void helpers_leave(struct helpers *h);

/**
 * helpers_tell() - the process that @what is for; after helpers_watch()
 *
 * One that doesn't read just now is told later, and then as it is by then. One
 * that is being started knows.
 *
 * Return: 0 or -errno, logged
 */
int helpers_tell(struct helpers *h, enum helper_news what);

/**
 * helpers_stop() - end them; idempotent. @init is the pod's pid 1, 0: it is
 * gone. On return no port is taken any more.
 */
void helpers_stop(struct helpers *h, pid_t init);
