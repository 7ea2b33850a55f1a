// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As supervisor.c, in stages, but the pod has all but the command: its
 * supervisor sends us its namespaces and the texts of the container's files,
 * and publishes our ports. Its end is that of our connection to it, whatever
 * has ended it, and we end the container then.
 *
 * A command that is to be started again is so in the same place: the record,
 * the membership and the ports stay, and the pod's namespaces are held. In
 * between only the loop runs.
 *
 * In a pid namespace that is shared, the end of the container's first process
 * is not the end of all its processes: strays.h finds the others, for us or, if
 * we are killed, for the pod's supervisor.
 */
#include "setup/helper/member.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/helper/child.h"
#include "setup/helper/control.h"
#include "setup/helper/control_verbs.h"
#include "setup/helper/joiner.h"
#include "setup/helper/members.h"
#include "setup/helper/pod_text.h"
#include "setup/helper/restart.h"
#include "setup/helper/strays.h"
#include "setup/pod/front.h"
#include "setup/state/background.h"
#include "setup/state/container.h"

#define PATIENCE_S 15 /* of a start, for the pod to answer */

struct member {
	struct run_config run; /* a copy; its host name may be another one */
	struct container container;
	struct background *background; /* NULL: in the foreground */
	bool started;
	struct restart restart;
	int status;		    /* while it waits: how it ended */
	struct loop_timer again;    /* it waits */
	struct loop_source sig;	    /* the same */
	int share;		    /* CLONE_NEW… */
	int namespaces[INFRA_NS_N]; /* the pod's; -1: one of its own */
	pid_t init;
	int mounts; /* its mount namespace, when its pid namespace is shared */
	int runner_ctl;
	struct loop loop;
	int conn;		/* to the pod, until it is watched */
	struct loop_source pod; /* the same, from then on */
	struct control *control;
	struct front *front;
	char resolv_text[RESOLV_TEXT_MAX], hosts_text[POD_HOSTS_MAX];
};

/* ---- the pod's side ---- */

static void take_text(const struct msg *m, char *buf, size_t cap)
{
	size_t len = m->len < cap ? m->len : cap - 1;

	memcpy(buf, m->body, len);
	buf[len] = '\0';
}

/* MEMBER_RESOLV or _HOSTS: for the next start, and for the one that runs */
static void take_file(struct member *e, const struct msg *m)
{
	if (m->type == MEMBER_RESOLV) {
		take_text(m, e->resolv_text, sizeof(e->resolv_text));
		if (e->front)
			front_resolv(e->front, e->resolv_text);
	} else if (m->type == MEMBER_HOSTS) {
		take_text(m, e->hosts_text, sizeof(e->hosts_text));
		if (e->front)
			front_hosts(e->front, e->hosts_text);
	}
}

/*
 * Wait for a message of that type; texts may come before it.
 * Return: 0, @m is the caller's to drop; or -errno, logged
 */
static int await(struct member *e, uint32_t type, struct msg *m)
{
	for (;;) {
		int rc = msg_recv(e->conn, m);

		if (rc == -EAGAIN)
			log_error("%s: the pod's supervisor doesn't answer",
				  e->run.pod);
		else if (rc == 0)
			log_error("%s: the pod has ended (podsplice pod start "
				  "%s)",
				  e->run.pod, e->run.pod);
		else if (rc < 0)
			(void)log_errno(-rc, "%s: message of the pod",
					e->run.pod);
		if (rc <= 0)
			return rc ? rc : -EPIPE;
		take_file(e, m);
		if (m->type == type)
			return 0;
		msg_drop(m);
	}
}

static int send_text(struct member *e, uint32_t type, const char *text)
{
	int rc = msg_must_send(e->conn, "the pod", type, text, strlen(text),
			       NULL, 0);

	/* it has ended: await() says so */
	return rc == -EPIPE ? 0 : rc;
}

static bool shares_pids(const struct member *e)
{
	return e->run.pod_pid || (e->share & CLONE_NEWPID);
}

static int take_namespaces(struct member *e, struct msg *m)
{
	struct member_pod body;
	size_t n = 0;

	if (m->len != sizeof(body)) {
		log_error("%s: the pod is another version's (podsplice pod "
			  "stop %s, and start it)",
			  e->run.pod, e->run.pod);
		return -EPROTO;
	}
	memcpy(&body, m->body, sizeof(body));
	for (int i = 0; i < INFRA_NS_N; i++)
		if (body.has[i])
			e->namespaces[i] = msg_take_fd(m, n++);
	e->share = body.share;
	if (!shares_pids(e))
		fd_drop(&e->namespaces[INFRA_NS_PID]);
	return 0;
}

static int publish_one(struct member *e, const struct spec *spec)
{
	char text[SPEC_TEXT_MAX], why[SPEC_ERR_MAX + 80];
	struct msg m;
	int rc = send_text(e, MEMBER_PUBLISH,
			   spec_format(spec, text, sizeof(text)));

	if (!rc)
		rc = await(e, MEMBER_PUBLISHED, &m);
	if (rc)
		return rc;
	take_text(&m, why, sizeof(why));
	msg_drop(&m);
	if (!why[0])
		return 0;
	log_error("%s: %s", e->run.pod, why);
	return -EADDRINUSE;
}

/* Where containers have host names, its own is its name. */
static int choose_hostname(struct member *e)
{
	if (!(e->share & CLONE_NEWUTS)) {
		if (!e->run.hostname)
			e->run.hostname = container_name(&e->container);
		return 0;
	}
	if (!e->run.hostname)
		return 0;
	log_error("--hostname %s: the containers of %s share theirs "
		  "(podsplice pod create --hostname)",
		  e->run.hostname, e->run.pod);
	return -EINVAL;
}

/*
 * After this: the container has its record and is known to the pod, whose
 * namespaces are here; its ports are published.
 */
static int member_1_join(struct member *e)
{
	static const struct timeval limit = { .tv_sec = PATIENCE_S };
	char names[MEMBER_NAMES_MAX];
	struct msg m;
	int rc = container_register(&e->container, &e->run);

	manager_close_rest(&e->run.net.manager);
	if (rc)
		return rc;
	/* can't fail; the worst is a wait that the user ends */
	(void)setsockopt(e->conn, SOL_SOCKET, SO_RCVTIMEO, &limit,
			 sizeof(limit));
	(void)snprintf(names, sizeof(names), "%s%s%s",
		       container_name(&e->container),
		       e->run.hostname ? " " : "",
		       e->run.hostname ? e->run.hostname : "");
	rc = send_text(e, MEMBER_JOIN, names);
	if (!rc)
		rc = await(e, MEMBER_POD, &m);
	if (!rc) {
		rc = take_namespaces(e, &m);
		msg_drop(&m);
	}
	if (!rc)
		rc = choose_hostname(e);
	if (!rc)
		rc = await(e, MEMBER_HOSTS, &m);
	for (size_t i = 0; i < e->run.net.n_specs && !rc; i++)
		rc = publish_one(e, &e->run.net.specs[i]);
	return rc;
}

/* ---- the start ---- */

static int pod_conn(const struct member *e)
{
	return e->conn >= 0 ? e->conn : e->pod.fd;
}

/* After this: the container's first process makes its mounts. */
static int member_2_fork(struct member *e)
{
	char dir[STATE_DIR_TEXT];
	struct joiner_config joiner = {
		.runner = {
			.run = &e->run,
			.resolv_conf = e->resolv_text,
			.hosts = e->hosts_text,
			.runtime_dir = state_runtime_dir(dir),
			.shared_pids = shares_pids(e),
			.output = { -1, -1 },
		},
	};
	int pair[2], rc;

	memcpy(joiner.namespaces, e->namespaces, sizeof(e->namespaces));
	(void)getrlimit(RLIMIT_NOFILE, &joiner.runner.nofile); /* can't fail */
	for (int i = 0; i < 2 && e->background; i++)
		joiner.runner.output[i] = background_output(
			e->background, (enum background_stream)i);
	rc = msg_pair(pair);
	if (rc)
		return rc;
	e->runner_ctl = pair[0];
	rc = joiner_run(&joiner, pair[1], &e->init, &e->mounts);
	fd_drop(&pair[1]);
	if (!shares_pids(e))
		fd_drop(&e->mounts);
	else if (!rc)
		rc = msg_must_send(pod_conn(e), "the pod", MEMBER_MOUNTS, NULL,
				   0, &e->mounts, 1);
	if (rc == -EPIPE)
		rc = 0; /* it has ended: on_pod() says so */
	for (int i = 0; i < INFRA_NS_N && !e->run.restart; i++)
		fd_drop(&e->namespaces[i]);
	return rc;
}

/* ---- running ---- */

static int wait_for_again(struct member *e, int status);

static void on_ready(void *arg)
{
	struct member *e = arg;

	front_go(e->front);
}

static void on_started(void *arg)
{
	struct member *e = arg;
	int rc = container_started(&e->container, e->init, NULL);

	e->restart.began = loop_now(&e->loop);
	if (e->started)
		return; /* again: who has started it knows */
	e->started = true;
	manager_ready(&e->run.net.manager);
	if (container_tell(&e->container, rc, e->background))
		front_kill(e->front);
}

static void on_done(void *arg, int status)
{
	struct member *e = arg;
	bool again = e->started && !e->container.undone && e->pod.fd >= 0 &&
		     !front_told(e->front) &&
		     restart_wanted(&e->restart, status);

	e->init = 0; /* reaped by the front */
	if (!again || wait_for_again(e, status))
		loop_stop(&e->loop, status);
}

static void on_pod(struct loop_source *src, uint32_t revents)
{
	struct member *e = container_of(src, struct member, pod);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (msg_again(rc))
		return;
	if (rc <= 0) {
		loop_close(&e->loop, src);
		log_error("%s: the pod has ended, and the container with it",
			  e->run.pod);
		if (e->front)
			front_kill(e->front);
		else
			loop_stop(&e->loop, e->status);
		return;
	}
	take_file(e, &m);
	msg_drop(&m);
}

static bool on_session(void *arg, int conn)
{
	struct member *e = arg;

	return e->front && front_session(e->front, conn);
}

/* All that is asked of a container itself; its network is its pod's. */
static void on_request(void *arg, struct control_call *call, const char *verb,
		       const json_t *arguments)
{
	(void)arguments;
	if (strcmp(verb, "exec") == 0)
		control_verbs_exec(call, on_session, arg);
	else
		control_error(call, "bad request: execute: no such verb: %.64s",
			      verb);
}

static int watch(struct member *e)
{
	int rc = fd_nonblock(e->conn);

	e->pod = (struct loop_source){ .fd = fd_take(&e->conn),
				       .events = EPOLLIN,
				       .fn = on_pod };
	if (!rc)
		rc = loop_add(&e->loop, &e->pod);
	if (!rc && e->background)
		rc = background_watch(e->background, &e->loop,
				      e->container.own.dir);
	if (!rc)
		rc = control_new(&e->control, &e->loop,
				 fd_take(&e->container.listener), on_request,
				 e);
	return rc;
}

static int make_front(struct member *e)
{
	struct front_ops ops = { on_ready, on_started, on_done, e };
	int rc = front_new(&e->front, &e->loop, e->runner_ctl, e->init, &e->run,
			   &ops);

	if (!rc)
		e->runner_ctl = -1;
	return rc;
}

/* After this: the container has ended for good. */
static int member_3_serve(struct member *e)
{
	int rc = loop_init(&e->loop);

	sys_settle();
	if (!rc)
		rc = make_front(e);
	if (!rc)
		rc = watch(e);
	return rc ? rc : loop_run(&e->loop);
}

/* After this: nothing of the command is left. */
static void end_command(struct member *e)
{
	struct child init = { .pid = e->init,
			      .ctl = -1,
			      .ended = LOOP_SOURCE_NULL };

	e->front = front_free(e->front);
	fd_drop(&e->runner_ctl);
	child_stop(&init, NULL);
	e->init = 0;
	if (e->mounts >= 0)
		strays_kill(e->mounts);
	fd_drop(&e->mounts);
}

/* ---- again ---- */

static void on_again(struct loop_timer *t)
{
	struct member *e = container_of(t, struct member, again);
	int rc;

	loop_close(&e->loop, &e->sig);
	e->restart.began = loop_now(&e->loop);
	rc = member_2_fork(e);
	if (!rc)
		rc = make_front(e);
	if (rc && wait_for_again(e, EXIT_OURS))
		loop_stop(&e->loop, EXIT_OURS);
}

/* It was told to end while it waits. */
static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct member *e = container_of(src, struct member, sig);

	(void)revents;
	loop_stop(&e->loop, e->status);
}

static int wait_for_again(struct member *e, int status)
{
	static const int term = SIGTERM;
	struct mono delay = restart_delay(&e->restart, loop_now(&e->loop));
	int rc;

	end_command(e);
	container_waits(&e->container);
	e->status = status;
	log_warn("%s: has ended with %d and is started again in %lld ms",
		 container_name(&e->container), status,
		 (long long)mono_to_ms(delay));
	rc = loop_signals(&e->loop, &e->sig, &term, 1, on_signal);
	if (!rc)
		rc = loop_timer_set(&e->loop, &e->again,
				    mono_add(loop_now(&e->loop), delay));
	return rc;
}

static void tear_down(struct member *e)
{
	manager_stopping(&e->run.net.manager);
	end_command(e);
	loop_timer_stop(&e->loop, &e->again);
	loop_close(&e->loop, &e->sig);
	e->control = control_free(e->control);
	background_end(e->background); /* all who write are gone */
}

/* After this: the name is free, and who waits knows it. */
static void tell_end(struct member *e, int status)
{
	container_ended(&e->container, status);
	/* with it go its ports */
	fd_drop(&e->conn);
	loop_close(&e->loop, &e->pod);
	background_tell_end(e->background);
	loop_deinit(&e->loop);
	for (int i = 0; i < INFRA_NS_N; i++)
		fd_drop(&e->namespaces[i]);
	manager_free(&e->run.net.manager);
}

int member_run(const struct run_config *cfg, int conn,
	       struct background *background, bool *ran)
{
	struct member *e = calloc(1, sizeof(*e));
	int rc;

	*ran = false;
	if (!e) {
		(void)log_errno(ENOMEM, "supervisor");
		fd_drop(&conn);
		return EXIT_OURS;
	}
	e->run = *cfg;
	e->background = background;
	e->container = (struct container)CONTAINER_NULL;
	e->loop = (struct loop)LOOP_NULL;
	e->conn = conn;
	e->pod = e->sig = (struct loop_source)LOOP_SOURCE_NULL;
	e->again.fn = on_again;
	e->restart.when = cfg->restart;
	if (background)
		background->keep_output = cfg->restart;
	e->runner_ctl = e->mounts = -1;
	for (int i = 0; i < INFRA_NS_N; i++)
		e->namespaces[i] = -1;
	rc = member_1_join(e);
	if (!rc)
		rc = member_2_fork(e);
	if (!rc)
		rc = member_3_serve(e);
	tear_down(e);
	rc = rc < 0 ? EXIT_OURS : rc;
	*ran = e->started;
	tell_end(e, rc);
	free(e);
	return rc;
}
