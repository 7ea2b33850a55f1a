/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Transparent sockets of the hop, fetched ahead of need from the socket maker:
 * an accepted connection then costs no round trip to another process.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "netstack/base/list.h"
#include "netstack/loop.h"

/* Kept per family; one request asks for as many as are missing. */
#define POOL_SIZE 32

struct pool;

/* Who takes sockets of one type. Embedded; recovered with container_of(). */
struct pool_user {
	struct list link;
	int type;    /* SOCK_STREAM, SOCK_DGRAM or SOCK_RAW */
	bool wanted; /* pool_has() has said no */
	/* they are connected when they come: none is kept in reserve */
	bool on_demand;
	/* called from the loop when sockets have come after that; or NULL */
	void (*refilled)(struct pool_user *user);
	/* on_demand: none will come for who waits longest: @err */
	void (*failed)(struct pool_user *user, int err);
};

/**
 * pool_new() - @maker: owned; @ipv6: keep IPv6 sockets, too
 * Return: 0 or -errno, logged
 */
int pool_new(struct pool **out, struct loop *loop, int maker, bool ipv6);

/** pool_join() - @user: type and refilled are set; one user a type */
void pool_join(struct pool *p, struct pool_user *user);

/** pool_leave() - the sockets kept for @user are closed; harmless for one who
 * hasn't joined, or left */
void pool_leave(struct pool *p, struct pool_user *user);

/**
 * pool_families() - from now on keep IPv6 sockets too, or none any more
 * Its users ask for them when they need one.
 */
void pool_families(struct pool *p, bool ipv6);

/** pool_fill() - ask for sockets ahead of need; pool_join() doesn't */
void pool_fill(struct pool *p, const struct pool_user *user);

/**
 * pool_attach() - a new socket maker; @maker: owned
 * Return: 0 or -errno, logged
 */
int pool_attach(struct pool *p, int maker);

/** pool_free() - NULL is fine; Return: NULL */
struct pool *pool_free(struct pool *p);

/**
 * pool_has() - how many sockets are there, of the family that has fewest? When
 * there is none, more are on their way, and the callback tells when they come.
 */
size_t pool_has(struct pool *p, struct pool_user *user);

/**
 * pool_shrink() - descriptors are short elsewhere in this process: close half
 * of the sockets kept, and keep fewer; each refill raises that by one again
 */
void pool_shrink(struct pool *p);

/**
 * pool_get() - take one socket, as the maker made it: non-blocking,
 * transparent, SO_REUSEADDR, options as hop_transparent() sets them Return:
 * descriptor or -EAGAIN: none now
 */
int pool_get(struct pool *p, const struct pool_user *user, int family);
