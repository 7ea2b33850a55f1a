// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command has no part in the user's terminal session: its process group
 * can't be the terminal's foreground group. So the front stands for it there.
 * What the terminal sends (si_code SI_KERNEL) was meant for the foreground
 * group and goes to the command's group; what a process sent (SI_USER) goes
 * to the command alone. When the command stops, the front stops itself, so
 * that the shell sees a stopped job, and continues it when it is continued.
 *
 * States only go forward. done() is called from a job, when no handler of the
 * front is on the stack, so that it may free the front.
 */
#include "setup/pod/front.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/pod/console.h"
#include "setup/pod/init.h"
#include "setup/pod/runner.h"

enum front_state {
	FRONT_SETUP,   /* before front_go(): a terminating signal is for us */
	FRONT_RUNNING, /* signals are the command's */
	FRONT_ENDING,  /* pid 1 is reaped; output may be left to write */
	FRONT_DONE,    /* done() is to be called, or was; nothing else */
};

struct front {
	struct loop *loop;
	struct front_ops ops;
	const struct run_config *run;
	pid_t init; /* 0: exec's, somebody else's child; else not to be
		       signalled from FRONT_ENDING on */
	enum front_state state;
	struct loop_source ctl, sig, child;
	struct loop_job finish;
	bool ready, started, has_console, failed;
	bool told; /* to end */
	struct console console;
	int status;
	int end_sig; /* the signal that ended us before the start, or 0 */
};

static void tell(struct front *f, uint32_t type, const void *body, size_t len)
{
	int rc;

	if (f->ctl.fd < 0)
		return;
	rc = msg_send(f->ctl.fd, type, body, len, NULL, 0);
	/* gone: its end is noticed by the pidfd */
	if (rc && rc != -EPIPE)
		log_debug("message %u to pid 1: %s", type, strerror(-rc));
}

static void on_finish(struct loop_job *job)
{
	struct front *f = container_of(job, struct front, finish);

	if (f->has_console)
		console_restore(&f->console);
	f->ops.done(f->ops.arg, f->status);
}

static void finish(void *arg)
{
	struct front *f = arg;

	if (f->state == FRONT_DONE)
		return;
	f->state = FRONT_DONE;
	loop_defer(f->loop, &f->finish);
}

/* The command has ended, or all there is of it that we can reach. */
static void ended(struct front *f, int status)
{
	if (f->state >= FRONT_ENDING)
		return;
	f->state = FRONT_ENDING;
	f->status = f->failed	 ? EXIT_OURS
		    : f->end_sig ? 128 + f->end_sig
				 : status;
	if (f->has_console)
		console_drain(&f->console, finish, f);
	else
		finish(f);
}

void front_kill(struct front *f)
{
	if (f->state > FRONT_RUNNING)
		return;
	if (!f->init) {
		/* its end is the command's */
		loop_close(f->loop, &f->ctl);
		ended(f, 128 + SIGKILL);
	} else if (kill(f->init, SIGKILL)) {
		(void)log_errno(errno, "kill the pod");
	}
}

/* Without pid 1 there is no command; why was logged. */
static void give_up(struct front *f)
{
	f->failed = true;
	front_kill(f);
}

/*
 * Is there a shell that will notice, and continue us? In an orphaned process
 * group nobody does: there the kernel discards SIGTSTP, and so do we.
 */
static bool has_job_control(void)
{
	pid_t parent = getppid();

	return getpgid(parent) != getpgrp() && getsid(parent) == getsid(0);
}

static void stop(struct front *f)
{
	if (!has_job_control())
		return;
	if (f->has_console)
		console_restore(&f->console);
	/* only this process: the pod's network goes on */
	(void)raise(SIGSTOP);
	/* SIGCONT is read from the signalfd next */
}

static void proceed(struct front *f)
{
	const struct runner_signal s = { SIGCONT, 1 };

	if (f->state != FRONT_RUNNING)
		return;
	if (f->has_console) {
		console_raw(&f->console);
		console_resize(&f->console);
	}
	tell(f, RUNNER_SIGNAL, &s, sizeof(s));
}

/* A signal before the command was let start. */
static void early_signal(struct front *f, int sig)
{
	switch (sig) {
	case SIGTSTP:
		stop(f);
		break;
	case SIGCONT:
	case SIGWINCH:
		break;
	default:
		f->end_sig = sig;
		front_kill(f);
	}
}

static void late_signal(struct front *f, int sig, bool typed)
{
	const struct runner_signal s = { sig, typed };
	bool by_key = sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP;

	if (sig == SIGCONT)
		proceed(f);
	else if (f->has_console && sig == SIGWINCH)
		console_resize(&f->console);
	else if (f->has_console && typed && by_key)
		console_typed(&f->console, sig);
	else
		tell(f, RUNNER_SIGNAL, &s, sizeof(s));
}

/* Whoever doesn't read our output must not keep us from ending. */
static void last_signal(struct front *f, int sig)
{
	if (sig == SIGTSTP)
		stop(f);
	else if (sig != SIGCONT && sig != SIGWINCH)
		finish(f);
}

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct front *f = container_of(src, struct front, sig);
	struct signalfd_siginfo si;

	(void)revents;
	while (read(src->fd, &si, sizeof(si)) == sizeof(si)) {
		int sig = (int)si.ssi_signo;

		if (sig == SIGPIPE)
			continue; /* write() has told already */
		f->told |= sig == SIGTERM;
		if (f->state == FRONT_SETUP)
			early_signal(f, sig);
		else if (f->state == FRONT_RUNNING)
			late_signal(f, sig, si.ssi_code == SI_KERNEL);
		else
			last_signal(f, sig);
	}
}

static void on_ready(struct front *f, struct msg *m)
{
	scoped_fd master = msg_take_fd(m, 0);

	if (f->ready)
		return;
	f->ready = true;
	if (f->run->tty) {
		if (master < 0 || console_init(&f->console, f->loop, master)) {
			log_error("pid 1 of the pod gave no terminal");
			give_up(f);
			return;
		}
		(void)fd_take(&master);
		f->has_console = true;
	}
	if (f->ops.ready)
		f->ops.ready(f->ops.arg);
}

/* In the background nobody types. */
static void on_started(struct front *f)
{
	if (f->started)
		return;
	f->started = true;
	if (f->has_console && f->run->interactive && !f->run->detach)
		console_input(&f->console);
	if (f->ops.started)
		f->ops.started(f->ops.arg);
}

static void on_ended(struct front *f, const struct msg *m)
{
	struct runner_ended e;

	if (m->len != sizeof(e))
		return;
	memcpy(&e, m->body, sizeof(e));
	if (e.err)
		(void)log_errno(e.err, "pid 1 of the container can't start it");
	ended(f, e.status);
}

/* It was alive when we connected. */
static void on_container_end(struct front *f)
{
	if (f->state == FRONT_SETUP && !f->end_sig) {
		log_error("the container ends, or runs too many commands");
		f->failed = true;
	}
	ended(f, 128 + SIGKILL);
}

static void on_ctl(struct loop_source *src, uint32_t revents)
{
	struct front *f = container_of(src, struct front, ctl);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (msg_again(rc))
		return;
	if (rc <= 0) {
		/* its end follows, unless it has gone mad */
		loop_close(f->loop, src);
		if (rc < 0) {
			(void)log_errno(-rc, "message of pid 1");
			give_up(f);
		} else if (!f->init) {
			on_container_end(f);
		}
		return;
	}
	if (m.type == RUNNER_STARTED)
		on_started(f);
	else if (m.type == RUNNER_STOPPED)
		stop(f);
	else if (m.type == RUNNER_READY)
		on_ready(f, &m);
	else if (m.type == RUNNER_ENDED && !f->init)
		on_ended(f, &m);
	msg_drop(&m);
}

static void on_child(struct loop_source *src, uint32_t revents)
{
	struct front *f = container_of(src, struct front, child);
	int wstatus;

	(void)revents;
	if (waitpid(f->init, &wstatus, WNOHANG) != f->init)
		return;
	loop_close(f->loop, src);
	ended(f, init_status(wstatus));
}

static int watch(struct front *f, int ctl)
{
	static const int signals[] = { SIGINT,	SIGTERM, SIGHUP,  SIGQUIT,
				       SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH,
				       SIGPIPE, SIGUSR1 };
	/* the last is asked of us without a terminal: network.h */
	size_t n = ARRAY_SIZE(signals) - f->run->detach;
	int rc = loop_signals(f->loop, &f->sig, signals, n, on_signal);

	if (!rc && f->init)
		rc = loop_child(f->loop, &f->child, f->init, on_child);
	if (!rc)
		rc = fd_nonblock(ctl);
	if (rc)
		return rc;
	f->ctl = (struct loop_source){ .fd = ctl,
				       .events = EPOLLIN,
				       .fn = on_ctl };
	rc = loop_add(f->loop, &f->ctl);
	if (rc)
		f->ctl.fd = -1; /* still the caller's */
	return rc;
}

int front_new(struct front **out, struct loop *loop, int ctl, pid_t init,
	      const struct run_config *run, const struct front_ops *ops)
{
	struct front *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return log_errno(ENOMEM, "front");
	f->loop = loop;
	f->ops = *ops;
	f->run = run;
	f->init = init;
	f->ctl = f->sig = f->child = (struct loop_source)LOOP_SOURCE_NULL;
	f->finish.fn = on_finish;
	list_init(&f->finish.link);
	rc = watch(f, ctl);
	if (rc) {
		(void)front_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void front_go(struct front *f)
{
	int rc;

	if (f->state != FRONT_SETUP || f->end_sig)
		return;
	f->state = FRONT_RUNNING;
	rc = msg_send(f->ctl.fd, RUNNER_GO, NULL, 0, NULL, 0);
	/* it waits for nothing else, so it would wait for ever */
	if (rc && rc != -EPIPE) {
		(void)log_errno(-rc, "message to pid 1: start the command");
		give_up(f);
	}
}

void front_resolv(struct front *f, const char *text)
{
	if (f->state <= FRONT_RUNNING)
		tell(f, RUNNER_RESOLV, text, strlen(text));
}

void front_hosts(struct front *f, const char *text)
{
	if (f->state <= FRONT_RUNNING)
		tell(f, RUNNER_HOSTS, text, strlen(text));
}

bool front_session(struct front *f, int conn)
{
	int rc;

	if (f->state != FRONT_RUNNING || f->ctl.fd < 0)
		return false;
	rc = msg_send(f->ctl.fd, RUNNER_SESSION, NULL, 0, &conn, 1);
	if (rc)
		log_debug("message to pid 1: exec: %s", strerror(-rc));
	return rc == 0;
}

bool front_told(const struct front *f)
{
	return f->told;
}

struct front *front_free(struct front *f)
{
	if (!f)
		return NULL;
	if (f->has_console)
		console_deinit(&f->console);
	loop_close(f->loop, &f->child);
	loop_close(f->loop, &f->sig);
	loop_close(f->loop, &f->ctl);
	list_del(&f->finish.link);
	free(f);
	return NULL;
}
