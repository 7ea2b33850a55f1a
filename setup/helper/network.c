// SPDX-License-Identifier: GPL-2.0-or-later
/* See network.h; in stages, as the supervisor's own. */
#include "setup/helper/network.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/log_path.h"
#include "setup/helper/control_json.h"
#include "setup/net/poddev.h"

#define LOG_CHECK_S 10
#define RESOLV_PATH "/etc/resolv.conf"

void network_init(struct network *n, const struct net_config *cfg,
		  const struct network_ops *ops)
{
	*n = (struct network){
		.cfg = cfg,
		.manager = cfg->manager,
		.ops = *ops,
		.control_path = OWN_FILE_NULL,
		.control_listener = -1,
		.usr1 = LOOP_SOURCE_NULL,
		.pcap_file = -1,
		.recorder = RECORDER_NULL,
	};
	helpers_init(&n->helpers);
	publisher_init(&n->publisher);
}

/* ---- before anything is forked ---- */

static void raise_nofile(struct network *n)
{
	struct rlimit all;

	if (getrlimit(RLIMIT_NOFILE, &n->nofile))
		return; /* can't fail */
	all = n->nofile;
	all.rlim_cur = all.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &all); /* raising to hard can't fail */
}

static int publish_all(struct network *n)
{
	int rc = 0;

	n->publisher.passed = n->manager.fds;
	n->publisher.n_passed = n->manager.n_fds;
	for (size_t i = 0; i < n->cfg->n_specs && !rc; i++)
		rc = publisher_add(&n->publisher, &n->cfg->specs[i], NULL);
	manager_close_rest(&n->manager);
	return rc;
}

json_t *network_ports(const struct network *n)
{
	return control_json_port_list(&n->facts);
}

static void warn_of_clash(const struct podnet *plan)
{
	char net[UPLINK_NET_TEXT];

	if (uplink_clashes(plan, net))
		log_warn(
			"%s: the host has a route into it, too: the pod can't reach what is there (another --cidr or --cidr6)",
			net);
}

static void plan_pod(struct network *n)
{
	if (n->plan.has_ipv6 && !uplink_can_ipv6()) {
		log_info("IPv6: this kernel has none, nor has the pod");
		n->plan.has_ipv6 = false;
	}
	if (n->cfg->forward.kind)
		return;
	if (!n->plan.mtu_bytes)
		n->plan.mtu_bytes = uplink_mtu();
	n->route6 = n->plan.has_ipv6 && uplink_has_ipv6();
	warn_of_clash(&n->plan);
	/* no file, no servers: told by SERVFAIL when somebody asks */
	(void)resolv_read(RESOLV_PATH, &n->resolv);
}

int network_1_bind(struct network *n, const char *control)
{
	n->plan = n->cfg->plan;
	plan_pod(n);
	raise_nofile(n);
	if (control) {
		n->control_listener =
			control_path_listen(control, &n->control_path);
		if (n->control_listener < 0)
			return n->control_listener;
	}
	if (n->cfg->pcap.path) {
		n->pcap_file = recorder_file(&n->cfg->pcap);
		if (n->pcap_file < 0)
			return n->pcap_file;
	}
	return publish_all(n);
}

static void tell_helpers(struct network *n)
{
	n->helpers.net = n->cfg;
	n->helpers.plan = &n->plan;
	n->helpers.resolv = &n->resolv;
	n->helpers.publisher = &n->publisher;
}

int network_2_fork(struct network *n, struct maker_config *maker, pid_t *init,
		   int *runner_ctl)
{
	int rc;

	maker->hop.plan = &n->plan;
	maker->hop.datapath = n->cfg->datapath;
	maker->hop.serve_dns = n->cfg->serve_dns;
	maker->hop.route6 = n->route6;
	maker->hop.capture = n->pcap_file >= 0;
	n->joined = maker->hop.joined;
	tell_helpers(n);
	n->bare = maker->hop.bare || maker->hop.plain;
	n->helpers.route6 = n->route6 || n->bare;
	rc = helpers_start(&n->helpers, maker, init, runner_ctl);
	if (!rc && n->pcap_file >= 0)
		rc = recorder_start(&n->recorder, &n->cfg->pcap,
				    n->helpers.hop.capture, n->pcap_file);
	fd_drop(&n->helpers.hop.capture);
	fd_drop(&n->pcap_file);
	return rc;
}

int network_2_forward(struct network *n, int *ns_user, int *ns_net)
{
	tell_helpers(n);
	n->helpers.route6 = true; /* of the target; `lost` tells of answers */
	return helpers_forward(&n->helpers, fd_take(ns_user), fd_take(ns_net));
}

/* ---- running ---- */

static void on_helper(void *arg, enum helper who, pid_t pid, int ctl)
{
	static const enum query_who ask[] = {
		[HELPER_NETSTACK] = QUERY_NETSTACK,
		[HELPER_PORTFWD] = QUERY_PORTFWD,
		[HELPER_MAKER] = QUERY_MAKER,
	};
	struct network *n = arg;

	if (who == HELPER_PORTFWD)
		publisher_attach(&n->publisher, n->loop, ctl);
	if (!n->control)
		return;
	n->facts.pids[ask[who]] = pid;
	n->facts.restarts[ask[who]] = n->helpers.restarts[who].count;
	/* logged; until the next restart it can't be asked */
	(void)control_verbs_attach(n->control, ask[who], ctl);
}

static void on_degraded(void *arg, const char *reason)
{
	struct network *n = arg;

	n->facts.state_reason = reason;
}

/* The links of the hop have changed; its p0 goes with the pod's device. */
static void on_links(void *arg, int fd)
{
	struct network *n = arg;

	if (!hop_cut_off(fd))
		return;
	if (n->ops.cut_off)
		n->ops.cut_off(n->ops.arg);
	else
		helpers_tap_gone(&n->helpers);
}

/* Once is for good: a pod can't keep us busy with it. */
static void on_devices(void *arg, int fd)
{
	struct network *n = arg;

	if (poddev_alone(fd, &n->plan))
		return;
	n->devices = rtnl_alarm_free(n->devices);
	log_info("pod: has other devices: TCP's packets are of 64 KiB at most");
	(void)hop_small_packets(&n->helpers.hop); /* logged */
}

static void on_resolv(void *arg, const struct resolv *now)
{
	struct network *n = arg;

	n->resolv = *now;
	log_info("%s: changed: %zu servers", RESOLV_PATH, now->n_servers);
	(void)helpers_tell(&n->helpers, HELPER_NEWS_SERVERS); /* logged */
	if (n->ops.resolv)
		n->ops.resolv(n->ops.arg, now);
}

static void on_uplink(void *arg, bool has_ipv6)
{
	struct network *n = arg;

	log_info("uplink: %s IPv6 now", has_ipv6 ? "has" : "has no");
	n->helpers.route6 = has_ipv6 || n->bare;
	(void)helpers_tell(&n->helpers, HELPER_NEWS_ROUTE6); /* logged */
	if (n->ops.route6)
		n->ops.route6(n->ops.arg, has_ipv6);
	else
		/* logged where it fails; the user may have removed our route */
		(void)hop_route6(&n->helpers.hop, &n->plan, has_ipv6);
}

/* What changed between the first reading and the watch's begin. */
static int watch_resolv(struct network *n)
{
	struct resolv now;
	int rc = resolv_watch_new(&n->resolv_watch, n->loop, RESOLV_PATH,
				  on_resolv, n);

	if (rc)
		return rc;
	now = n->resolv;
	(void)resolv_read(RESOLV_PATH, &now); /* no file, no servers */
	if (!resolv_equal(&now, &n->resolv))
		on_resolv(n, &now);
	return 0;
}

static int watch_all(struct network *n)
{
	struct helpers_ops ops = { on_helper, on_degraded, n };
	int rc = helpers_watch(&n->helpers, n->loop, &ops);

	if (rc || n->cfg->forward.kind)
		return rc;
	rc = rtnl_alarm_new(&n->links, n->loop, fd_take(&n->helpers.hop.links),
			    on_links, n);
	if (!rc && n->helpers.hop.devices >= 0)
		rc = rtnl_alarm_new(&n->devices, n->loop,
				    fd_take(&n->helpers.hop.devices),
				    on_devices, n);
	if (!rc && n->cfg->serve_dns && !n->cfg->n_dns)
		rc = watch_resolv(n);
	if (!rc && n->plan.has_ipv6)
		rc = uplink_watch_new(&n->uplink_watch, n->loop, n->route6,
				      on_uplink, n);
	return rc;
}

static bool splices(const struct network *n)
{
	return n->cfg->forward.kind || helpers_splice(&n->helpers);
}

static const char *why_slirp(const struct network *n)
{
	if (splices(n))
		return NULL;
	return n->cfg->datapath == DATAPATH_SLIRP
		       ? "asked for with --datapath slirp"
		       : "the kernel can't steer packets for it here";
}

static void ports_changed(const struct network *n)
{
	if (n->ops.ports)
		n->ops.ports(n->ops.arg);
}

static void on_names(void *arg, int fd)
{
	struct network *n = arg;

	(void)fd;
	publisher_rebind(&n->publisher);
}

/* The interface that @spec names may be deleted, and another one made. */
static int watch_name(struct network *n, const struct spec *spec)
{
	int fd, rc;

	if (!spec->ifname[0] || n->names)
		return 0;
	fd = rtnl_alarm_socket(RTMGRP_LINK);
	if (fd < 0)
		return fd;
	rc = rtnl_alarm_new(&n->names, n->loop, fd, on_names, n);
	if (!rc) /* what has changed since it was bound */
		publisher_rebind(&n->publisher);
	return rc;
}

static int on_publish(void *arg, const struct spec *spec, uint32_t *id)
{
	struct network *n = arg;
	struct published *p = NULL;
	struct spec fit = *spec;
	int rc = outlet_fit(&n->cfg->forward, &fit);

	if (!rc)
		rc = publisher_add(&n->publisher, &fit, &p);
	if (rc)
		return rc;
	*id = p->id;
	ports_changed(n);
	(void)watch_name(n, spec); /* logged; then it stays as it is */
	return 0;
}

static void on_unpublish(void *arg, struct published *p, bool drop)
{
	struct network *n = arg;

	publisher_remove(&n->publisher, p, drop);
	ports_changed(n);
}

int network_publish(struct network *n, const struct spec *spec, uint32_t *id)
{
	return on_publish(n, spec, id);
}

void network_unpublish(struct network *n, uint32_t id)
{
	struct published *p = publisher_find(&n->publisher, id);

	if (p)
		on_unpublish(n, p, false);
}

static void on_judge(void *arg)
{
	struct network *n = arg;

	if (publisher_judge(&n->publisher))
		ports_changed(n);
}

static void on_lost(void *arg, const struct published *p)
{
	struct network *n = arg;
	char text[SPEC_TEXT_MAX];

	if (!autopublish_lost(n->autopublish, p->id))
		log_warn("%s: not published: portfwd has too many open files",
			 spec_format(&p->spec, text, sizeof(text)));
}

static void on_sent(void *arg)
{
	struct network *n = arg;

	control_verbs_sent(n->control);
}

/* @listener: besides that of --control, owned; -1: none */
static int start_control(struct network *n, pid_t infra, int listener)
{
	int rc;

	n->sockets.fd = n->helpers.hop.sockets;
	n->facts = (struct control_facts){
		.plan = n->cfg->forward.kind ? NULL : &n->plan,
		.serve_dns = n->cfg->serve_dns,
		.datapath = splices(n) ? "splice" : "slirp",
		.datapath_reason = why_slirp(n),
		.infra = infra,
		.sockets = &n->sockets,
		.publisher = &n->publisher,
		.pod = &n->plan,
		.forward = &n->cfg->forward,
		.publish = on_publish,
		.unpublish = on_unpublish,
		.judge = on_judge,
		.arg = n,
		.session = n->ops.session,
		.join = n->ops.join,
		.session_arg = n->ops.arg,
		.namespaces = n->namespaces,
	};
	n->publisher.sent = on_sent;
	n->publisher.lost = on_lost;
	n->publisher.arg = n;
	rc = control_verbs_new(&n->control, n->loop, &n->facts);
	if (rc)
		fd_drop(&listener);
	if (!rc && listener >= 0)
		rc = control_verbs_listen(n->control, listener);
	if (!rc && n->control_listener >= 0)
		rc = control_verbs_listen(n->control,
					  fd_take(&n->control_listener));
	for (int i = 0; i < HELPER_N && !rc; i++) {
		const struct child *c = &n->helpers.children[i];

		on_helper(n, (enum helper)i, c->pid, c->ctl);
	}
	return rc;
}

static int watch_log(struct network *n)
{
	/* no wake-ups without a file */
	if (*log_file_ref() < 0)
		return 0;
	return loop_timer_set(n->loop, &n->log_check,
			      mono_add(loop_now(n->loop), mono_s(LOG_CHECK_S)));
}

static void on_log_check(struct loop_timer *t)
{
	log_path_check();
	/* logged; then it grows */
	(void)watch_log(container_of(t, struct network, log_check));
}

static void on_followed(void *arg)
{
	struct network *n = arg;

	ports_changed(n);
	control_verbs_check_ports(n->control);
}

static int follow_ports(struct network *n)
{
	if (!n->cfg->publish_all)
		return 0;
	return autopublish_new(&n->autopublish, n->loop, &n->publisher,
			       &n->sockets, &n->plan, on_followed, n);
}

int network_3_watch(struct network *n, struct loop *loop, pid_t infra,
		    int listener)
{
	int rc;

	n->loop = loop;
	n->log_check.fn = on_log_check;
	rc = watch_log(n);
	if (!rc)
		rc = watch_all(n);
	if (!rc)
		rc = recorder_watch(&n->recorder, loop);
	if (rc) {
		fd_drop(&listener);
		return rc;
	}
	rc = start_control(n, infra, listener);
	for (size_t i = 0; i < n->cfg->n_specs && !rc; i++)
		rc = watch_name(n, &n->cfg->specs[i]);
	return rc ? rc : follow_ports(n);
}

int network_lead(struct network *n, const struct ip *ip,
		 const struct inbound *in)
{
	n->plan = (struct podnet){ 0 };
	outlet_lead(&n->plan, ip);
	n->helpers.lost[SPEC_TCP] = !in->tcp;
	n->helpers.lost[SPEC_UDP] = !in->udp;
	return n->loop ? helpers_tell(&n->helpers, HELPER_NEWS_TARGET) : 0;
}

static void on_usr1(struct loop_source *src, uint32_t revents)
{
	struct network *n = container_of(src, struct network, usr1);
	struct signalfd_siginfo si;

	(void)revents;
	if (read(src->fd, &si, sizeof(si)) == sizeof(si))
		control_verbs_dump(n->control);
}

int network_dump_on_usr1(struct network *n)
{
	static const int signals[] = { SIGUSR1 };

	return loop_signals(n->loop, &n->usr1, signals, ARRAY_SIZE(signals),
			    on_usr1);
}

void network_stop(struct network *n, pid_t init)
{
	manager_stopping(&n->manager);
	if (n->loop) {
		loop_close(n->loop, &n->usr1);
		loop_timer_stop(n->loop, &n->log_check);
	}
	n->autopublish = autopublish_free(n->autopublish);
	n->control = control_verbs_free(n->control);
	fd_drop(&n->control_listener);
	own_file_drop(&n->control_path);
	n->resolv_watch = resolv_watch_free(n->resolv_watch);
	n->uplink_watch = uplink_watch_free(n->uplink_watch);
	n->links = rtnl_alarm_free(n->links);
	n->devices = rtnl_alarm_free(n->devices);
	n->names = rtnl_alarm_free(n->names);
	if (n->joined)
		helpers_leave(&n->helpers);
	helpers_stop(&n->helpers, init);
	/* after the last packet */
	recorder_stop(&n->recorder);
	fd_drop(&n->pcap_file);
	publisher_deinit(&n->publisher);
	manager_free(&n->manager);
}
