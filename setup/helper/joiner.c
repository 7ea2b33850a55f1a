// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the host's side a process of the pod's owner has power over the pod's
 * user namespace without being in it; inside it has all capabilities, and the
 * pod's root has power over it. So it is undumpable before it enters, and holds
 * nothing but what the container is to have.
 *
 * CLONE_PARENT makes the container's first process our parent's child, who
 * reports its exit status.
 */
#include "setup/helper/joiner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/base/idmap.h"
#include "setup/base/sys.h"
#include "setup/base/sys_mount.h"
#include "setup/helper/child.h"

#define JOINER_STARTED 1 /* int32_t: pid; fd: its mount namespace */
#define JOINER_SHM     2 /* fd: a detached mount */

/*
 * After this: root of the pod's user namespace, in those of the pod's others
 * that are shared.
 */
static int joiner_1_enter(const struct joiner_config *cfg)
{
	int rc;

	sys_sever();
	rc = sys_enter_user(cfg->namespaces[INFRA_NS_USER]);
	/* the new credentials have cleared it */
	sys_sever();
	for (int i = INFRA_NS_USER + 1; i < INFRA_NS_MNT && !rc; i++)
		if (cfg->namespaces[i] >= 0)
			rc = sys_setns(cfg->namespaces[i],
				       infra_ns_names[i].flag);
	return rc ? log_errno(-rc, "the pod's namespaces: can't be entered")
		  : 0;
}

/*
 * After this: where the pod shares none, namespaces of our own. What a bundle's
 * runtime makes has mounts of its own, but keeps the one of cgroups.
 * Return: a descriptor of that which only the container's processes have, or
 * -errno, logged
 */
static int joiner_2_own(const struct joiner_config *cfg)
{
	bool bundle = cfg->runner.run->bundle;
	int flags = CLONE_NEWNS | (bundle ? CLONE_NEWCGROUP : 0);
	int rc;

	for (int i = INFRA_NS_IPC; i <= INFRA_NS_UTS; i++)
		if (cfg->namespaces[i] < 0)
			flags |= infra_ns_names[i].flag;
	rc = sys_unshare(flags);
	if (rc)
		return log_errno(
			-rc,
			"container: can't make its namespaces (sysctl user.max_mnt_namespaces)");
	return sys_open_ns(0, bundle ? "cgroup" : "mnt");
}

/* In a child: there is no way back from there. */
static int send_shm(const struct joiner_config *cfg, int to)
{
	scoped_fd shm = -1;
	int rc = sys_setns(cfg->namespaces[INFRA_NS_MNT], CLONE_NEWNS);

	if (!rc)
		rc = sys_mount_clone(&shm, AT_FDCWD, "/");
	if (rc)
		return log_errno(-rc, "the pod's /dev/shm");
	return msg_must_send(to, "the joiner", JOINER_SHM, NULL, 0, &shm, 1);
}

/*
 * After this: a view of the pod's /dev/shm is here, if there is one, to be
 * attached once.
 */
static int joiner_3_shm(struct joiner_config *cfg)
{
	int pair[2], status = 0, rc;
	struct msg m;
	pid_t pid;

	cfg->runner.shm = -1;
	if (cfg->namespaces[INFRA_NS_MNT] < 0)
		return 0;
	rc = msg_pair(pair);
	if (rc)
		return rc;
	pid = sys_clone(0);
	if (pid == 0)
		_exit(send_shm(cfg, pair[1]) ? EXIT_OURS : 0);
	fd_drop(&pair[1]);
	/* nothing comes: it has said why */
	rc = pid < 0 ? log_errno(-pid, "fork") : msg_recv(pair[0], &m);
	fd_drop(&pair[0]);
	if (rc == 1) {
		cfg->runner.shm = msg_take_fd(&m, 0);
		msg_drop(&m);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return rc == 1 ? 0 : -EIO;
}

static int joiner_main(struct joiner_config *cfg, int ctl, int runner)
{
	int mounts;
	int32_t pid;

	if (joiner_1_enter(cfg))
		return EXIT_OURS;
	mounts = joiner_2_own(cfg);
	if (mounts < 0)
		return EXIT_OURS;
	if (joiner_3_shm(cfg))
		return EXIT_OURS;
	cfg->runner.may_setgroups = idmap_may_setgroups();
	pid = sys_clone(CLONE_PARENT |
			(cfg->namespaces[INFRA_NS_PID] < 0 ? CLONE_NEWPID : 0));
	if (pid == 0) /* closes all but what is its own */
		runner_main(&cfg->runner, runner);
	if (pid < 0) {
		(void)log_errno(
			-pid,
			"container: can't be forked (sysctl user.max_pid_namespaces)");
		return EXIT_OURS;
	}
	return msg_must_send(ctl, "the supervisor", JOINER_STARTED, &pid,
			     sizeof(pid), &mounts, 1)
		       ? EXIT_OURS
		       : 0;
}

static int await(struct child *c, pid_t *init, int *mounts)
{
	int32_t pid;
	struct msg m;
	int rc = msg_recv(c->ctl, &m);

	if (rc < 0)
		return log_errno(-rc, "message of the joiner");
	if (rc == 0)
		return child_failed(c);
	*mounts = msg_take_fd(&m, 0);
	msg_drop(&m);
	if (m.type != JOINER_STARTED || m.len != sizeof(pid))
		return log_errno(EPROTO, "message of the joiner");
	memcpy(&pid, m.body, sizeof(pid));
	*init = pid;
	return 0;
}

int joiner_run(struct joiner_config *cfg, int runner, pid_t *init, int *mounts)
{
	struct child c = CHILD_NULL;
	int *keep[INFRA_NS_N + 4], pair[2], rc;
	size_t n = 0;

	*init = 0;
	*mounts = -1;
	rc = msg_pair(pair);
	if (rc)
		return rc;
	for (; n < INFRA_NS_N; n++)
		keep[n] = &cfg->namespaces[n];
	keep[n++] = &cfg->runner.output[0];
	keep[n++] = &cfg->runner.output[1];
	keep[n++] = &pair[1];
	keep[n++] = &runner;
	rc = child_fork(&c, "joiner", false, keep, n);
	if (rc == 1)
		_exit(joiner_main(cfg, pair[1], runner));
	fd_drop(&pair[1]);
	c.ctl = pair[0];
	if (!rc)
		rc = await(&c, init, mounts);
	child_stop(&c, NULL);
	return rc;
}
