// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The container's supervisor is given one end of a socketpair, and passes it on
 * to pid 1, which does the rest (session.h). The other end is served by the
 * same front as that of `run`. So no process of the host enters the container,
 * and the supervisor sees none of what is said.
 */
#include "setup/cli/verb_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/control_client.h"
#include "setup/cli/lookup.h"
#include "setup/cli/pods.h"
#include "setup/pod/front.h"
#include "setup/pod/runner.h"

/* Return: a connection to pid 1 of the container, or -errno, logged */
static int reach(const struct run_config *cfg)
{
	struct state_record rec = { .dir = -1 };
	struct control_peer peer = { cfg->control, AT_FDCWD, cfg->control };
	json_t *reply = NULL;
	int pair[2];
	int rc = 0;

	if (!cfg->control) {
		rc = pods_container(cfg->name, &rec);
		if (!rc)
			rc = lookup_must_run(&rec);
		peer = (struct control_peer){ rec.name, rec.dir,
					      STATE_CONTROL };
	}
	if (!rc)
		rc = msg_pair(pair);
	if (!rc) {
		reply = control_ask_with(&peer, "exec", pair[1]);
		fd_drop(&pair[1]);
		if (!reply)
			fd_drop(&pair[0]);
		rc = reply ? pair[0] : -ESRCH;
	}
	json_decref(reply);
	state_drop(&rec);
	return rc;
}

static int put(FILE *f, const char *word)
{
	return fwrite(word, strlen(word) + 1, 1, f) == 1 ? 0 : -EIO;
}

/* Return: a file with the words, or -errno, logged */
static int make_words(const struct run_config *cfg, struct runner_exec *what)
{
	scoped_fd fd = memfd_create("exec", MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : dup(fd);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	int rc;

	if (!f) {
		rc = log_errno(errno, "exec: a file for its words");
		fd_drop(&copy);
		return rc;
	}
	rc = put(f, cfg->user ? cfg->user : "");
	if (!rc)
		rc = put(f, cfg->workdir ? cfg->workdir : "");
	for (char *const *p = cfg->argv; *p && !rc; p++) {
		rc = put(f, *p);
		what->n_args++;
	}
	for (size_t i = 0; i < cfg->n_env && !rc; i++) {
		rc = put(f, cfg->env[i]);
		what->n_env++;
	}
	if (fclose(f) || rc)
		return log_errno(errno ? errno : EIO,
				 "exec: a file for its words");
	return fd_take(&fd);
}

/* Return: 0 or -errno, logged */
static int ask(int conn, const struct run_config *cfg)
{
	struct runner_exec what = { .tty = cfg->tty,
				    .interactive = cfg->interactive };
	scoped_fd words = make_words(cfg, &what);
	const int fds[] = { words, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	int rc;

	if (words < 0)
		return words;
	rc = msg_must_send(conn, "pid 1 of the container", RUNNER_EXEC, &what,
			   sizeof(what), fds, ARRAY_SIZE(fds));
	/* gone: the front finds out, too, and says so */
	return rc == -EPIPE ? 0 : rc;
}

struct exec {
	struct loop loop;
	struct front *front;
};

static void on_ready(void *arg)
{
	struct exec *e = arg;

	front_go(e->front);
}

static void on_done(void *arg, int status)
{
	struct exec *e = arg;

	loop_stop(&e->loop, status);
}

/* Return: the exit status, or -errno, logged */
static int converse(int conn, const struct run_config *cfg)
{
	struct exec e = { .loop = LOOP_NULL };
	const struct front_ops ops = { on_ready, NULL, on_done, &e };
	int rc = ask(conn, cfg);

	if (!rc)
		rc = loop_init(&e.loop);
	if (rc) {
		fd_drop(&conn);
		return rc;
	}
	rc = front_new(&e.front, &e.loop, conn, 0, cfg, &ops);
	if (rc)
		fd_drop(&conn);
	else
		rc = loop_run(&e.loop);
	e.front = front_free(e.front);
	loop_deinit(&e.loop);
	return rc;
}

int verb_exec(int argc, char **argv)
{
	struct run_config cfg = { 0 };
	int rc = config_exec_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = reach(&cfg);
	if (rc >= 0)
		rc = converse(rc, &cfg);
	config_run_free(&cfg);
	return rc < 0 ? EXIT_OURS : rc;
}
