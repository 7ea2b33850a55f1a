// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As supervisor.c, but for what is in the pod: a process that only waits
 * (setup/pod/infra.h). Its namespaces are opened before it becomes undumpable,
 * and held here: containers get them from us, so nobody has to find a process
 * by its number to enter the pod.
 *
 * The pod ends when we are told to, when infra ends, and when we are killed:
 * its containers' supervisors read that on their connections (members.h).
 */
#include "setup/helper/pod.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/helper/members.h"
#include "setup/helper/network.h"
#include "setup/helper/pod_text.h"
#include "setup/pod/runner.h"
#include "setup/state/background.h"
#include "setup/state/container.h"

struct pod {
	const struct run_config *cfg;
	struct network net;
	struct container record;
	struct background *background;
	pid_t infra;
	int infra_ctl;
	int namespaces[INFRA_NS_N]; /* -1: it isn't shared */
	struct loop loop;
	struct loop_source infra_end, signals;
	struct members members;
	char resolv_text[RESOLV_TEXT_MAX], hosts_text[POD_HOSTS_MAX];
};

/* ---- the start ---- */

static const char *hostname(const struct pod *p)
{
	return p->cfg->hostname ? p->cfg->hostname : container_name(&p->record);
}

static int wait_for_infra(struct pod *p)
{
	struct msg m;
	int rc = msg_must_send(p->infra_ctl, "infra", RUNNER_GO, NULL, 0, NULL,
			       0);

	if (!rc)
		rc = msg_recv(p->infra_ctl, &m);
	if (rc == 1)
		msg_drop(&m);
	/* gone: it has said why */
	return rc == 1 ? 0 : rc ? rc : -EPIPE;
}

/*
 * After this: the helper's processes run, as after network_2_fork(); infra is
 * locked up, and its namespaces are here.
 */
static int pod_2_fork(struct pod *p)
{
	const struct infra_config infra = { .share = p->cfg->share,
					    .hostname = hostname(p) };
	struct maker_config maker = {
		.hop = { .ns_pod = -1, .tap = -1 },
		.ns_user = -1,
		.runner.output = { -1, -1 },
		.infra = &infra,
	};
	int rc = network_2_fork(&p->net, &maker, &p->infra, &p->infra_ctl);

	for (int i = 0; i < INFRA_NS_N && !rc; i++) {
		int wanted = CLONE_NEWUSER | CLONE_NEWPID | infra.share |
			     infra_shm(infra.share);

		if (!(infra_ns_names[i].flag & wanted))
			continue;
		p->namespaces[i] =
			sys_open_ns(p->infra, infra_ns_names[i].name);
		rc = p->namespaces[i] < 0 ? p->namespaces[i] : 0;
	}
	return rc ? rc : wait_for_infra(p);
}

/* ---- running ---- */

static void on_changed(void *arg)
{
	struct pod *p = arg;
	char names[POD_HOSTS_MAX];
	size_t len = (size_t)snprintf(names, sizeof(names), "%s", hostname(p));

	members_names(&p->members, names + len, sizeof(names) - len);
	pod_text_hosts(&p->net, names, p->hosts_text);
	members_tell(&p->members, MEMBER_HOSTS);
}

static void on_resolv(void *arg, const struct resolv *now)
{
	struct pod *p = arg;

	(void)now; /* it is in the network */
	pod_text_resolv(&p->net, p->resolv_text);
	members_tell(&p->members, MEMBER_RESOLV);
}

static void on_join(void *arg, int conn)
{
	struct pod *p = arg;

	members_add(&p->members, conn);
}

static int on_publish(void *arg, const struct spec *spec, uint32_t *id)
{
	struct pod *p = arg;

	return network_publish(&p->net, spec, id);
}

static void on_unpublish(void *arg, uint32_t id)
{
	struct pod *p = arg;

	network_unpublish(&p->net, id);
}

static void on_ports(void *arg)
{
	struct pod *p = arg;

	container_ports(&p->record, network_ports(&p->net));
}

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct pod *p = container_of(src, struct pod, signals);
	struct signalfd_siginfo si;

	(void)revents;
	if (read(src->fd, &si, sizeof(si)) == sizeof(si))
		loop_stop(&p->loop, 0);
}

/* Not reaped here: helpers_stop() does. */
static void on_infra_end(struct loop_source *src, uint32_t revents)
{
	struct pod *p = container_of(src, struct pod, infra_end);

	(void)revents;
	log_error("infra was killed: the pod ends");
	loop_stop(&p->loop, EXIT_OURS);
}

static void serve_members(struct pod *p)
{
	pod_text_resolv(&p->net, p->resolv_text);
	p->members.loop = &p->loop;
	p->members.namespaces = p->namespaces;
	p->members.share = p->cfg->share;
	p->members.resolv = p->resolv_text;
	p->members.hosts = p->hosts_text;
	p->members.ops =
		(struct members_ops){ on_publish, on_unpublish, on_changed, p };
}

static int watch(struct pod *p)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	int rc;

	serve_members(p);
	rc = loop_signals(&p->loop, &p->signals, signals, ARRAY_SIZE(signals),
			  on_signal);

	if (!rc)
		rc = loop_child(&p->loop, &p->infra_end, p->infra,
				on_infra_end);
	if (!rc)
		rc = background_watch(p->background, &p->loop,
				      p->record.own.dir);
	if (!rc)
		rc = network_3_watch(&p->net, &p->loop, p->infra,
				     fd_take(&p->record.listener));
	return rc ? rc : network_dump_on_usr1(&p->net);
}

/* After this: the pod has ended. */
static int pod_3_serve(struct pod *p)
{
	int rc = loop_init(&p->loop);

	sys_settle();
	if (!rc)
		rc = watch(p);
	if (rc)
		return rc;
	rc = container_started(&p->record, p->infra, network_ports(&p->net));
	manager_ready(&p->net.manager);
	rc = container_tell(&p->record, rc, p->background);
	return rc ? rc : loop_run(&p->loop);
}

static void tear_down(struct pod *p)
{
	if (p->loop.epfd >= 0) {
		loop_close(&p->loop, &p->infra_end);
		loop_close(&p->loop, &p->signals);
	}
	members_deinit(&p->members);
	fd_drop(&p->infra_ctl);
	network_stop(&p->net, p->infra);
	for (int i = 0; i < INFRA_NS_N; i++)
		fd_drop(&p->namespaces[i]);
	background_end(p->background);
}

/* After this: the name and the ports are free, and who waits knows it. */
static void tell_end(struct pod *p, int status)
{
	container_ended(&p->record, status);
	background_tell_end(p->background);
	loop_deinit(&p->loop);
}

int pod_run(const struct run_config *cfg, struct background *background)
{
	struct pod *p = calloc(1, sizeof(*p));
	const struct network_ops ops = { .resolv = on_resolv,
					 .join = on_join,
					 .ports = on_ports,
					 .arg = p };
	int rc;

	if (!p) {
		(void)log_errno(ENOMEM, "pod");
		return EXIT_OURS;
	}
	p->cfg = cfg;
	p->background = background;
	p->record = (struct container)CONTAINER_NULL;
	network_init(&p->net, &cfg->net, &ops);
	p->net.namespaces = p->namespaces;
	members_init(&p->members);
	for (int i = 0; i < INFRA_NS_N; i++)
		p->namespaces[i] = -1;
	p->loop = (struct loop)LOOP_NULL;
	p->infra_end = p->signals = (struct loop_source)LOOP_SOURCE_NULL;
	p->infra_ctl = -1;
	rc = container_register(&p->record, cfg);
	if (!rc)
		rc = network_1_bind(&p->net, cfg->control);
	if (!rc)
		rc = pod_2_fork(p);
	if (!rc)
		rc = pod_3_serve(p);
	tear_down(p);
	rc = rc < 0 ? EXIT_OURS : rc;
	tell_end(p, rc);
	free(p);
	return rc;
}
