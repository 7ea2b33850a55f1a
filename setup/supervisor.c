// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Order of a start:
 *  1. the control socket and host listeners are bound: the cheapest things
 *     that can fail;
 *  2. maker, netstack and portfwd are forked, before there is any descriptor
 *     or thread they shouldn't have; the maker makes the namespaces meanwhile;
 *  3. the hop's descriptors arrive and are handed on, and both answer READY;
 *  4. the runner has made its mounts meanwhile (RUNNER_READY): go.
 * Up to here it waits in plain system calls, and ^C simply ends it: all that
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
#include "netstack/base/msg.h"
#include "netstack/netstack.h"
#include "portfwd/listen.h"
#include "portfwd/portfwd.h"
#include "setup/child.h"
#include "setup/control_path.h"
#include "setup/control_verbs.h"
#include "setup/front.h"
#include "setup/maker.h"
#include "setup/resolv.h"
#include "setup/uplink.h"

#define RESOLV_PATH    "/etc/resolv.conf"
#define STATUS_FAILED  125
#define HOSTS_TEXT_MAX 1024

/* The host sockets of one SPEC. */
struct published {
	int *fds;
	uint16_t *ports;
};

struct supervisor {
	const struct run_config *cfg;
	struct podnet plan;
	bool route6;
	struct rlimit nofile; /* the caller's */
	struct resolv resolv;
	struct published *published; /* one for each of cfg->net.specs */
	struct child maker, netstack, portfwd;
	struct control_path control_path;
	int control_listener;	       /* until it is given to control */
	struct control_verbs *control; /* NULL: not asked for */
	struct control_facts facts;
	struct hop hop;
	pid_t init;
	int runner_ctl;
	struct loop loop;
	struct front *front;
	struct resolv_watch *resolv_watch;
	struct uplink_watch *uplink_watch;
	char resolv_text[RESOLV_TEXT_MAX], hosts_text[HOSTS_TEXT_MAX];
	bool degraded; /* a child ended: the status is ours */
};

/* ---- 1: before anything is forked ---- */

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

static int prepare(struct supervisor *s)
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

/* ---- 2: fork ---- */

/* The ends of all socketpairs; what a child doesn't keep is closed there. */
struct ends {
	int maker[2], netstack[2], portfwd[2]; /* [0] is the supervisor's */
	int sockets[2];			       /* portfwd, maker */
	int peer[2];			       /* netstack, portfwd */
	int runner[2];			       /* front, runner */
};

static int make_ends(struct ends *e)
{
	int(*pairs[])[2] = { &e->maker,	  &e->netstack, &e->portfwd,
			     &e->sockets, &e->peer,	&e->runner };

	memset(e, -1, sizeof(*e)); /* every descriptor absent */
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		int rc = msg_pair(*pairs[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static void close_ends(struct ends *e)
{
	int *fds = (int *)e;

	for (size_t i = 0; i < sizeof(*e) / sizeof(int); i++)
		fd_drop(&fds[i]);
}

static const char *runtime_dir(char *buf, size_t cap)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (dir && *dir == '/')
		return dir;
	(void)snprintf(buf, cap, "/tmp/podsplice-%u", geteuid());
	return buf;
}

static int fork_maker(struct supervisor *s, struct ends *e)
{
	int *const keep[] = { &e->maker[1], &e->sockets[1], &e->runner[1] };
	char dir[64];
	int rc = child_fork(&s->maker, "maker", false, keep, ARRAY_SIZE(keep));

	if (rc == 1) {
		struct maker_config cfg = {
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

		_exit(maker_main(&cfg, e->maker[1], e->sockets[1],
				 e->runner[1]));
	}
	return rc;
}

static int fork_netstack(struct supervisor *s, struct ends *e)
{
	int *const keep[] = { &e->netstack[1], &e->peer[0] };
	int rc = child_fork(&s->netstack, "netstack", true, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(netstack_main(e->netstack[1], e->peer[0]));
	return rc;
}

static int fork_portfwd(struct supervisor *s, struct ends *e)
{
	int *const keep[] = { &e->portfwd[1], &e->peer[1], &e->sockets[0] };
	int rc = child_fork(&s->portfwd, "portfwd", true, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(portfwd_main(e->portfwd[1], e->peer[1], e->sockets[0]));
	return rc;
}

static int fork_all(struct supervisor *s)
{
	struct ends e;
	int rc = make_ends(&e);

	if (!rc)
		rc = fork_maker(s, &e);
	if (!rc)
		rc = fork_netstack(s, &e);
	if (!rc)
		rc = fork_portfwd(s, &e);
	s->maker.ctl = fd_take(&e.maker[0]);
	s->netstack.ctl = fd_take(&e.netstack[0]);
	s->portfwd.ctl = fd_take(&e.portfwd[0]);
	s->runner_ctl = fd_take(&e.runner[0]);
	close_ends(&e);
	return rc;
}

/* ---- 3: hand over ---- */

static int send_servers(struct supervisor *s)
{
	const struct net_config *net = &s->cfg->net;
	struct netstack_servers list = { 0 };

	if (net->n_dns) {
		for (size_t i = 0; i < net->n_dns; i++)
			list.servers[list.n++] =
				endpoint_make(&net->dns[i], 53);
	} else {
		for (size_t i = 0; i < s->resolv.n_servers; i++)
			list.servers[list.n++] = s->resolv.servers[i];
	}
	return msg_send(s->netstack.ctl, NETSTACK_SERVERS, &list, sizeof(list),
			NULL, 0);
}

/* Egress TCP is spliced where the kernel steers, unless told otherwise. */
static bool splices(const struct supervisor *s)
{
	return s->cfg->net.datapath != DATAPATH_SLIRP && s->hop.tap_hop < 0;
}

static int config_netstack(struct supervisor *s)
{
	const struct net_config *net = &s->cfg->net;
	struct netstack_config cfg = {
		.plan = s->plan,
		.host_loopback = net->host_loopback,
		.host_ports = net->host_ports,
		.serve_dns = net->serve_dns,
		.splice = splices(s),
		.outbound4 = net->outbound4,
		.outbound6 = net->outbound6,
		.has_tap_hop = s->hop.tap_hop >= 0,
		.has_dns = { s->hop.dns[0] >= 0, s->hop.dns[1] >= 0 },
	};
	int fds[4], rc;
	size_t n = 0;

	rc = send_servers(s);
	fds[n++] = s->hop.tap;
	if (cfg.has_tap_hop)
		fds[n++] = s->hop.tap_hop;
	for (int i = 0; i < 2; i++)
		if (cfg.has_dns[i])
			fds[n++] = s->hop.dns[i];
	if (!rc)
		rc = msg_send(s->netstack.ctl, NETSTACK_CONFIG, &cfg,
			      sizeof(cfg), fds, n);
	return rc;
}

static int send_spec(struct supervisor *s, size_t i)
{
	const struct spec *spec = &s->cfg->net.specs[i];
	const struct published *p = &s->published[i];
	int rc = 0;

	for (size_t at = 0; at < spec->count && !rc; at += PORTFWD_BATCH) {
		struct portfwd_publish body = {
			.spec = *spec,
			.id = (uint32_t)i + 1,
			.first = (uint16_t)at,
		};
		size_t left = spec->count - at;

		body.n =
			(uint16_t)(left < PORTFWD_BATCH ? left : PORTFWD_BATCH);
		memcpy(body.host_ports, p->ports + at,
		       body.n * sizeof(body.host_ports[0]));
		rc = msg_send(s->portfwd.ctl, PORTFWD_PUBLISH, &body,
			      sizeof(body), p->fds + at, body.n);
	}
	return rc;
}

static int config_portfwd(struct supervisor *s)
{
	const struct net_config *net = &s->cfg->net;
	struct portfwd_config cfg = {
		.plan = s->plan,
		.host_loopback = net->host_loopback,
		.host_ports = net->host_ports,
		.splice = splices(s),
		.outbound4 = net->outbound4,
		.outbound6 = net->outbound6,
		.has_tproxy = { s->hop.tproxy[0] >= 0, s->hop.tproxy[1] >= 0 },
	};
	int fds[2], rc;
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		if (cfg.has_tproxy[i])
			fds[n++] = s->hop.tproxy[i];
	rc = msg_send(s->portfwd.ctl, PORTFWD_CONFIG, &cfg, sizeof(cfg), fds,
		      n);
	for (size_t i = 0; i < s->cfg->net.n_specs && !rc; i++)
		rc = send_spec(s, i);
	if (!rc)
		rc = msg_send(s->portfwd.ctl, PORTFWD_START, NULL, 0, NULL, 0);
	return rc;
}

static int wait_ready(struct child *c, uint32_t type)
{
	struct msg m;
	int rc = msg_recv(c->ctl, &m);

	if (rc < 0)
		return log_errno(-rc, "%s: didn't start", c->role);
	if (rc == 0)
		return child_failed(c); /* what it logged is the reason */
	msg_drop(&m);
	return m.type == type ? 0 : log_errno(EPROTO, "%s", c->role);
}

static int hand_over(struct supervisor *s)
{
	int rc = config_netstack(s);

	if (!rc)
		rc = config_portfwd(s);
	if (rc)
		return log_errno(-rc, "configure the helper's processes");
	rc = wait_ready(&s->netstack, NETSTACK_READY);
	return rc ? rc : wait_ready(&s->portfwd, PORTFWD_READY);
}

/* From here on a child that doesn't read can't make us wait. */
static int unblock_all(struct supervisor *s)
{
	int rc = fd_nonblock(s->netstack.ctl);

	if (!rc)
		rc = fd_nonblock(s->portfwd.ctl);
	return rc ? rc : fd_nonblock(s->maker.ctl);
}

/* ---- 4: run ---- */

static void on_ready(void *arg)
{
	struct supervisor *s = arg;

	front_go(s->front);
}

static void on_done(void *arg, int status)
{
	struct supervisor *s = arg;

	s->init = 0; /* reaped by the front */
	loop_stop(&s->loop, s->degraded ? STATUS_FAILED : status);
}

static void on_child(struct supervisor *s, struct child *c)
{
	char why[96];
	int fd = c->ended.fd;

	loop_del(&s->loop, &c->ended);
	fd_drop(&fd);
	child_why(c, why, sizeof(why));
	/* the others follow the first: its end is the one to tell */
	if (!s->degraded)
		log_error("%s: %s: the pod's network is gone, ending the pod",
			  c->role, why);
	s->degraded = true;
	front_kill(s->front);
}

#define ON_CHILD(name)                                                         \
	static void on_##name(struct loop_source *src, uint32_t revents)       \
	{                                                                      \
		(void)revents;                                                 \
		struct supervisor *s =                                         \
			container_of(src, struct supervisor, name.ended);      \
		on_child(s, &s->name);                                         \
	}
ON_CHILD(maker)
ON_CHILD(netstack)
ON_CHILD(portfwd)

static void on_resolv(void *arg, const struct resolv *now)
{
	struct supervisor *s = arg;
	int rc;

	s->resolv = *now;
	log_info("%s: changed: %zu servers", RESOLV_PATH, now->n_servers);
	rc = send_servers(s);
	if (rc)
		log_errno(-rc, "tell netstack about the new resolvers");
	make_resolv_text(s);
	front_resolv(s->front, s->resolv_text);
}

static void on_uplink(void *arg, bool has_ipv6)
{
	struct supervisor *s = arg;

	log_info("uplink: %s IPv6 now", has_ipv6 ? "has" : "has no");
	/* logged where it fails; the user may have removed our route */
	(void)hop_route6(&s->hop, &s->plan, has_ipv6);
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
	int rc = loop_child(&s->loop, &s->maker.ended, s->maker.pid, on_maker);

	if (!rc)
		rc = loop_child(&s->loop, &s->netstack.ended, s->netstack.pid,
				on_netstack);
	if (!rc)
		rc = loop_child(&s->loop, &s->portfwd.ended, s->portfwd.pid,
				on_portfwd);
	if (!rc && s->cfg->net.serve_dns && !s->cfg->net.n_dns)
		rc = watch_resolv(s);
	if (!rc && s->plan.has_ipv6)
		rc = uplink_watch_new(&s->uplink_watch, &s->loop, s->route6,
				      on_uplink, s);
	return rc;
}

static const char *why_slirp(const struct supervisor *s)
{
	if (splices(s))
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
		.datapath = splices(s) ? "splice" : "slirp",
		.datapath_reason = why_slirp(s),
		.infra = s->init,
		.pids = { [QUERY_NETSTACK] = s->netstack.pid,
			  [QUERY_PORTFWD] = s->portfwd.pid,
			  [QUERY_MAKER] = s->maker.pid },
	};
	rc = control_verbs_new(&s->control, &s->loop, &s->facts,
			       fd_take(&s->control_listener));
	if (!rc)
		rc = control_verbs_attach(s->control, QUERY_NETSTACK,
					  s->netstack.ctl);
	if (!rc)
		rc = control_verbs_attach(s->control, QUERY_PORTFWD,
					  s->portfwd.ctl);
	if (!rc)
		rc = control_verbs_attach(s->control, QUERY_MAKER,
					  s->maker.ctl);
	return rc;
}

static int serve(struct supervisor *s)
{
	struct front_ops ops = { on_ready, on_done, s };
	int rc = loop_init(&s->loop);

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
	struct child init = { .pid = s->init,
			      .ctl = -1,
			      .ended = LOOP_SOURCE_NULL };

	s->front = front_free(s->front);
	s->control = control_verbs_free(s->control);
	fd_drop(&s->control_listener);
	control_path_drop(&s->control_path);
	s->resolv_watch = resolv_watch_free(s->resolv_watch);
	s->uplink_watch = uplink_watch_free(s->uplink_watch);
	fd_drop(&s->runner_ctl);
	/* portfwd first: its ports are free when we return */
	child_stop(&s->portfwd, &s->loop);
	child_stop(&s->maker, &s->loop);
	child_stop(&init, NULL);
	hop_close(&s->hop);
	/* netstack last, and not waited for: who closes a TAP last waits for
	 * an RCU grace period, some 20 ms, and nobody needs to but it */
	child_abandon(&s->netstack, &s->loop);
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

static int start(struct supervisor *s)
{
	int rc = prepare(s);

	if (!rc)
		rc = fork_all(s);
	if (!rc) {
		rc = maker_hop_recv(s->maker.ctl, s->maker.pid, &s->hop,
				    &s->init);
		if (rc == -EPIPE)
			rc = child_failed(&s->maker);
	}
	if (!rc)
		rc = hand_over(s);
	return rc ? rc : unblock_all(s);
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
	s->maker = s->netstack = s->portfwd = (struct child)CHILD_NULL;
	s->control_path = (struct control_path)CONTROL_PATH_NULL;
	s->control_listener = -1;
	s->hop = (struct hop)HOP_NULL;
	s->loop = (struct loop)LOOP_NULL;
	s->runner_ctl = -1;
	rc = start(s);
	if (!rc)
		rc = serve(s);
	tear_down(s);
	free(s);
	return rc < 0 ? STATUS_FAILED : rc;
}
