// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stages are those of supervisor.c, without a command. From the first on
 * signals wait for the loop, so that what was made under a name is removed.
 *
 * A target by path ends when nothing holds its network namespace any more: the
 * kernel takes the pod's device away then, and with it the hop's end. So we
 * hold it open only while it is set up; who wants it later asks for it by its
 * name. Where we have to hold it, by the socket that --publish-all needs or by
 * a TAP in the pod (only without veth or nftables), and when the pod has
 * deleted the device, its path is looked at: when that means it no more, we go.
 */
#include "setup/cli/uplink_verb.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/base/own_file.h"
#include "setup/base/sys.h"
#include "setup/helper/control_path.h"
#include "setup/helper/network.h"
#include "setup/net/target.h"

struct uplink_verb {
	const struct uplink_config *cfg;
	struct target target;
	struct network net;
	struct loop loop;
	struct loop_source signals, hung_up;
	struct target_watch watch;
	struct own_file pidfile;
	struct own_file api;
	int ready_fd, exit_fd, tap;
	int signal; /* that ended it */
};

/* ---- what ends it ---- */

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct uplink_verb *u = container_of(src, struct uplink_verb, signals);
	struct signalfd_siginfo si;

	(void)revents;
	if (read(src->fd, &si, sizeof(si)) == sizeof(si))
		u->signal = (int)si.ssi_signo;
	log_info("uplink: ended by a signal");
	loop_stop(&u->loop, 0);
}

static void on_target_ended(void *arg)
{
	struct uplink_verb *u = arg;

	log_info("uplink: %s has ended", u->target.word);
	loop_stop(&u->loop, 0);
}

static int watch_target(struct uplink_verb *u)
{
	return target_watch(&u->watch, &u->loop, &u->target, on_target_ended,
			    u);
}

static void on_hang_up(struct loop_source *src, uint32_t revents)
{
	struct uplink_verb *u = container_of(src, struct uplink_verb, hung_up);

	(void)revents;
	log_info("uplink: the exit descriptor was closed");
	loop_stop(&u->loop, 0);
}

/* The pod's device is gone: alone, or with all of the namespace? */
static void on_cut_off(void *arg)
{
	struct uplink_verb *u = arg;
	scoped_fd ns = target_again(&u->target);

	if (ns == -ENOENT) {
		on_target_ended(u);
		return;
	}
	helpers_tap_gone(&u->net.helpers);
	(void)watch_target(u); /* logged; then a signal ends us */
}

static void on_route6(void *arg, bool has_ipv6)
{
	struct uplink_verb *u = arg;
	struct hop *hop = &u->net.helpers.hop;

	if (u->cfg->bare || u->cfg->plain)
		return; /* not our route */
	hop->ns_pod = target_again(&u->target);
	/* logged where it fails; whoever made the pod may have removed it */
	if (hop->ns_pod >= 0)
		(void)hop_route6(hop, &u->net.plan, has_ipv6);
	fd_drop(&hop->ns_pod);
}

/* ---- stages ---- */

/*
 * After this: the target is known, signals wait, the control socket and the
 * host's ports are bound.
 * Must not yet: fork (network_1_bind()).
 */
static int uplink_1_bind(struct uplink_verb *u)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const char *userns = u->cfg->userns;
	int rc = u->tap < 0 ? target_open(&u->target, u->cfg->target, userns)
			    : target_open_tap(&u->target, u->tap, userns);

	if (!rc)
		rc = loop_init(&u->loop);
	if (!rc)
		rc = loop_signals(&u->loop, &u->signals, signals,
				  ARRAY_SIZE(signals), on_signal);
	if (!rc && u->cfg->pidfile)
		rc = own_file_dir(&u->pidfile, "--pidfile", u->cfg->pidfile);
	return rc ? rc : network_1_bind(&u->net, u->cfg->control);
}

/*
 * After this: the network works, and nothing of ours holds the target.
 * Must not yet: tell so.
 */
static int uplink_2_fork(struct uplink_verb *u)
{
	struct maker_config maker = {
		.hop = {
			.ns_pod = u->target.ns_net,
			.joined = true,
			/* a path's end is only seen when nobody holds it */
			.unheld = u->target.pidfd < 0 &&
				  !u->cfg->net.publish_all,
			.bare = u->cfg->bare,
			.plain = u->cfg->plain,
			.tap = u->tap,
			.own_mtu = u->cfg->own_mtu,
			.own_mac = u->cfg->own_mac,
		},
		.ns_user = u->target.ns_user,
		.runner.output = { -1, -1 },
	};
	int runner = -1;
	pid_t init = 0;
	int rc = network_2_fork(&u->net, &maker, &init, &runner);

	fd_drop(&runner); /* there is none */
	fd_drop(&u->net.helpers.hop.ns_pod);
	fd_drop(&u->target.ns_net);
	fd_drop(&u->target.ns_user);
	fd_drop(&u->tap); /* the hop has its own */
	return rc;
}

/*
 * Do we hold the namespace? Its end is that of its path then: a TAP's has none,
 * and slirp4netns doesn't end with it.
 */
static bool held(const struct uplink_verb *u)
{
	return u->cfg->tap < 0 && !u->cfg->plain &&
	       (u->cfg->net.publish_all || u->net.helpers.hop.tap_hop >= 0);
}

static int watch_ends(struct uplink_verb *u)
{
	int rc = u->target.pidfd >= 0 || held(u) ? watch_target(u) : 0;

	u->hung_up = (struct loop_source){ .fd = u->exit_fd,
					   .events = 0, /* EPOLLHUP comes */
					   .fn = on_hang_up };
	if (!rc && u->exit_fd >= 0)
		rc = loop_add(&u->loop, &u->hung_up);
	return rc;
}

static int write_pidfile(struct uplink_verb *u)
{
	char text[16];
	int rc;

	if (!u->cfg->pidfile)
		return 0;
	(void)snprintf(text, sizeof(text), "%d\n", getpid());
	rc = own_file_write(&u->pidfile, text);
	return rc ? log_errno(-rc, "--pidfile %s", u->cfg->pidfile) : 0;
}

/* Whoever waits for it may have given up; that is not our end. */
static void tell_ready(struct uplink_verb *u)
{
	int rc = u->ready_fd < 0 ? 0 : fd_tell_ready(&u->ready_fd);

	if (rc)
		log_warn("--ready-fd %d: %s", u->cfg->ready_fd, strerror(-rc));
}

static int serve_api(struct uplink_verb *u)
{
	int fd = control_path_replace(u->cfg->api, &u->api);

	return fd < 0 ? fd : control_verbs_serve_api(u->net.control, fd);
}

/*
 * After this: something has ended it. Its status is the loop's.
 */
static int uplink_3_serve(struct uplink_verb *u)
{
	int rc;

	sys_settle();
	rc = network_3_watch(&u->net, &u->loop, u->target.pid, -1);
	if (!rc)
		rc = network_dump_on_usr1(&u->net);
	if (!rc)
		rc = watch_ends(u);
	if (!rc)
		rc = write_pidfile(u);
	if (!rc && u->cfg->api)
		rc = serve_api(u);
	if (rc)
		return rc;
	if (u->cfg->there)
		u->cfg->there(u->cfg, &u->net.plan);
	tell_ready(u);
	manager_ready(&u->net.manager);
	return loop_run(&u->loop);
}

static void tear_down(struct uplink_verb *u)
{
	own_file_drop(&u->pidfile);
	own_file_drop(&u->api);
	target_unwatch(&u->watch);
	loop_del(&u->loop, &u->hung_up);
	loop_close(&u->loop, &u->signals);
	network_stop(&u->net, 0);
	target_close(&u->target);
	fd_drop(&u->ready_fd);
	fd_drop(&u->exit_fd);
	fd_drop(&u->tap);
	loop_deinit(&u->loop);
}

int uplink_serve(const struct uplink_config *cfg, int *by)
{
	struct uplink_verb *u = calloc(1, sizeof(*u));
	int *const passed[] = { &u->ready_fd, &u->exit_fd, &u->tap };
	const struct network_ops ops = { .route6 = on_route6,
					 .cut_off = on_cut_off,
					 .arg = u };
	int rc;

	*by = 0;
	if (!u)
		return log_errno(ENOMEM, "uplink");
	*u = (struct uplink_verb){
		.cfg = cfg,
		.target = TARGET_NULL,
		.loop = LOOP_NULL,
		.signals = LOOP_SOURCE_NULL,
		.watch = TARGET_WATCH_NULL,
		.hung_up = LOOP_SOURCE_NULL,
		.pidfile = OWN_FILE_NULL,
		.api = OWN_FILE_NULL,
		.ready_fd = cfg->ready_fd,
		.exit_fd = cfg->exit_fd,
		.tap = cfg->tap,
	};
	/* nobody may end us by not reading */
	(void)signal(SIGPIPE, SIG_IGN);
	network_init(&u->net, &cfg->net, &ops);
	rc = manager_keep(&u->net.manager, passed, ARRAY_SIZE(passed));
	if (!rc)
		rc = uplink_1_bind(u);
	if (!rc)
		rc = uplink_2_fork(u);
	if (!rc)
		rc = uplink_3_serve(u);
	*by = u->signal;
	tear_down(u);
	free(u);
	return rc;
}

int uplink_run(const struct uplink_config *cfg)
{
	int by, rc = uplink_serve(cfg, &by);

	return rc < 0 ? EXIT_OURS : rc;
}
