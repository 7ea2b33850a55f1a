// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whoever has power in the pod finds nothing here: no descriptor but the one
 * that says when the pod ends, no capability, and no way to look into it or to
 * reach the host's files through it, because it isn't dumpable. It is forked,
 * never executed, and touches next to none of the memory it shares with the
 * supervisor.
 */
#include "setup/pod/infra.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/base/sys_mount.h"
#include "setup/pod/devices.h"
#include "setup/pod/log_here.h"
#include "setup/pod/runner.h"

const struct infra_ns_name infra_ns_names[INFRA_NS_N] = {
	[INFRA_NS_USER] = { "user", CLONE_NEWUSER },
	[INFRA_NS_NET] = { "net", CLONE_NEWNET },
	[INFRA_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[INFRA_NS_UTS] = { "uts", CLONE_NEWUTS },
	[INFRA_NS_PID] = { "pid", CLONE_NEWPID },
	[INFRA_NS_MNT] = { "mnt", CLONE_NEWNS },
};

/*
 * After this: the root is what containers get a view of as their /dev/shm, and
 * nothing of the host's files is mounted here.
 */
static int make_shm(void)
{
	scoped_fd shm = -1, target = -1;
	int rc = devices_shm(&shm);

	if (rc)
		return rc;
	/* any directory that is there */
	target = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = target < 0 ? -errno : sys_mount_attach(shm, target);
	if (!rc)
		rc = sys_root_pivot(shm);
	return rc ? log_errno(-rc, "pod: /dev/shm") : 0;
}

/* After this: user 0, dead when the supervisor is, nothing of the helper's. */
static int stage_1_identity(const struct infra_config *cfg)
{
	const char *name = cfg->hostname;

	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return log_errno(errno, "become user 0 of the pod");
	/* a change of user takes it away, so after that */
	sys_follow_parent();
	(void)setsid(); /* can't fail in a fresh process */
	if (chdir("/"))
		return log_errno(errno, "chdir /");
	if (infra_shm(cfg->share) && make_shm())
		return -EIO;
	if ((cfg->share & CLONE_NEWUTS) && sethostname(name, strlen(name)))
		return log_errno(errno, "hostname %s", name);
	/* orphans of a shared pid namespace reap themselves */
	(void)signal(SIGCHLD, SIG_IGN);
	return 0;
}

/* Return: 1 when there is a message, 0 at the end */
static int await(int ctl)
{
	char type;
	ssize_t n;

	do {
		n = read(ctl, &type, 1);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* After this: nobody in the pod can look into us, and we can do nothing. */
static int stage_2_lock(int ctl)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* can't fail */
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_ALL))
		return log_errno(EPERM, "infra: drop capabilities");
	sys_null_stdio();
	return msg_must_send(ctl, "the supervisor", RUNNER_READY, NULL, 0, NULL,
			     0);
}

_Noreturn void infra_main(const struct infra_config *cfg, int ctl)
{
	int *const keep[] = { &ctl };

	log_here(STDERR_FILENO);
	log_role("infra");
	sys_keep_fds(keep, ARRAY_SIZE(keep));
	log_file(-1);
	if (stage_1_identity(cfg) || !await(ctl) || stage_2_lock(ctl))
		_exit(EXIT_OURS);
	(void)close(STDERR_FILENO);
	while (await(ctl))
		continue;
	_exit(0);
}
