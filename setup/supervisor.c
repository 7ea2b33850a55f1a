// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start has stages, each a function with its number. Up to the third the
 * supervisor waits in plain system calls, and ^C simply ends it: all that
 * exists goes away with its processes. Then the loop runs until the pod's
 * first process ends.
 *
 * The supervisor keeps what must survive a child: TAP, listeners, hop.
 */
#include "setup/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/listen.h"
#include "setup/control_path.h"
#include "setup/control_verbs.h"
#include "setup/front.h"
#include "setup/helpers.h"
#include "setup/resolv.h"
#include "setup/rtnl_alarm.h"
#include "setup/sys.h"
#include "setup/uplink.h"

#define RESOLV_PATH    "/etc/resolv.conf"
#define STATUS_FAILED  125
#define HOSTS_TEXT_MAX 1024

struct supervisor {
	const struct run_config *cfg;
	struct podnet plan;
	bool route6;
	struct rlimit nofile; /* the caller's */
	struct resolv resolv;
	struct published *published; /* one for each of cfg->net.specs */
	struct helpers helpers;
	struct control_path control_path;
	int control_listener;	       /* until it is given to control */
	struct control_verbs *control; /* NULL: not asked for */
	struct control_facts facts;
	pid_t init;
	int runner_ctl;
	struct loop loop;
	struct front *front;
	struct resolv_watch *resolv_watch;
	struct uplink_watch *uplink_watch;
	struct rtnl_alarm *links;
	char resolv_text[RESOLV_TEXT_MAX], hosts_text[HOSTS_TEXT_MAX];
};

/* ---- before anything is forked ---- */

static void raise_nofile(struct supervisor *s)
{
	struct rlimit all;

	if (getrlimit(RLIMIT_NOFILE, &s->nofile))
		return; /* can't fail */
	all = s->nofile;
	all.rlim_cur = all.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &all); /* raising to hard can't fail */
}

static int publish(struct supervisor *s)
{
	const struct net_config *net = &s->cfg->net;

	s->published =
		calloc(net->n_specs ? net->n_specs : 1, sizeof(*s->published));
	if (!s->published)
		return log_errno(ENOMEM, "published ports");
	for (size_t i = 0; i < net->n_specs; i++) {
		const struct spec *spec = &net->specs[i];
		struct published *p = &s->published[i];
		int rc;

		p->fds = malloc(spec->count * sizeof(*p->fds));
		p->ports = calloc(spec->count, sizeof(*p->ports));
		if (!p->fds || !p->ports)
			return log_errno(ENOMEM, "published ports");
		for (size_t k = 0; k < spec->count; k++)
			p->fds[k] = -1;
		rc = listen_open(spec, p->fds, p->ports);
		if (rc)
			return rc;
	}
	return 0;
}

static const char *search_words(const struct net_config *net, char *buf,
				size_t cap)
{
	size_t len = 0;

	if (!net->n_search)
		return NULL;
	for (size_t i = 0; i < net->n_search && len < cap; i++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s",
					i ? " " : "", net->search[i]);
	return buf;
}

static void make_resolv_text(struct supervisor *s)
{
	struct resolv host = s->resolv;
	char words[1024];

	/* they speak of the host's resolvers: trust-ad would be a lie */
	if (s->cfg->net.n_dns)
		host.options[0] = '\0';
	resolv_pod_text(&host, s->cfg->net.serve_dns ? &s->plan : NULL,
			search_words(&s->cfg->net, words, sizeof(words)),
			s->resolv_text);
}

static void make_hosts_text(struct supervisor *s)
{
	char pod4[ADDR_TEXT_MAX], pod6[ADDR_TEXT_MAX];
	char own[HOST_NAME_MAX + 1] = "localhost";
	const char *host = s->cfg->hostname;
	int n;

	if (!host) {
		(void)gethostname(own, sizeof(own) - 1); /* else localhost */
		host = own;
	}
	n = snprintf(s->hosts_text, sizeof(s->hosts_text),
		     "127.0.0.1\tlocalhost\n"
		     "::1\tlocalhost ip6-localhost ip6-loopback\n"
		     "%s\t%s\n",
		     ip_format(&s->plan.pod4, pod4), host);

	if (s->plan.has_ipv6)
		(void)snprintf(s->hosts_text + n,
			       sizeof(s->hosts_text) - (size_t)n, "%s\t%s\n",
			       ip_format(&s->plan.pod6, pod6), host);
}

/*
 * After this: the control socket and the host's ports are bound, the cheapest
 * things that can fail.
 * Must not yet: fork, or start a thread: what the helpers shouldn't have must
 * not be there when they are forked.
 */
static int supervisor_1_bind(struct supervisor *s)
{
	s->plan = s->cfg->net.plan;
	if (s->plan.has_ipv6 && !uplink_can_ipv6()) {
		log_info("IPv6: this kernel has none, nor has the pod");
		s->plan.has_ipv6 = false;
	}
	if (!s->plan.mtu_bytes)
		s->plan.mtu_bytes = uplink_mtu();
	s->route6 = s->plan.has_ipv6 && uplink_has_ipv6();
	/* no file, no servers: told by SERVFAIL when somebody asks */
	(void)resolv_read(RESOLV_PATH, &s->resolv);
	make_resolv_text(s);
	make_hosts_text(s);
	raise_nofile(s);
	if (s->cfg->control) {
		s->control_listener =
			control_path_listen(s->cfg->control, &s->control_path);
		if (s->control_listener < 0)
			return s->control_listener;
	}
	return publish(s);
}

/* ---- the start ---- */

static const char *runtime_dir(char *buf, size_t cap)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (dir && *dir == '/')
		return dir;
	(void)snprintf(buf, cap, "/tmp/podsplice-%u", geteuid());
	return buf;
}

/*
 * After this: maker, netstack and portfwd are forked, the maker has made the
 * namespaces, the hop's descriptors were handed on, netstack and portfwd are
 * locked up and READY.
 * Must not yet: let the command run, its network may still fail.
 */
static int supervisor_2_fork(struct supervisor *s)
{
	char dir[64];
	struct maker_config maker = {
		.hop = {
			.plan = &s->plan,
			.datapath = s->cfg->net.datapath,
			.serve_dns = s->cfg->net.serve_dns,
			.route6 = s->route6,
		},
		.runner = {
			.run = s->cfg,
			.resolv_conf = s->resolv_text,
			.hosts = s->hosts_text,
			.runtime_dir = runtime_dir(dir, sizeof(dir)),
			.nofile = s->nofile,
		},
	};

	s->helpers.net = &s->cfg->net;
	s->helpers.plan = &s->plan;
	s->helpers.resolv = &s->resolv;
	s->helpers.published = s->published;
	return helpers_start(&s->helpers, &maker, &s->init, &s->runner_ctl);
}

/* ---- running ---- */

static void on_ready(void *arg)
{
	struct supervisor *s = arg;

	front_go(s->front);
}

static void on_done(void *arg, int status)
{
	struct supervisor *s = arg;

	s->init = 0; /* reaped by the front */
	loop_stop(&s->loop, status);
}

static void on_helper(void *arg, enum helper who, pid_t pid, int ctl)
{
	static const enum query_who ask[] = {
		[HELPER_NETSTACK] = QUERY_NETSTACK,
		[HELPER_PORTFWD] = QUERY_PORTFWD,
		[HELPER_MAKER] = QUERY_MAKER,
	};
	struct supervisor *s = arg;

	if (!s->control)
		return;
	s->facts.pids[ask[who]] = pid;
	s->facts.restarts[ask[who]] = s->helpers.restarts[who].count;
	/* logged; until the next restart it can't be asked */
	(void)control_verbs_attach(s->control, ask[who], ctl);
}

static void on_degraded(void *arg, const char *reason)
{
	struct supervisor *s = arg;

	s->facts.state_reason = reason;
}

/* The links of the hop have changed; its p0 goes with the pod's device. */
static void on_links(void *arg, int fd)
{
	struct supervisor *s = arg;

	if (hop_cut_off(fd))
		helpers_tap_gone(&s->helpers);
}

static void on_resolv(void *arg, const struct resolv *now)
{
	struct supervisor *s = arg;

	s->resolv = *now;
	log_info("%s: changed: %zu servers", RESOLV_PATH, now->n_servers);
	helpers_servers(&s->helpers);
	make_resolv_text(s);
	front_resolv(s->front, s->resolv_text);
}

static void on_uplink(void *arg, bool has_ipv6)
{
	struct supervisor *s = arg;

	log_info("uplink: %s IPv6 now", has_ipv6 ? "has" : "has no");
	/* logged where it fails; the user may have removed our route */
	(void)hop_route6(&s->helpers.hop, &s->plan, has_ipv6);
}

/* What changed between the first reading and the watch's begin. */
static int watch_resolv(struct supervisor *s)
{
	struct resolv now;
	int rc = resolv_watch_new(&s->resolv_watch, &s->loop, RESOLV_PATH,
				  on_resolv, s);

	if (rc)
		return rc;
	(void)resolv_read(RESOLV_PATH, &now); /* no file, no servers */
	if (!resolv_equal(&now, &s->resolv))
		on_resolv(s, &now);
	return 0;
}

static int watch_all(struct supervisor *s)
{
	struct helpers_ops ops = { on_helper, on_degraded, s };
	int rc = helpers_watch(&s->helpers, &s->loop, &ops);

	if (!rc)
		rc = rtnl_alarm_new(&s->links, &s->loop,
				    fd_take(&s->helpers.hop.links), on_links,
				    s);

	if (!rc && s->cfg->net.serve_dns && !s->cfg->net.n_dns)
		rc = watch_resolv(s);
	if (!rc && s->plan.has_ipv6)
		rc = uplink_watch_new(&s->uplink_watch, &s->loop, s->route6,
				      on_uplink, s);
	return rc;
}

static const char *why_slirp(const struct supervisor *s)
{
	if (helpers_splice(&s->helpers))
		return NULL;
	return s->cfg->net.datapath == DATAPATH_SLIRP
		       ? "asked for with --datapath slirp"
		       : "the kernel can't steer packets for it here";
}

static int start_control(struct supervisor *s)
{
	int rc;

	if (s->control_listener < 0)
		return 0;
	s->facts = (struct control_facts){
		.plan = &s->plan,
		.serve_dns = s->cfg->net.serve_dns,
		.datapath = helpers_splice(&s->helpers) ? "splice" : "slirp",
		.datapath_reason = why_slirp(s),
		.infra = s->init,
	};
	rc = control_verbs_new(&s->control, &s->loop, &s->facts,
			       fd_take(&s->control_listener));
	for (int i = 0; i < HELPER_N && !rc; i++) {
		const struct child *c = &s->helpers.children[i];

		on_helper(s, (enum helper)i, c->pid, c->ctl);
	}
	return rc;
}

/*
 * The runner has made its mounts meanwhile (RUNNER_READY): go. newuidmap was
 * the last program that we execute. We stay dumpable, so that the next one who
 * wants our ports can be told who has them: a pod has no power over us anyway,
 * we are in none of its user namespaces.
 * After this: the pod has ended.
 */
static int supervisor_3_serve(struct supervisor *s)
{
	struct front_ops ops = { on_ready, on_done, s };
	int rc = loop_init(&s->loop);

	sys_settle();
	if (rc)
		return rc;
	rc = front_new(&s->front, &s->loop, s->runner_ctl, s->init, s->cfg,
		       &ops);
	if (rc)
		return rc;
	s->runner_ctl = -1;
	rc = watch_all(s);
	if (!rc)
		rc = start_control(s);
	if (rc)
		return rc;
	return loop_run(&s->loop);
}

static void tear_down(struct supervisor *s)
{
	s->front = front_free(s->front);
	s->control = control_verbs_free(s->control);
	fd_drop(&s->control_listener);
	control_path_drop(&s->control_path);
	s->resolv_watch = resolv_watch_free(s->resolv_watch);
	s->uplink_watch = uplink_watch_free(s->uplink_watch);
	s->links = rtnl_alarm_free(s->links);
	fd_drop(&s->runner_ctl);
	helpers_stop(&s->helpers, s->init);
	for (size_t i = 0; s->published && i < s->cfg->net.n_specs; i++) {
		struct published *p = &s->published[i];

		for (size_t k = 0; p->fds && k < s->cfg->net.specs[i].count;
		     k++)
			fd_drop(&p->fds[k]);
		free(p->fds);
		free(p->ports);
	}
	free(s->published);
	loop_deinit(&s->loop);
}

int supervisor_run(const struct run_config *cfg)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		(void)log_errno(ENOMEM, "supervisor");
		return STATUS_FAILED;
	}
	s->cfg = cfg;
	helpers_init(&s->helpers);
	s->control_path = (struct control_path)CONTROL_PATH_NULL;
	s->control_listener = -1;
	s->loop = (struct loop)LOOP_NULL;
	s->runner_ctl = -1;
	rc = supervisor_1_bind(s);
	if (!rc)
		rc = supervisor_2_fork(s);
	if (!rc)
		rc = supervisor_3_serve(s);
	tear_down(s);
	free(s);
	return rc < 0 ? STATUS_FAILED : rc;
}
