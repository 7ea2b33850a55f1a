/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The containers of a pod, as its supervisor knows them: each has a connection
 * to the container's own supervisor (member.h), made by the control socket's
 * join. It is what a membership lasts: its end, at either side, ends it. So
 * what a container has published is withdrawn whatever has killed it, and a
 * container notices the end of its pod whatever has killed that.
 */

#include <stdint.h>

#include "netstack/loop.h"
#include "portfwd/spec.h"
#include "setup/pod/infra.h"

/* Messages (netstack/base/msg.h) on the connection. */
enum member_msg {
	/* container to pod */
	MEMBER_JOIN = 1, /* text: its names for hosts, spaces between */
	MEMBER_PUBLISH,	 /* text: a SPEC */
	/* fd: its mount namespace. At its end nothing there may go on: strays.h
	 */
	MEMBER_MOUNTS,
	/* pod to container */
	MEMBER_POD = 64,  /* struct member_pod; fds: as its flags say */
	MEMBER_RESOLV,	  /* text of resolv.conf, whenever it changes */
	MEMBER_HOSTS,	  /* the same of hosts */
	MEMBER_PUBLISHED, /* text: why it isn't, or "" */
};

/* Which descriptors follow, by enum infra_ns. */
struct member_pod {
	uint8_t has[INFRA_NS_N];
	int32_t share; /* CLONE_NEW…: what containers share unasked */
};

#define MEMBER_NAMES_MAX 160

struct members_ops {
	/* Return: 0 or -errno, logged */
	int (*publish)(void *arg, const struct spec *spec, uint32_t *id);
	void (*unpublish)(void *arg, uint32_t id);
	/* others are here now: make hosts anew, and members_tell() */
	void (*changed)(void *arg);
	void *arg;
};

struct members {
	/* set before the first members_add(); borrowed */
	struct loop *loop;
	const int *namespaces; /* by enum infra_ns; -1: not there */
	int share;
	const char *resolv, *hosts; /* the texts as they are now */
	struct members_ops ops;
	/* the rest is kept here */
	struct list all;
};

/** members_init() - none yet */
void members_init(struct members *m);

/** members_add() - serve a connection; @conn: owned */
void members_add(struct members *m, int conn);

/** members_tell() - that text, MEMBER_RESOLV or _HOSTS, has changed */
void members_tell(struct members *m, enum member_msg text);

/**
 * members_names() - the names of all, with a space before each
 * @buf: of @cap bytes; those for which there is no room are left out
 */
void members_names(const struct members *m, char *buf, size_t cap);

/** members_deinit() - let go of all; nothing is withdrawn; idempotent */
void members_deinit(struct members *m);
