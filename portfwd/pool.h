/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Transparent sockets of the hop, fetched ahead of need from the socket maker:
 * an accepted connection then costs no round trip to another process.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "netstack/loop.h"

/* Kept per family; one request asks for as many as are missing. */
#define POOL_SIZE 32

struct pool;

/** Called from the loop when sockets have come after pool_has() said no. */
typedef void (*pool_refilled_fn)(void *arg);

/**
 * pool_new() - @maker: owned; @ipv6: keep IPv6 sockets, too
 * Return: 0 or -errno, logged
 */
int pool_new(struct pool **out, struct loop *loop, int maker, bool ipv6,
	     pool_refilled_fn refilled, void *arg);

/** pool_fill() - ask for sockets ahead of need; pool_new() doesn't */
void pool_fill(struct pool *p);

/**
 * pool_attach() - a new socket maker; @maker: owned
 * Return: 0 or -errno, logged
 */
int pool_attach(struct pool *p, int maker);

/** pool_free() - NULL is fine; Return: NULL */
struct pool *pool_free(struct pool *p);

/**
 * pool_has() - is there a socket of every family? When not, more are on their
 * way, and the callback tells when they are there.
 */
bool pool_has(struct pool *p);

/**
 * pool_shrink() - descriptors are short elsewhere in this process: close half
 * of the sockets kept, and keep fewer; each refill raises that by one again
 */
void pool_shrink(struct pool *p);

/**
 * pool_get() - take one socket: non-blocking, transparent, SO_REUSEADDR,
 * relay_socket_prepare()d
 * Return: descriptor or -EAGAIN: none now
 */
int pool_get(struct pool *p, int family);
