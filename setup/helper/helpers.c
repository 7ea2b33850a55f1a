// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must survive a process is held here, in the supervisor: the TAP, the
 * listeners of published ports, TPROXY and DNS, and the hop's namespaces. A
 * process gets duplicates when it is forked, and so does its successor.
 *
 * Links between two processes (netstack and portfwd, portfwd and maker) are
 * made anew when either is: the survivor gets the new end in a message.
 *
 * The first start waits in plain system calls, because nothing else is there
 * to be done. A later one only sends: the messages wait in the socket until
 * the new process reads them, and its READY is read by whoever asks it next.
 */
#include "setup/helper/helpers_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/netstack.h"
#include "portfwd/portfwd.h"
#include "setup/helper/sandbox.h"

/* A process that lived this long has not died of its start. */
#define STABLE_S      10
#define BACKOFF_MS    20
#define BACKOFF_MAX_S 5
/* So many deaths without a stable life between them are no accident. */
#define DEGRADED_AFTER 4

/* The ends of the socketpairs of a start; [0] is the first one's named. */
struct ends {
	int ctl[HELPER_N][2]; /* supervisor, child */
	int peer[2];	      /* netstack, portfwd */
	int sockets[2];	      /* portfwd, maker */
	int runner[2];	      /* front, runner */
};

static const char *const names[] = { "netstack", "portfwd", "maker" };

void helpers_init(struct helpers *h)
{
	*h = (struct helpers){ .hop = HOP_NULL,
			       .tell_again.fn = helpers_on_tell_again };
	for (int i = 0; i < HELPER_N; i++)
		h->children[i] = (struct child)CHILD_NULL;
}

static void ends_init(struct ends *e)
{
	memset(e, -1, sizeof(*e)); /* every descriptor absent */
}

static void ends_close(struct ends *e)
{
	int *fds = (int *)e;

	for (size_t i = 0; i < sizeof(*e) / sizeof(int); i++)
		fd_drop(&fds[i]);
}

bool helpers_splice(const struct helpers *h)
{
	return h->net->datapath != DATAPATH_SLIRP && h->hop.tap_hop < 0;
}

/* ---- forking ---- */

static int fork_netstack(struct helpers *h, struct ends *e)
{
	struct sandbox box;
	int *ctl = e->ctl[HELPER_NETSTACK];
	int *const keep[] = { &ctl[1], &e->peer[0] };
	int rc = child_fork(&h->children[HELPER_NETSTACK], names[0], true, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(sandbox_1_namespaces(&box, SANDBOX_NETSTACK)
			      ? 1
			      : netstack_main(ctl[1], e->peer[0],
					      sandbox_2_lock, &box));
	return rc;
}

static int fork_portfwd(struct helpers *h, struct ends *e)
{
	struct sandbox box;
	int *ctl = e->ctl[HELPER_PORTFWD];
	int *const keep[] = { &ctl[1], &e->peer[1], &e->sockets[0] };
	int rc = child_fork(&h->children[HELPER_PORTFWD], names[1], true, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(sandbox_1_namespaces(&box, SANDBOX_PORTFWD)
			      ? 1
			      : portfwd_main(ctl[1], e->peer[1], e->sockets[0],
					     sandbox_2_lock, &box));
	return rc;
}

static int fork_maker(struct helpers *h, struct ends *e,
		      struct maker_config *cfg)
{
	int *ctl = e->ctl[HELPER_MAKER];
	int *const keep[] = { &ctl[1],
			      &e->sockets[1],
			      &e->runner[1],
			      &cfg->ns_user,
			      &cfg->hop.ns_pod,
			      &cfg->hop.tap,
			      &cfg->runner.output[0],
			      &cfg->runner.output[1] };
	int rc = child_fork(&h->children[HELPER_MAKER], names[2], false, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(maker_main(cfg, ctl[1], e->sockets[1], e->runner[1]));
	return rc;
}

static int fork_maker_again(struct helpers *h, struct ends *e)
{
	int *ctl = e->ctl[HELPER_MAKER];
	int *const keep[] = { &ctl[1], &e->sockets[1], &h->hop.ns_user,
			      &h->hop.ns_hop };
	int rc = child_fork(&h->children[HELPER_MAKER], names[2], false, keep,
			    ARRAY_SIZE(keep));

	if (rc == 1)
		_exit(maker_again(&h->hop, &h->net->forward, ctl[1],
				  e->sockets[1]));
	return rc;
}

static void take_ctl(struct helpers *h, struct ends *e, enum helper who)
{
	h->children[who].ctl = fd_take(&e->ctl[who][0]);
}

/* ---- the first start ---- */

static int make_all_ends(struct ends *e)
{
	int(*pairs[])[2] = { &e->ctl[0], &e->ctl[1],  &e->ctl[2],
			     &e->peer,	 &e->sockets, &e->runner };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pairs) && !rc; i++)
		rc = msg_pair(*pairs[i]);
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

/* A failed message means that its receiver died: that is what to tell. */
static int configured(struct child *c, int rc)
{
	if (rc == -EPIPE)
		return child_failed(c);
	return rc ? log_errno(-rc, "configure %s", c->role) : 0;
}

static int hand_over(struct helpers *h)
{
	struct child *netstack = &h->children[HELPER_NETSTACK];
	struct child *portfwd = &h->children[HELPER_PORTFWD];
	int rc = configured(netstack, helpers_config_netstack(h));

	if (!rc)
		rc = configured(portfwd, helpers_config_portfwd(h));
	if (!rc)
		rc = wait_ready(netstack, NETSTACK_READY);
	if (!rc)
		rc = wait_ready(portfwd, PORTFWD_READY);
	for (int i = 0; i < HELPER_N && !rc; i++)
		rc = fd_nonblock(h->children[i].ctl);
	return rc;
}

int helpers_start(struct helpers *h, struct maker_config *maker, pid_t *init,
		  int *runner_ctl)
{
	struct child *m = &h->children[HELPER_MAKER];
	struct ends e;
	int rc;

	ends_init(&e);
	rc = make_all_ends(&e);
	if (!rc)
		rc = fork_maker(h, &e, maker);
	if (!rc)
		rc = fork_netstack(h, &e);
	if (!rc)
		rc = fork_portfwd(h, &e);
	for (int i = 0; i < HELPER_N; i++)
		take_ctl(h, &e, (enum helper)i);
	*runner_ctl = fd_take(&e.runner[0]);
	ends_close(&e);
	if (rc)
		return rc;
	rc = maker_hop_recv(m->ctl, m->pid, &h->hop, h->plan, init);
	if (rc == -EPIPE)
		return child_failed(m);
	return rc ? rc : hand_over(h);
}

static int start_portfwd(struct helpers *h)
{
	struct child *c = &h->children[HELPER_PORTFWD];
	int rc = configured(c, helpers_config_portfwd(h));

	if (!rc)
		rc = wait_ready(c, PORTFWD_READY);
	return rc ? rc : fd_nonblock(c->ctl);
}

int helpers_forward(struct helpers *h, int ns_user, int ns_net)
{
	struct child *m = &h->children[HELPER_MAKER];
	struct ends e;
	int rc;

	h->hop.ns_user = ns_user;
	h->hop.ns_hop = ns_net;
	ends_init(&e);
	rc = make_all_ends(&e);
	if (!rc)
		rc = fork_maker_again(h, &e);
	if (!rc)
		rc = fork_portfwd(h, &e);
	take_ctl(h, &e, HELPER_MAKER);
	take_ctl(h, &e, HELPER_PORTFWD);
	ends_close(&e);
	if (!rc)
		rc = wait_ready(m, MAKER_READY);
	if (!rc)
		rc = fd_nonblock(m->ctl);
	return rc ? rc : start_portfwd(h);
}

/* ---- starting again ---- */

static int watch(struct helpers *h, enum helper who);

/*
 * Give the survivor its new end. One that is dead, too, is next, and gets one
 * then; one that lives must have it, or the two never speak again.
 */
static int pass_end(struct helpers *h, enum helper who, uint32_t type, int fd)
{
	int rc;

	if (h->children[who].ctl < 0)
		return 0;
	rc = msg_must_send(h->children[who].ctl, names[who], type, NULL, 0, &fd,
			   1);
	return rc == -EPIPE ? 0 : rc;
}

static int again_netstack(struct helpers *h, struct ends *e)
{
	int rc = msg_pair(e->peer);

	if (!rc)
		rc = fork_netstack(h, e);
	if (rc)
		return rc;
	take_ctl(h, e, HELPER_NETSTACK);
	rc = pass_end(h, HELPER_PORTFWD, PORTFWD_PEER, e->peer[1]);
	return rc ? rc : helpers_config_netstack(h);
}

static int again_portfwd(struct helpers *h, struct ends *e)
{
	int rc = msg_pair(e->peer);

	if (!rc)
		rc = msg_pair(e->sockets);
	if (!rc)
		rc = fork_portfwd(h, e);
	if (rc)
		return rc;
	take_ctl(h, e, HELPER_PORTFWD);
	rc = pass_end(h, HELPER_MAKER, MAKER_PORTFWD, e->sockets[1]);
	if (!rc)
		rc = helpers_config_portfwd(h);
	/* last: SYNs that waited are asked about at once */
	if (!rc)
		rc = pass_end(h, HELPER_NETSTACK, NETSTACK_PEER, e->peer[0]);
	return rc;
}

static int again_maker(struct helpers *h, struct ends *e)
{
	int rc = msg_pair(e->sockets);

	if (!rc)
		rc = fork_maker_again(h, e);
	if (rc)
		return rc;
	take_ctl(h, e, HELPER_MAKER);
	return pass_end(h, HELPER_PORTFWD, PORTFWD_MAKER, e->sockets[0]);
}

static int again(struct helpers *h, enum helper who)
{
	static int (*const fns[])(struct helpers *, struct ends *) = {
		again_netstack, again_portfwd, again_maker
	};
	struct ends e;
	int rc;

	ends_init(&e);
	rc = msg_pair(e.ctl[who]);
	/* blocking until it is configured: what doesn't fit at once, as a long
	 * list of ports, waits for the process to read */
	if (!rc)
		rc = fns[who](h, &e);
	ends_close(&e);
	if (!rc)
		rc = fd_nonblock(h->children[who].ctl);
	return rc ? rc : watch(h, who);
}

/* ---- how it goes ---- */

static bool failing(const struct helpers *h, int who)
{
	return h->restarts[who].failures >= DEGRADED_AFTER;
}

static void describe(const struct helpers *h, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (h->tap_gone)
		(void)snprintf(
			buf, cap,
			"TAP device %s: it was deleted in the pod: there is no network until the pod is started anew",
			h->plan->tap);
	for (int i = 0; i < HELPER_N && !buf[0]; i++)
		if (failing(h, i))
			(void)snprintf(
				buf, cap,
				"%s: ended %u times in a row, last %s: it is tried every %d s",
				names[i], h->restarts[i].failures,
				h->restarts[i].why + strlen("ended "),
				BACKOFF_MAX_S);
}

/* Tell what has changed; a number that grows is no news for the log. */
static void tell_state(struct helpers *h)
{
	bool was = h->reason[0];

	describe(h, h->reason, sizeof(h->reason));
	if (h->reason[0] && !was)
		log_error("%s", h->reason);
	else if (was && !h->reason[0])
		log_warn("all processes are stable again");
	h->ops.degraded(h->ops.arg, h->reason[0] ? h->reason : NULL);
}

static void schedule(struct helpers *h, enum helper who)
{
	struct helper_restart *r = &h->restarts[who];
	struct mono delay = MONO_ZERO;

	if (r->failures)
		delay = mono_ms((int64_t)BACKOFF_MS
				<< (r->failures < 10 ? r->failures : 10));
	if (mono_before(mono_s(BACKOFF_MAX_S), delay))
		delay = mono_s(BACKOFF_MAX_S);
	r->failures++;
	/* -ENOMEM was logged; then there is no network, but the pod lives */
	(void)loop_timer_set(h->loop, &r->timer,
			     mono_add(loop_now(h->loop), delay));
	tell_state(h);
}

static void restart(struct helpers *h, enum helper who)
{
	struct helper_restart *r = &h->restarts[who];
	struct child *c = &h->children[who];

	r->count++;
	if (again(h, who)) {
		(void)snprintf(r->why, sizeof(r->why), "ended at its start");
		child_stop(c, h->loop);
		schedule(h, who);
		return;
	}
	/* else, logged, it counts as unstable for ever: no harm */
	(void)loop_timer_set(h->loop, &r->timer,
			     mono_add(loop_now(h->loop), mono_s(STABLE_S)));
	h->ops.changed(h->ops.arg, who, c->pid, c->ctl);
}

static void on_timer(struct helpers *h, enum helper who)
{
	if (!h->children[who].pid) {
		restart(h, who);
		return;
	}
	h->restarts[who].failures = 0;
	if (h->reason[0])
		tell_state(h);
}

void helpers_tap_gone(struct helpers *h)
{
	h->tap_gone = true;
	if (h->loop)
		tell_state(h);
}

static void ended(struct helpers *h, enum helper who)
{
	struct child *c = &h->children[who];
	struct helper_restart *r = &h->restarts[who];
	int status;

	loop_close(h->loop, &c->ended);
	status = child_why(c, r->why, sizeof(r->why));
	fd_drop(&c->ctl);
	h->ops.changed(h->ops.arg, who, 0, -1);
	if (who == HELPER_NETSTACK && WIFEXITED(status) &&
	    WEXITSTATUS(status) == NETSTACK_EXIT_TAP) {
		loop_timer_stop(h->loop, &r->timer);
		helpers_tap_gone(h);
		return;
	}
	/* logged; they expire some day */
	if (who == HELPER_NETSTACK && h->hop.tap_hop < 0)
		(void)hop_forget_slow(&h->hop);
	schedule(h, who);
	if (!failing(h, who))
		log_warn("%s: %s: it is started again%s", c->role, r->why,
			 who == HELPER_PORTFWD ? ", its open flows were reset"
					       : "");
}

#define PER_HELPER(name, WHO)                                                  \
	static void on_##name##_ended(struct loop_source *src, uint32_t ev)    \
	{                                                                      \
		(void)ev;                                                      \
		ended(container_of(src, struct helpers, children[WHO].ended),  \
		      WHO);                                                    \
	}                                                                      \
	static void on_##name##_timer(struct loop_timer *t)                    \
	{                                                                      \
		on_timer(container_of(t, struct helpers, restarts[WHO].timer), \
			 WHO);                                                 \
	}
PER_HELPER(netstack, HELPER_NETSTACK)
PER_HELPER(portfwd, HELPER_PORTFWD)
PER_HELPER(maker, HELPER_MAKER)

static int watch(struct helpers *h, enum helper who)
{
	static const loop_source_fn fns[] = { on_netstack_ended,
					      on_portfwd_ended,
					      on_maker_ended };
	struct child *c = &h->children[who];

	return loop_child(h->loop, &c->ended, c->pid, fns[who]);
}

int helpers_watch(struct helpers *h, struct loop *loop,
		  const struct helpers_ops *ops)
{
	static const loop_timer_fn timers[] = { on_netstack_timer,
						on_portfwd_timer,
						on_maker_timer };
	int rc = 0;

	h->loop = loop;
	h->ops = *ops;
	for (int i = 0; i < HELPER_N && !rc; i++) {
		h->restarts[i].timer.fn = timers[i];
		if (h->children[i].pid) /* `forward` has no netstack */
			rc = watch(h, (enum helper)i);
	}
	return rc;
}

void helpers_leave(struct helpers *h)
{
	/* whoever closes a TAP last takes the device away */
	child_stop(&h->children[HELPER_NETSTACK], h->loop);
	if (h->hop.ns_hop >= 0 && h->hop.tap_hop < 0)
		(void)hop_remove(&h->hop); /* logged; then it goes later */
}

void helpers_stop(struct helpers *h, pid_t init)
{
	struct child pod = { .pid = init,
			     .ctl = -1,
			     .ended = LOOP_SOURCE_NULL };

	for (int i = 0; h->loop && i < HELPER_N; i++)
		loop_timer_stop(h->loop, &h->restarts[i].timer);
	if (h->loop)
		loop_timer_stop(h->loop, &h->tell_again);
	/* portfwd first: its ports are free when we return */
	child_stop(&h->children[HELPER_PORTFWD], h->loop);
	child_stop(&h->children[HELPER_MAKER], h->loop);
	child_stop(&pod, NULL);
	hop_close(&h->hop);
	/* netstack last, and not waited for: who closes a TAP last waits for
	 * an RCU grace period, some 20 ms, and nobody needs to but it */
	child_abandon(&h->children[HELPER_NETSTACK], h->loop);
}
