// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PR_SET_PDEATHSIG alone is not enough to follow the supervisor into death: it
 * is lost when credentials change, and a parent that died before the call is
 * never noticed. So every child also reads its control socket, whose end of
 * file means the same.
 */
#include "setup/helper/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"

/* And the log's, which every process writes to by itself. */
static void keep_fds(int *const fds[], size_t n)
{
	int *all[CHILD_FDS_MAX + 1];

	assert(n <= CHILD_FDS_MAX);
	memcpy(all, fds, n * sizeof(all[0]));
	all[n] = log_file_ref();
	sys_keep_fds(all, n + 1);
}

int child_fork(struct child *c, const char *role, bool quiet, int *const fds[],
	       size_t n)
{
	pid_t pid = fork();

	if (pid < 0)
		return log_errno(errno, "fork %s", role);
	if (pid == 0) {
		sigset_t none;

		/* what the loop reads from a signalfd is blocked in us, too */
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		/* ^C and ^Z are for the command; can't fail in a fresh child */
		(void)setsid();
		log_role(role);
		keep_fds(fds, n);
		if (quiet) {
			/* not dumpable only with the sandbox: its id maps */
			sys_follow_parent();
			sys_null_stdio();
			/* splice() has no MSG_NOSIGNAL */
			(void)signal(SIGPIPE, SIG_IGN);
		}
		return 1;
	}
	c->role = role;
	c->pid = pid;
	return 0;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	return status;
}

static void stop(struct child *c, struct loop *loop, bool wait)
{
	if (loop)
		loop_close(loop, &c->ended);
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL); /* ESRCH: it has ended already */
		if (wait)
			(void)reap(c->pid);
	}
	c->pid = 0;
	fd_drop(&c->ctl);
}

void child_stop(struct child *c, struct loop *loop)
{
	stop(c, loop, true);
}

void child_abandon(struct child *c, struct loop *loop)
{
	stop(c, loop, false);
}

int child_why(struct child *c, char *buf, size_t cap)
{
	int status = reap(c->pid);

	c->pid = 0;
	if (WIFSIGNALED(status))
		(void)snprintf(buf, cap, "ended by signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(buf, cap, "ended with status %d",
			       WEXITSTATUS(status));
	return status;
}

int child_failed(struct child *c)
{
	int status = reap(c->pid);

	c->pid = 0;
	if (WIFSIGNALED(status))
		log_error("%s: ended by signal %d (%s)", c->role,
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	return -EIO;
}
