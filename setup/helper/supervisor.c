// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start has stages, each a function with its number. Up to the third the
 * supervisor waits in plain system calls, and ^C simply ends it: all that
 * exists goes away with its processes. Then the loop runs until the pod's
 * first process ends.
 *
 * The supervisor keeps what must survive a child: TAP, listeners, hop.
 */
#include "setup/helper/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/helper/network.h"
#include "setup/helper/pod_text.h"
#include "setup/pod/front.h"
#include "setup/state/background.h"
#include "setup/state/container.h"

struct supervisor {
	const struct run_config *cfg;
	struct network net;
	struct container container;    /* our record */
	struct background *background; /* NULL: in the foreground */
	pid_t init;
	int runner_ctl;
	struct loop loop;
	struct front *front;
	char resolv_text[RESOLV_TEXT_MAX], hosts_text[POD_HOSTS_MAX];
};

/* ---- before anything is forked ---- */

/* A pod's only container: the pod has its host name, or the host's. */
static void make_hosts_text(struct supervisor *s)
{
	char own[HOST_NAME_MAX + 1] = "localhost";

	if (!s->cfg->hostname)
		(void)gethostname(own, sizeof(own) - 1); /* else localhost */
	pod_text_hosts(&s->net, s->cfg->hostname ? s->cfg->hostname : own,
		       s->hosts_text);
}

/*
 * After this: as network_1_bind(); the texts of the pod's files are made.
 * Must not yet: as there.
 */
static int supervisor_1_bind(struct supervisor *s)
{
	int rc = container_register(&s->container, s->cfg);

	if (!rc)
		rc = network_1_bind(&s->net, s->cfg->control);

	if (rc)
		return rc;
	pod_text_resolv(&s->net, s->resolv_text);
	make_hosts_text(s);
	return 0;
}

/* ---- the start ---- */

/*
 * After this: maker, netstack and portfwd are forked, the maker has made the
 * namespaces, the hop's descriptors were handed on, netstack and portfwd are
 * locked up and READY.
 * Must not yet: let the command run, its network may still fail.
 */
static int supervisor_2_fork(struct supervisor *s)
{
	char dir[STATE_DIR_TEXT];
	struct maker_config maker = {
		.hop = { .ns_pod = -1, .tap = -1 },
		.ns_user = -1,
		.runner = {
			.run = s->cfg,
			.resolv_conf = s->resolv_text,
			.hosts = s->hosts_text,
			.runtime_dir = state_runtime_dir(dir),
			.nofile = s->net.nofile,
			.output = { -1, -1 },
		},
	};

	if (s->background)
		for (int i = 0; i < 2; i++)
			maker.runner.output[i] = background_output(
				s->background, (enum background_stream)i);
	return network_2_fork(&s->net, &maker, &s->init, &s->runner_ctl);
}

/* ---- running ---- */

static void on_ready(void *arg)
{
	struct supervisor *s = arg;

	front_go(s->front);
}

static void on_started(void *arg)
{
	struct supervisor *s = arg;
	int rc = container_started(&s->container, s->init,
				   network_ports(&s->net));

	manager_ready(&s->net.manager);
	if (container_tell(&s->container, rc, s->background))
		front_kill(s->front);
}

static void on_done(void *arg, int status)
{
	struct supervisor *s = arg;

	s->init = 0; /* reaped by the front */
	loop_stop(&s->loop, status);
}

static void on_resolv(void *arg, const struct resolv *now)
{
	struct supervisor *s = arg;

	(void)now; /* it is in s->net */
	pod_text_resolv(&s->net, s->resolv_text);
	front_resolv(s->front, s->resolv_text);
}

static bool on_session(void *arg, int conn)
{
	struct supervisor *s = arg;

	return front_session(s->front, conn);
}

static void on_ports(void *arg)
{
	struct supervisor *s = arg;

	container_ports(&s->container, network_ports(&s->net));
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
	struct front_ops ops = { on_ready, on_started, on_done, s };
	int rc = loop_init(&s->loop);

	sys_settle();
	if (rc)
		return rc;
	rc = front_new(&s->front, &s->loop, s->runner_ctl, s->init, s->cfg,
		       &ops);
	if (rc)
		return rc;
	s->runner_ctl = -1;
	if (s->background)
		rc = background_watch(s->background, &s->loop,
				      s->container.own.dir);
	if (!rc)
		rc = network_3_watch(&s->net, &s->loop, s->init,
				     fd_take(&s->container.listener));
	if (!rc && s->cfg->detach)
		rc = network_dump_on_usr1(&s->net);
	return rc ? rc : loop_run(&s->loop);
}

static void tear_down(struct supervisor *s)
{
	s->front = front_free(s->front);
	fd_drop(&s->runner_ctl);
	network_stop(&s->net, s->init);
	background_end(s->background); /* all who write are gone */
}

/* After this: the name and the ports are free, and who waits knows it. */
static void tell_end(struct supervisor *s, int status)
{
	container_ended(&s->container, status);
	background_tell_end(s->background);
	loop_deinit(&s->loop);
}

int supervisor_run(const struct run_config *cfg, struct background *background)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	const struct network_ops ops = { .resolv = on_resolv,
					 .session = on_session,
					 .ports = on_ports,
					 .arg = s };
	int rc;

	if (!s) {
		(void)log_errno(ENOMEM, "supervisor");
		return EXIT_OURS;
	}
	s->cfg = cfg;
	s->background = background;
	s->container = (struct container)CONTAINER_NULL;
	network_init(&s->net, &cfg->net, &ops);
	s->loop = (struct loop)LOOP_NULL;
	s->runner_ctl = -1;
	rc = supervisor_1_bind(s);
	if (!rc)
		rc = supervisor_2_fork(s);
	if (!rc)
		rc = supervisor_3_serve(s);
	tear_down(s);
	rc = rc < 0 ? EXIT_OURS : rc;
	tell_end(s, rc);
	free(s);
	return rc;
}
