// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stages of uplink_verb.c with two processes less: no netstack, and no hop.
 * portfwd accepts, the socket maker makes sockets where the target is.
 *
 * The maker lives in the target's network namespace, and so does what we hold
 * to start another one: the namespace can't end by itself. One that has a path
 * is looked at every now and then: when the path means it no more, we go.
 */
#include "setup/cli/forward_verb.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/helper/network.h"
#include "setup/net/target.h"

struct forward_verb {
	const struct forward_config *cfg;
	struct target target;
	struct network net;
	struct loop loop;
	struct loop_source signals;
	struct target_watch watch;
};

/* ---- what ends it ---- */

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct forward_verb *f =
		container_of(src, struct forward_verb, signals);

	(void)revents;
	log_info("forward: ended by a signal");
	loop_stop(&f->loop, 0);
}

static void on_target_ended(void *arg)
{
	struct forward_verb *f = arg;

	log_info("forward: %s has ended", f->cfg->netns);
	loop_stop(&f->loop, 0);
}

/* ---- stages ---- */

static int open_target(struct forward_verb *f)
{
	const struct podnet *plan = &f->cfg->net.plan;

	if (f->cfg->netns)
		return target_open(&f->target, f->cfg->netns, NULL);
	if (!plan->pod4.family && !uplink_can_ipv6()) {
		log_error("forward: an IPv6 target: this kernel has no IPv6");
		return -EAFNOSUPPORT;
	}
	return 0;
}

/*
 * After this: the target is known, signals wait, the control socket and the
 * host's ports are bound.
 * Must not yet: fork (network_1_bind()).
 */
static int forward_1_bind(struct forward_verb *f)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	int rc = open_target(f);

	if (!rc)
		rc = loop_init(&f->loop);
	if (!rc)
		rc = loop_signals(&f->loop, &f->signals, signals,
				  ARRAY_SIZE(signals), on_signal);
	return rc ? rc : network_1_bind(&f->net, f->cfg->control);
}

/*
 * After this: connections are accepted, until something has ended it.
 */
static int forward_2_serve(struct forward_verb *f)
{
	int rc = network_2_forward(&f->net, &f->target.ns_user,
				   &f->target.ns_net);

	sys_settle();
	if (!rc)
		rc = network_3_watch(&f->net, &f->loop, f->target.pid, -1);
	if (!rc)
		rc = network_dump_on_usr1(&f->net);
	if (!rc && f->cfg->netns)
		rc = target_watch(&f->watch, &f->loop, &f->target,
				  on_target_ended, f);
	if (rc)
		return rc;
	manager_ready(&f->net.manager);
	return loop_run(&f->loop);
}

static void tear_down(struct forward_verb *f)
{
	target_unwatch(&f->watch);
	loop_close(&f->loop, &f->signals);
	network_stop(&f->net, 0);
	target_close(&f->target);
	loop_deinit(&f->loop);
}

int forward_run(const struct forward_config *cfg)
{
	struct forward_verb *f = calloc(1, sizeof(*f));
	const struct network_ops ops = { .arg = f };
	int rc;

	if (!f) {
		(void)log_errno(ENOMEM, "forward");
		return EXIT_OURS;
	}
	*f = (struct forward_verb){
		.cfg = cfg,
		.target = TARGET_NULL,
		.loop = LOOP_NULL,
		.signals = LOOP_SOURCE_NULL,
		.watch = TARGET_WATCH_NULL,
	};
	/* nobody may end us by not reading */
	(void)signal(SIGPIPE, SIG_IGN);
	network_init(&f->net, &cfg->net, &ops);
	rc = manager_keep(&f->net.manager, NULL, 0);
	if (!rc)
		rc = forward_1_bind(f);
	if (!rc)
		rc = forward_2_serve(f);
	tear_down(f);
	free(f);
	return rc < 0 ? EXIT_OURS : rc;
}
