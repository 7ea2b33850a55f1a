/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A pod's network as the supervisor keeps it: published ports, the helper's
 * processes, the control socket, and what is watched on the host. The same for
 * a pod of our own and for a namespace that somebody else made.
 */

#include <sys/resource.h>

#include "setup/helper/autopublish.h"
#include "setup/helper/control_path.h"
#include "setup/helper/control_verbs.h"
#include "setup/helper/helpers.h"
#include "setup/helper/inbound.h"
#include "setup/net/resolv.h"
#include "setup/net/rtnl_alarm.h"
#include "setup/net/uplink.h"

struct network_ops {
	/* the host's resolvers have changed; NULL: nobody cares */
	void (*resolv)(void *arg, const struct resolv *now);
	/* there is an IPv6 route to the world now, or none any more; NULL: the
	 * pod is our own, and its default route follows */
	void (*route6)(void *arg, bool has_ipv6);
	/* the pod's device is gone; NULL: it is told as degraded */
	void (*cut_off)(void *arg);
	/* as in struct control_facts; NULL: there is no command of ours */
	bool (*session)(void *arg, int conn);
	/* the same; NULL: no container can be run in it */
	void (*join)(void *arg, int conn);
	/* other ports are published now; NULL: nobody cares */
	void (*ports)(void *arg);
	void *arg;
};

struct network {
	/* set by network_1_bind(), for the users to read */
	struct podnet plan;
	bool route6; /* the host has an IPv6 default route now */
	bool bare;   /* others set the pod's routes of IPv6, at least */
	struct resolv resolv;
	struct rlimit nofile; /* the caller's; ours is raised */
	struct helpers helpers;
	/* of a pod, for who asks; borrowed; NULL: not known */
	const int *namespaces; /* by enum infra_ns, -1: there is none */
	/* the rest is kept here */
	const struct net_config *cfg;
	struct network_ops ops;
	struct manager manager; /* taken over from cfg; manager_ready() it */
	bool joined;		/* the pod is somebody else's */
	struct loop *loop;
	struct publisher publisher;
	struct own_file control_path;
	int control_listener;	       /* until it is given to control */
	struct control_verbs *control; /* NULL: nobody can ask */
	struct control_facts facts;
	struct resolv_watch *resolv_watch;
	struct uplink_watch *uplink_watch;
	struct sockdiag sockets; /* its descriptor is the hop's */
	struct autopublish *autopublish;
	struct rtnl_alarm *links;   /* of the hop */
	struct rtnl_alarm *devices; /* of the pod; NULL: not watched */
	struct rtnl_alarm *names;   /* of the host; NULL: no SPEC has any */
	struct loop_source usr1;
	struct loop_timer log_check;
	int pcap_file;
	struct recorder recorder;
};

/** network_init() - the sentinel state; @cfg is borrowed but for its manager */
void network_init(struct network *n, const struct net_config *cfg,
		  const struct network_ops *ops);

/**
 * network_1_bind() - what can fail most cheaply, before anything is forked
 * @control: path of the control socket, or NULL
 *
 * After this: the plan is complete, the control socket and the host's ports
 * are bound.
 * Must not yet: fork, or start a thread: what the helpers shouldn't have must
 * not be there when they are forked.
 *
 * Return: 0 or -errno, logged
 */
int network_1_bind(struct network *n, const char *control);

/** network_2_fork() - helpers_start(), with the same parameters behind @n */
int network_2_fork(struct network *n, struct maker_config *maker, pid_t *init,
		   int *runner_ctl);

/**
 * network_2_forward() - the same for a cfg->forward: no pod, no TAP
 * @ns_user, @ns_net: namespaces of the target to enter, -1: none; taken over
 *
 * Return: 0 or -errno, logged
 */
int network_2_forward(struct network *n, int *ns_user, int *ns_net);

/**
 * network_3_watch() - serve the control socket, start again what dies
 * @loop:  borrowed until network_stop()
 * @infra: the pod's first process, for who asks
 * @listener: of another control socket, owned; -1: none
 *
 * Return: 0 or -errno, logged
 */
int network_3_watch(struct network *n, struct loop *loop, pid_t infra,
		    int listener);

/**
 * network_dump_on_usr1() - from now on SIGUSR1 writes the state into the log
 * After network_3_watch(). Return: 0 or -errno, logged
 */
int network_dump_on_usr1(struct network *n);

/**
 * network_lead() - a `forward` leads to @ip and to nothing else from now on
 * @in: what inbound_prepare() has found of it; zeroed, where the outlet isn't
 *	transparent
 *
 * Before network_2_forward(), whose outlet must be transparent if it is ever to
 * keep clients' addresses, or while it runs: what is connected stays then, UDP
 * begins anew.
 *
 * Return: 0 or -errno, logged
 */
int network_lead(struct network *n, const struct ip *ip,
		 const struct inbound *in);

/**
 * network_publish() - another port, from network_3_watch() on
 * @id: set to its number
 * Return: 0 or -errno, logged
 */
int network_publish(struct network *n, const struct spec *spec, uint32_t *id);

/** network_unpublish() - withdraw it, if it is there still */
void network_unpublish(struct network *n, uint32_t id);

/** network_ports() - what is published, for the record; a new reference */
json_t *network_ports(const struct network *n);

/** network_stop() - as helpers_stop(), and all the rest; idempotent */
void network_stop(struct network *n, pid_t init);
