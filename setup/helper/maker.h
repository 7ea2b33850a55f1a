/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The process that makes the namespaces, the hop and the pod's network, and
 * then stays in the hop as the socket maker: it has CAP_NET_RAW there and does
 * nothing but make transparent sockets and send them to portfwd.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/base/procmem.h"
#include "setup/helper/outlet.h"
#include "setup/net/hop.h"
#include "setup/pod/infra.h"
#include "setup/pod/runner.h"

/* Between supervisor and maker: while the pod is made, then its memory. */
enum maker_setup_msg {
	/* maker to supervisor */
	MAKER_NEED_MAPS = 1, /* its user namespace is there: write its maps */
	MAKER_POD,	     /* int32_t: the pod's pid 1, a child of yours */
	MAKER_HOP,	     /* struct maker_hop; fds: as its flags say */
	MAKER_STATS_ARE,     /* struct maker_totals */
	MAKER_READY,	     /* of `forward`: locked up */
	/* supervisor to maker */
	MAKER_MAPPED = 64,
	MAKER_PORTFWD, /* a new portfwd; fd: the socket to it */
	MAKER_STATS,   /* uint32_t cookie; reply STATS_ARE */
};

struct maker_totals {
	uint32_t cookie; /* the asker's */
	struct procmem mem;
};

/* Which descriptors of struct hop follow, in the order of its fields. */
struct maker_hop {
	bool has[13];
	struct podnet plan; /* as hop_setup() left it */
};

struct maker_config {
	/* joined: ns_pod is set; else it is filled in by the maker */
	struct hop_config hop;
	/* joined: the user namespace to work in, -1: the one we are in */
	int ns_user;
	/* not joined; its may_setgroups is filled in by the maker */
	struct runner_config runner;
	/* instead: a pod without a command; borrowed, or NULL */
	const struct infra_config *infra;
};

/**
 * maker_main() - make the pod, or join one, then serve transparent sockets
 * @ctl:     owned: to the supervisor
 * @portfwd: owned: to portfwd
 * @runner:  owned: becomes the runner's, or infra's, end of its control socket
 *
 * Forked from the supervisor; the pod's pid 1 becomes the supervisor's child.
 * With @cfg->hop.joined there is none, @runner is not used.
 *
 * Return: exit status; in the pod's process, runner_main() and infra_main()
 *	   never return
 */
int maker_main(struct maker_config *cfg, int ctl, int portfwd, int runner);

/**
 * maker_again() - be the socket maker of a hop that exists
 * @hop: its ns_user and ns_hop are used, and closed; @ctl, @portfwd: owned
 * @outlet: if it isn't OUTLET_HOP they are those of `forward`'s target, and the
 *	  sockets are outlet.h's
 * Return: exit status
 */
int maker_again(const struct hop *hop, const struct outlet *outlet, int ctl,
		int portfwd);

/**
 * maker_hop_recv() - the supervisor's side of MAKER_HOP
 * @ctl: to the maker; write the maps and note the pod's pid meanwhile
 * @plan: set to what became of it
 * @pod: set as soon as the pod's pid 1 exists: reap it also on failure
 *
 * Return: 0 or -errno; the maker has logged why
 */
int maker_hop_recv(int ctl, pid_t maker, struct hop *out, struct podnet *plan,
		   pid_t *pod);
