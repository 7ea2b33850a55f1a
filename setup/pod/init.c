// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One loop, four sources: messages of the front, signals, the pipe by which
 * the command's execution is seen, and changes in /etc. It forks once, before
 * the command can be unfriendly, and allocates nothing after unless `exec` asks
 * for it (session.h), so neither a fork bomb nor a flood of orphans reaches it.
 *
 * All children are reaped without WUNTRACED but the command, whose stops are
 * news for the front. Signals sent to pid 1 itself from within the pod arrive
 * too, since blocked ones are never ignored; they are meant for the container
 * as a whole, so they are passed to the command.
 *
 * The slave of the pty is held to the end: while it is open, its master never
 * reports a hangup, however the command juggles its terminal.
 */
#include "setup/pod/init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/loop.h"
#include "setup/base/exit.h"
#include "setup/bundle/bundle.h"
#include "setup/pod/caps.h"
#include "setup/pod/command.h"
#include "setup/pod/session.h"

enum { REAP_BATCH = 256 };

struct init {
	const struct init_config *cfg;
	struct loop loop;
	struct loop_source ctl, sig, started, files;
	struct loop_job reap;
	struct sessions sessions;
	pid_t command; /* 0: not started, or reaped */
	bool told;     /* that it was executed */
};

int init_status(int wstatus)
{
	if (WIFSIGNALED(wstatus))
		return 128 + WTERMSIG(wstatus);
	return WEXITSTATUS(wstatus);
}

static void tell(struct init *in, uint32_t type, const void *body, size_t len)
{
	/* the front is gone (EOF follows) or hopelessly behind */
	int rc = msg_send(in->cfg->ctl, type, body, len, NULL, 0);

	if (rc)
		log_debug("message %u to the front: %s", type, strerror(-rc));
}

static void on_started(struct loop_source *src, uint32_t revents)
{
	struct init *in = container_of(src, struct init, started);
	char failed;

	(void)revents;
	/* of a bundle that was only the runtime */
	if (read(src->fd, &failed, 1) == 0 && !in->cfg->runner->run->bundle)
		tell(in, RUNNER_STARTED, NULL, 0);
	loop_close(&in->loop, src);
}

/* From here on 0, 1 and what was to be its output are the command's alone. */
static void let_go_of_stdio(const struct init *in)
{
	scoped_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* a root without /dev/null: nothing is lost but an early EOF */
	if (null > STDERR_FILENO) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	for (int i = 0; i < 2; i++)
		if (in->cfg->runner->output[i] >= 0)
			close(in->cfg->runner->output[i]);
}

static void start(struct init *in)
{
	const struct command cmd = {
		.cfg = in->cfg->runner,
		.slave = in->cfg->slave,
		.umask = in->cfg->umask,
	};
	int pipe_fd = -1;

	if (in->command)
		return;
	/*
	 * From now on nobody in the pod, whatever --cap-add gives, may look
	 * into us. Up to now the maker had to: it opens our namespaces.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) {
		(void)log_errno(errno, "not dumpable");
		loop_stop(&in->loop, EXIT_OURS);
		return;
	}
	if (command_start(&cmd, &in->command, &pipe_fd)) {
		loop_stop(&in->loop, EXIT_OURS);
		return;
	}
	in->started = (struct loop_source){ .fd = pipe_fd,
					    .events = EPOLLIN,
					    .fn = on_started };
	if (loop_add(&in->loop, &in->started)) {
		fd_drop(&pipe_fd);
		in->started.fd = -1;
	}
	let_go_of_stdio(in);
	if (caps_init())
		loop_stop(&in->loop, EXIT_OURS);
}

static void forward(struct init *in, const struct runner_signal *s)
{
	if (!in->command || s->sig < 1 || s->sig >= NSIG)
		return;
	/* a group exists as long as its unreaped leader */
	if (kill(s->group ? -in->command : in->command, s->sig))
		log_debug("signal %d: %s", s->sig, strerror(errno));
}

static void on_message(struct init *in, struct msg *m)
{
	struct runner_signal s;

	switch (m->type) {
	case RUNNER_GO:
		start(in);
		break;
	case RUNNER_SIGNAL:
		if (m->len != sizeof(s))
			break;
		memcpy(&s, m->body, sizeof(s));
		forward(in, &s);
		break;
	case RUNNER_RESOLV:
		mounts_text(in->cfg->mounts, MOUNTS_RESOLV, m->body, m->len);
		break;
	case RUNNER_HOSTS:
		mounts_text(in->cfg->mounts, MOUNTS_HOSTS, m->body, m->len);
		break;
	case RUNNER_SESSION:
		/* there is no container yet, or only its end is left */
		if (in->command && m->n_fds == 1)
			sessions_add(&in->sessions, msg_take_fd(m, 0));
		break;
	default:
		log_debug("message %u from the front", m->type);
	}
}

static void on_ctl(struct loop_source *src, uint32_t revents)
{
	struct init *in = container_of(src, struct init, ctl);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (msg_again(rc))
		return;
	if (rc < 0)
		(void)log_errno(-rc, "pid 1: message of the helper");
	if (rc <= 0)
		_exit(EXIT_OURS); /* the helper is gone, and so is the pod */
	on_message(in, &m);
	msg_drop(&m);
}

/* The command stopped or ended? Return: is it still there? */
static void check_command(struct init *in)
{
	int wstatus;

	/* several stops may have piled up into one signal */
	while (in->command &&
	       waitpid(in->command, &wstatus, WNOHANG | WUNTRACED) > 0) {
		if (WIFSTOPPED(wstatus)) {
			int32_t sig = WSTOPSIG(wstatus);

			tell(in, RUNNER_STOPPED, &sig, sizeof(sig));
		} else {
			in->command = 0;
			loop_stop(&in->loop, init_status(wstatus));
		}
	}
}

static void on_reap(struct loop_job *job)
{
	struct init *in = container_of(job, struct init, reap);

	check_command(in);
	(void)sessions_check(&in->sessions, 0);
	for (int i = 0; i < REAP_BATCH && !in->loop.stopped; i++) {
		siginfo_t si = { 0 };

		/* look first: the command's end must not be lost here */
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) ||
		    !si.si_pid)
			return;
		if (si.si_pid == in->command)
			check_command(in);
		else if (!sessions_check(&in->sessions, si.si_pid))
			(void)waitpid(si.si_pid, NULL, WNOHANG);
	}
	/* more of them: let messages have their turn in between */
	loop_defer(&in->loop, job);
}

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct init *in = container_of(src, struct init, sig);
	struct signalfd_siginfo si;

	(void)revents;
	while (read(src->fd, &si, sizeof(si)) == sizeof(si)) {
		const struct runner_signal s = { (int32_t)si.ssi_signo, 0 };

		if (si.ssi_signo == SIGCHLD)
			loop_defer(&in->loop, &in->reap);
		else
			forward(in, &s);
	}
}

static void on_files(struct loop_source *src, uint32_t revents)
{
	struct init *in = container_of(src, struct init, files);
	const struct bundle *bundle = in->cfg->runner->run->bundle;

	(void)revents;
	mounts_mend(in->cfg->mounts);
	if (!bundle || in->told || !bundle_runs(bundle))
		return;
	in->told = true;
	tell(in, RUNNER_STARTED, NULL, 0);
}

static int watch(struct init *in)
{
	static const int signals[] = { SIGCHLD, SIGHUP,	 SIGINT, SIGQUIT,
				       SIGTERM, SIGUSR1, SIGUSR2 };
	int rc = fd_nonblock(in->cfg->ctl);

	if (!rc)
		rc = loop_signals(&in->loop, &in->sig, signals,
				  ARRAY_SIZE(signals), on_signal);
	in->ctl = (struct loop_source){ .fd = in->cfg->ctl,
					.events = EPOLLIN,
					.fn = on_ctl };
	if (!rc)
		rc = loop_add(&in->loop, &in->ctl);
	if (rc || in->cfg->mounts->notify < 0)
		return rc;
	in->files = (struct loop_source){ .fd = in->cfg->mounts->notify,
					  .events = EPOLLIN,
					  .fn = on_files };
	return loop_add(&in->loop, &in->files);
}

int init_run(const struct init_config *cfg)
{
	struct init in = {
		.cfg = cfg,
		.loop = LOOP_NULL,
		.ctl = LOOP_SOURCE_NULL,
		.sig = LOOP_SOURCE_NULL,
		.started = LOOP_SOURCE_NULL,
		.files = LOOP_SOURCE_NULL,
		.reap.fn = on_reap,
	};
	int status;

	list_init(&in.reap.link);
	sessions_init(&in.sessions, &in.loop, cfg->runner, cfg->umask);
	if (loop_init(&in.loop) || watch(&in))
		return EXIT_OURS;
	status = loop_run(&in.loop);
	if (status > 0 && cfg->runner->run->bundle)
		status = bundle_status(cfg->runner->run->bundle, status,
				       cfg->runner->output[1] >= 0);
	/* no clean-up: the caller exits, and the kernel ends the pod */
	return status < 0 ? EXIT_OURS : status;
}
