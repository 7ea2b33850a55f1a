/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What can be asked over the control socket: exec, info, stats, flows, and what
 * control_ports.h has. */

#include "netstack/base/podnet.h"
#include "setup/helper/control.h"
#include "setup/helper/publisher.h"
#include "setup/helper/query.h"
#include "setup/net/sockdiag.h"

/* What the supervisor knows of the pod; looked at when somebody asks. */
struct control_facts {
	const struct podnet *plan; /* NULL: `forward`, which has no pod */
	bool serve_dns;
	const char *datapath;	     /* "splice", "slirp" */
	const char *datapath_reason; /* why not splice, or NULL */
	const char *state_reason;    /* why it is degraded, or NULL */
	pid_t infra;		     /* the pod's first process */
	pid_t pids[QUERY_N_WHO];     /* 0: not there */
	unsigned int restarts[QUERY_N_WHO];
	struct sockdiag *sockets; /* of the pod; NULL: none */
	struct publisher *publisher;
	/* where the ports lead: the pod, or the target of `forward` */
	const struct podnet *pod;
	const struct outlet *forward;
	/* Return: 0 or -errno, logged */
	int (*publish)(void *arg, const struct spec *spec, uint32_t *id);
	/* @p is free afterwards */
	void (*unpublish)(void *arg, struct published *p, bool drop);
	/* portfwd has told what it has */
	void (*judge)(void *arg);
	void *arg; /* theirs */
	/*
	 * Let pid 1 of the pod serve an `exec` on @conn, borrowed; NULL: it
	 * isn't ours. Return: does it?
	 */
	bool (*session)(void *arg, int conn);
	/* let a container be run in it, by who has the other end of @conn,
	 * owned (members.h); NULL: it can't be */
	void (*join)(void *arg, int conn);
	void *session_arg; /* of these two */
	/* the pod's, by enum infra_ns, -1: it has none; NULL: not known */
	const int *namespaces;
};

/**
 * control_verbs_exec() - answer a call of `exec`
 * @session: as in struct control_facts
 */
void control_verbs_exec(struct control_call *call,
			bool (*session)(void *arg, int conn), void *arg);

struct control_verbs;

/**
 * control_verbs_new() - without a listener yet
 * @facts: borrowed
 * Return: 0 or -errno, logged
 */
int control_verbs_new(struct control_verbs **out, struct loop *loop,
		      const struct control_facts *facts);

/**
 * control_verbs_listen() - serve @listener, and perhaps others
 * @listener: non-blocking; owned, also on failure
 * Return: 0 or -errno, logged
 */
int control_verbs_listen(struct control_verbs *v, int listener);

/**
 * control_verbs_serve_api() - the same verbs, in the manners of slirp4netns'
 * API socket
 *
 * Return: as control_verbs_listen()
 */
int control_verbs_serve_api(struct control_verbs *v, int listener);

/** control_verbs_sent() - publisher.sent() */
void control_verbs_sent(struct control_verbs *v);

/**
 * control_verbs_check_ports() - see whether portfwd could take what is new, as
 * with each call about ports: facts.judge() is called when it has told
 */
void control_verbs_check_ports(struct control_verbs *v);

/** control_verbs_dump() - write info and stats into the log, a line a section
 */
void control_verbs_dump(struct control_verbs *v);

/** control_verbs_free() - before the children's sockets close; Return: NULL */
struct control_verbs *control_verbs_free(struct control_verbs *v);

/** control_verbs_attach() - query_attach(); NULL is fine */
int control_verbs_attach(struct control_verbs *v, enum query_who who, int fd);
