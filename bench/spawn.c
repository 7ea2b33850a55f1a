// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long a command takes from fork to exit, measured next to it: a launcher
 * that enters namespaces and changes user first would measure that too.
 * The command's stdin is empty and its stdout goes to stderr; it is killed,
 * with its process group, when it takes longer than LOAD_GRACE_S.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/generators.h"
#include "bench/stats.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"

__attribute__((noreturn)) static void child(char *const *command)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setpgid(0, 0); /* can't fail in a fresh child */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(125);
	execvp(command[0], command);
	(void)log_errno(errno, "%s", command[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

static int wait_for(pid_t pid, int *status)
{
	scoped_fd fd = pidfd_open(pid, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int n = 0;

	if (fd >= 0)
		n = poll(&pfd, 1, LOAD_GRACE_S * 1000);
	if (n <= 0) {
		log_error("bench-load spawn: the command hangs, killed");
		(void)kill(-pid, SIGKILL);
	}
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return log_errno(errno, "waitpid");
	return n > 0 ? 0 : 1;
}

static int spawn_once(const struct load_config *cfg, double *ms)
{
	struct mono start = mono_now();
	pid_t pid = fork();
	int status = 0, rc;

	if (pid < 0)
		return log_errno(errno, "fork");
	if (pid == 0)
		child(cfg->command);
	rc = wait_for(pid, &status);
	if (rc)
		return rc;
	*ms = (double)mono_sub(mono_now(), start).ns / 1e6;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	log_error("bench-load spawn: %s: ended with status %d", cfg->command[0],
		  WIFEXITED(status) ? WEXITSTATUS(status)
				    : 128 + WTERMSIG(status));
	return 1;
}

int load_spawn(const struct load_config *cfg)
{
	double *ms = calloc(cfg->conns, sizeof(*ms));
	struct stats s;
	int rc = 0;

	if (!ms)
		return log_errno(ENOMEM, "times");
	for (uint64_t i = 0; i < cfg->conns && !rc; i++)
		rc = spawn_once(cfg, &ms[i]);
	if (!rc) {
		s = stats_of(ms, cfg->conns);
		printf("{\"schema\":1,\"test\":\"spawn\",\"count\":%zu,"
		       "\"min_ms\":%.3f,\"median_ms\":%.3f,"
		       "\"iqr_ms\":%.3f,\"max_ms\":%.3f}\n",
		       s.n, s.min, s.median, stats_iqr(&s), s.max);
	}
	free(ms);
	return rc;
}
