// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See runner.h. The order: tie our life to the helper's, let go of all it
 * holds, become user 0 of the namespace, make the mounts, open the pty, report
 * ready, be pid 1.
 *
 * It is forked from a process that may hold anything, so every descriptor but
 * 0, 1, 2 and the control socket is closed first; messages go to the user's
 * stderr from then on.
 */
#include "setup/pod/runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/bundle/bundle.h"
#include "setup/pod/init.h"
#include "setup/pod/log_here.h"
#include "setup/pod/mounts.h"
#include "setup/pod/pty.h"

/* After this: nothing of the helper's is open here but what is @cfg's. */
static void stage_1_let_go(struct runner_config *cfg, int *ctl)
{
	int *const keep[] = { ctl, &cfg->output[0], &cfg->output[1],
			      &cfg->shm };

	sys_keep_fds(keep, ARRAY_SIZE(keep));
	log_file(-1);
}

/*
 * After this: user 0, a session of our own, dead when the helper's thread is.
 * Must not yet: fork.
 */
static int stage_2_identity(const struct runner_config *cfg)
{
	const char *hostname = cfg->run->hostname;

	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return log_errno(errno, "become user 0 of the pod");
	/* a change of user takes it away, so after that */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return log_errno(errno, "PDEATHSIG");
	/* away from the terminal, whose signals are the front's to forward */
	if (setsid() < 0)
		return log_errno(errno, "setsid");
	if (hostname && sethostname(hostname, strlen(hostname)))
		return log_errno(errno, "hostname %s", hostname);
	return 0;
}

static int ready(int ctl, struct pty *pty)
{
	int rc = msg_must_send(ctl, "the helper", RUNNER_READY, NULL, 0,
			       &pty->master, pty->master >= 0);

	fd_drop(&pty->master);
	return rc;
}

_Noreturn void runner_main(struct runner_config *given, int ctl)
{
	struct mounts mounts = MOUNTS_NULL;
	struct pty pty = PTY_NULL;
	/* modes of mount points are ours to say, those of files the caller's */
	mode_t mask = umask(022);
	struct run_config run = *given->run;
	struct runner_config cfg;

	log_here(STDERR_FILENO);
	log_role("init");
	stage_1_let_go(given, &ctl);
	cfg = *given;
	cfg.run = &run;
	if ((run.bundle && bundle_runtime(&run)) || stage_2_identity(&cfg) ||
	    mounts_make(&mounts, &cfg) || (run.tty && pty_open(&pty)) ||
	    ready(ctl, &pty))
		_exit(EXIT_OURS);

	const struct init_config init = {
		.runner = &cfg,
		.mounts = &mounts,
		.ctl = ctl,
		.slave = pty.slave,
		.umask = mask,
	};

	_exit(init_run(&init));
}
