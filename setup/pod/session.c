// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pid 1 is the parent of what is executed: it has the container's environment,
 * ids, limits and capabilities at hand, it reaps, nothing of the host enters
 * the pod, and nothing outlives it. The messages are those of the container's
 * own command, so that the verb's end is the same front. The words come as a
 * file, which only the child reads, so that their size is nobody's concern
 * here.
 *
 * A connection that ends takes its command with it, with SIGKILL to the process
 * group: who asked for it is gone, and nobody else could tell it to end. When
 * it has a terminal, the rest of that session gets the kernel's SIGHUP.
 */
#include "setup/pod/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/bundle/bundle.h"
#include "setup/pod/command.h"
#include "setup/pod/init.h"
#include "setup/pod/pty.h"

enum session_state {
	SESSION_NEW,	 /* nothing was asked for yet */
	SESSION_ASKED,	 /* the terminal is made: go when it is told to */
	SESSION_RUNNING, /* the command is started */
};

struct session {
	struct sessions *all;
	struct list link;
	enum session_state state;
	struct loop_source conn, started;
	struct command_words words;
	int slave; /* held to the end, as pid 1 does with the first one */
	pid_t pid; /* 0: not started, or reaped */
};

static void tell(struct session *s, uint32_t type, const void *body, size_t len)
{
	int rc;

	if (s->conn.fd < 0)
		return;
	rc = msg_send(s->conn.fd, type, body, len, NULL, 0);
	if (rc)
		log_debug("message %u to exec: %s", type, strerror(-rc));
}

static void drop_files(struct session *s)
{
	fd_drop(&s->words.file);
	for (int i = 0; i < 3; i++)
		fd_drop(&s->words.stdio[i]);
}

static void session_free(struct session *s)
{
	loop_close(s->all->loop, &s->conn);
	loop_close(s->all->loop, &s->started);
	drop_files(s);
	fd_drop(&s->slave);
	list_del(&s->link);
	s->all->n--;
	free(s);
}

static void end(struct session *s, int status, int err)
{
	const struct runner_ended e = { status, err };

	tell(s, RUNNER_ENDED, &e, sizeof(e));
	session_free(s);
}

/* Who asked is gone. */
static void abandon(struct session *s)
{
	if (!s->pid) {
		session_free(s);
		return;
	}
	loop_close(s->all->loop, &s->conn);
	if (s->all->cfg->run->bundle)
		bundle_kill_exec(s->pid);
	if (kill(-s->pid, SIGKILL))
		log_debug("end %d: %s", (int)s->pid, strerror(errno));
}

/* It is gone when its command has ended. */
static void check(struct session *s)
{
	int wstatus;

	while (s->pid &&
	       waitpid(s->pid, &wstatus, WNOHANG | WUNTRACED) == s->pid) {
		if (WIFSTOPPED(wstatus)) {
			int32_t sig = WSTOPSIG(wstatus);

			tell(s, RUNNER_STOPPED, &sig, sizeof(sig));
			continue;
		}
		s->pid = 0;
		end(s, init_status(wstatus), 0);
		return;
	}
}

bool sessions_check(struct sessions *all, pid_t pid)
{
	bool ours = false;

	list_for_each_safe (l, &all->all) {
		struct session *s = container_of(l, struct session, link);

		if (pid && s->pid != pid)
			continue;
		ours = true;
		check(s);
	}
	return ours;
}

static void on_started(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, started);
	char failed;

	(void)revents;
	if (read(src->fd, &failed, 1) == 0)
		tell(s, RUNNER_STARTED, NULL, 0);
	loop_close(s->all->loop, src);
}

static void go(struct session *s)
{
	const struct command cmd = {
		.cfg = s->all->cfg,
		.slave = s->slave,
		.umask = s->all->umask,
		.words = &s->words,
	};
	int pipe_fd = -1;
	int rc = command_start(&cmd, &s->pid, &pipe_fd);

	drop_files(s);
	if (rc) {
		end(s, EXIT_OURS, -rc);
		return;
	}
	s->state = SESSION_RUNNING;
	s->started = (struct loop_source){ .fd = pipe_fd,
					   .events = EPOLLIN,
					   .fn = on_started };
	if (loop_add(s->all->loop, &s->started)) {
		fd_drop(&pipe_fd);
		s->started.fd = -1;
	}
}

/* RUNNER_EXEC; Return: 0 or -errno */
static int asked(struct session *s, struct msg *m)
{
	struct pty pty = PTY_NULL;
	int rc = 0;

	if (m->len != sizeof(s->words.what) || m->n_fds != 4)
		return -EPROTO;
	memcpy(&s->words.what, m->body, sizeof(s->words.what));
	s->words.file = msg_take_fd(m, 0);
	for (size_t i = 0; i < 3; i++)
		s->words.stdio[i] = msg_take_fd(m, i + 1);
	if (s->words.what.tty)
		rc = pty_open(&pty);
	s->slave = pty.slave;
	if (!rc)
		rc = msg_send(s->conn.fd, RUNNER_READY, NULL, 0, &pty.master,
			      pty.master >= 0);
	fd_drop(&pty.master);
	s->state = SESSION_ASKED;
	return rc;
}

static void forward(struct session *s, const struct msg *m)
{
	struct runner_signal sig;

	if (m->len != sizeof(sig) || !s->pid)
		return;
	memcpy(&sig, m->body, sizeof(sig));
	if (sig.sig < 1 || sig.sig >= NSIG)
		return;
	/* a group exists as long as its unreaped leader */
	if (kill(sig.group ? -s->pid : s->pid, sig.sig))
		log_debug("signal %d: %s", sig.sig, strerror(errno));
}

static void on_conn(struct loop_source *src, uint32_t revents)
{
	struct session *s = container_of(src, struct session, conn);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (msg_again(rc))
		return;
	if (rc <= 0) {
		abandon(s);
		return;
	}
	rc = 0;
	if (m.type == RUNNER_EXEC && s->state == SESSION_NEW)
		rc = asked(s, &m);
	else if (m.type == RUNNER_SIGNAL)
		forward(s, &m);
	msg_drop(&m);
	if (rc)
		end(s, EXIT_OURS, -rc);
	else if (m.type == RUNNER_GO && s->state == SESSION_ASKED)
		go(s);
}

void sessions_init(struct sessions *s, struct loop *loop,
		   const struct runner_config *cfg, mode_t umask)
{
	*s = (struct sessions){ .loop = loop, .cfg = cfg, .umask = umask };
	list_init(&s->all);
}

void sessions_add(struct sessions *all, int conn)
{
	struct session *s =
		all->n < SESSIONS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (!s || fd_nonblock(conn)) {
		free(s);
		fd_drop(&conn);
		return;
	}
	s->all = all;
	s->slave = s->words.file = -1;
	for (int i = 0; i < 3; i++)
		s->words.stdio[i] = -1;
	s->started = (struct loop_source)LOOP_SOURCE_NULL;
	s->conn = (struct loop_source){ .fd = conn,
					.events = EPOLLIN,
					.fn = on_conn };
	list_init(&s->link);
	list_append(&all->all, &s->link);
	all->n++;
	if (loop_add(all->loop, &s->conn))
		session_free(s);
}
