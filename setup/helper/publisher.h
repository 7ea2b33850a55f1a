/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a pod publishes: the listeners, which the supervisor holds, and what
 * portfwd was told of them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "netstack/loop.h"
#include "portfwd/portfwd.h"

/* One SPEC. */
struct published {
	struct list link;
	uint32_t id; /* from 1, in the order of publishing, never reused */
	struct spec spec;
	bool passed;	 /* the listeners, or some, were there before us */
	int *fds;	 /* spec.count listeners */
	uint16_t *ports; /* and their host ports */
	/* how many of them portfwd was sent, since it was started */
	unsigned int sent;
	bool again;	    /* and it has others in their places */
	bool asked;	    /* all were, before the question under way */
	bool removed, drop; /* portfwd isn't told yet */
	/* what portfwd told last */
	bool told;
	struct port_record record;
};

/** Called from the loop: portfwd was sent all it must be. */
typedef void (*publisher_sent_fn)(void *arg);

/** Called from publisher_judge(): portfwd couldn't take @p, which goes now. */
typedef void (*publisher_lost_fn)(void *arg, const struct published *p);

struct publisher {
	struct list specs; /* struct published, by id */
	int *passed;	   /* adopt_open()'s, borrowed; or NULL */
	size_t n_passed;
	uint32_t last_id;
	struct loop *loop;
	int ctl; /* to portfwd; -1: there is none */
	/* there is more to send: when it has room, or a little later */
	struct loop_source room;
	struct loop_timer again;
	unsigned int moves; /* how often it had room again */
	publisher_sent_fn sent;
	publisher_lost_fn lost; /* NULL, as the other: nobody cares */
	void *arg;
};

/** publisher_init() - the sentinel state */
void publisher_init(struct publisher *pb);

/** publisher_deinit() - closes everything, tells nobody; idempotent */
void publisher_deinit(struct publisher *pb);

/**
 * publisher_add() - adopt_open(), and tell portfwd when there is one
 * @out: set to what was added, or NULL
 * Return: 0 or -errno, logged; then nothing has changed
 */
int publisher_add(struct publisher *pb, const struct spec *spec,
		  struct published **out);

/**
 * publisher_remove() - @p is free from now on
 * @drop: reset its flows, too; else they go on
 *
 * Its host ports stay taken until portfwd has heard of it.
 */
void publisher_remove(struct publisher *pb, struct published *p, bool drop);

/**
 * publisher_rebind() - the host's interfaces have changed
 *
 * A socket is bound to the number of an interface, a SPEC names it. Where
 * another interface has that name now, its ports are bound anew: same id, same
 * host ports; open flows are left alone. What can't be bound is logged, and
 * tried again with the next call.
 */
void publisher_rebind(struct publisher *pb);

/** publisher_find() - Return: the one of that id, or NULL */
struct published *publisher_find(const struct publisher *pb, uint32_t id);

/**
 * publisher_match() - the one that a user means by a SPEC
 *
 * Same protocol, host address, pod ports, and the same host ports: as asked
 * for, or as the kernel chose them. What stands behind commas doesn't matter.
 *
 * @n: how many there are
 * Return: the first, or NULL
 */
struct published *publisher_match(const struct publisher *pb,
				  const struct spec *spec, size_t *n);

/**
 * publisher_send() - tell a portfwd that was just started of everything
 * @ctl: blocking
 * Return: 0 or -errno, not logged
 */
int publisher_send(struct publisher *pb, int ctl);

/**
 * publisher_attach() - changes go to the portfwd at @ctl from now on
 * @loop: borrowed until publisher_deinit()
 * @ctl: non-blocking, borrowed; it has had publisher_send(). -1: it is gone
 */
void publisher_attach(struct publisher *pb, struct loop *loop, int ctl);

/** publisher_busy() - is there more to send? Then publisher.sent() follows. */
bool publisher_busy(const struct publisher *pb);

/**
 * publisher_ask() - portfwd is about to be asked for its ports
 * publisher_tell() - it has answered so much
 * publisher_judge() - it has answered all: remove what it couldn't take
 *
 * Return: publisher_judge(): was there any?
 */
void publisher_ask(struct publisher *pb);
void publisher_tell(struct publisher *pb, const struct port_record *r,
		    size_t n);
bool publisher_judge(struct publisher *pb);
