// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A container's supervisor passes SIGTERM on to the command. What has to be
 * killed is the pod's pid 1: then the supervisor can still say how it ended.
 * Only one that doesn't do even that is killed itself; all others of the
 * helper's processes follow it.
 *
 * Every process is looked up, compared and held by a pidfd before it gets a
 * signal, so that a number which has become another's is never hit. None of the
 * verbs holds a lock while it waits: any number of them may work on one name.
 */
#include "setup/cli/life.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/mono.h"
#include "setup/base/exit.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/run.h"
#include "setup/pod/agents.h"
#include "setup/pod/env.h"
#include "setup/state/recipe.h"

#define AFTER_KILL_MS 5000
#define AFTER_END_MS  5000
#define TURN_MS	      20
#define RESTARTS_MAX  8 /* somebody starts again what we stop */

/* ---- stop ---- */

/* Return: has it ended within @ms? */
static bool ends_within(int pidfd, int64_t ms)
{
	struct mono end = mono_add(mono_now(), mono_ms(ms));
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int64_t left = mono_to_ms(mono_sub(end, mono_now()));

		if (poll(&p, 1, left > 0 ? (int)left : 0) > 0)
			return true;
		if (left <= 0)
			return false;
	}
}

static void send_signal(int pidfd, int sig)
{
	/* ESRCH: it has ended, which is what is wanted */
	(void)pidfd_send_signal(pidfd, sig, NULL, 0);
}

/* SIGKILL for the pod, then for its supervisor. Return: has it ended? */
static bool kill_all(const char *name, int supervisor)
{
	struct state_record rec;
	scoped_fd init = -1;

	/* what it is now: it may have been starting before */
	if (lookup_try(name, &rec))
		return true;
	init = state_pidfd(&rec.init);
	state_drop(&rec);
	if (init >= 0)
		send_signal(init, SIGKILL);
	/* it might be one that starts it again */
	send_signal(supervisor, SIGTERM);
	if (ends_within(supervisor, AFTER_KILL_MS))
		return true;
	send_signal(supervisor, SIGKILL);
	return ends_within(supervisor, AFTER_KILL_MS);
}

/*
 * Return: 0 when the supervisor that @rec shows has ended, -ESRCH, not logged:
 * it isn't there, or -errno, logged
 */
static int end(const struct state_record *rec, uint64_t seconds)
{
	scoped_fd supervisor = state_pidfd(&rec->supervisor);

	if (supervisor < 0)
		return -ESRCH;
	if (seconds) {
		send_signal(supervisor, SIGTERM);
		if (ends_within(supervisor, (int64_t)seconds * 1000))
			return 0;
	}
	if (kill_all(rec->name, supervisor))
		return 0;
	log_error("%s: doesn't end, not even killed", rec->name);
	return -ETIMEDOUT;
}

/* Is it still running, and the same? Then it can't be reached from here. */
static bool still_there(const struct state_record *was)
{
	struct state_record now;
	bool same;

	if (lookup_try(was->name, &now))
		return false;
	same = now.phase != STATE_EXITED &&
	       now.supervisor.pid == was->supervisor.pid &&
	       now.supervisor.start_ticks == was->supervisor.start_ticks;
	state_drop(&now);
	return same;
}

/*
 * A supervisor that was killed may just have forked: its child has its lock,
 * too, for a moment. Return: has nothing of it the lock any more?
 */
static bool lets_go(const struct state_record *rec)
{
	struct mono end = mono_add(mono_now(), mono_ms(AFTER_END_MS));

	while (still_there(rec)) {
		if (!mono_before(mono_now(), end))
			return false;
		(void)poll(NULL, 0, TURN_MS);
	}
	return true;
}

/* Return: 0 when nothing of what runs is left, or -errno, logged */
static int end_all(const struct state_record *rec, uint64_t seconds)
{
	int rc = end(rec, seconds);

	if (rc && rc != -ESRCH)
		return rc;
	if (lets_go(rec))
		return 0;
	if (rc)
		log_error("%s: its processes can't be seen from here (another "
			  "pid namespace)",
			  rec->name);
	else
		log_error("%s: its supervisor has ended, and something of it "
			  "hasn't",
			  rec->name);
	return -ESRCH;
}

int life_stop(const char *name, enum state_kind kind, uint64_t seconds)
{
	struct state_record rec;
	int rc = lookup_quietly(name, kind, &rec);

	if (rc)
		return rc;
	if (rec.phase != STATE_EXITED)
		rc = end_all(&rec, seconds);
	state_drop(&rec);
	return rc;
}

/* ---- rm ---- */

int life_remove(const char *name)
{
	struct state_own own;
	struct state s;
	int rc = state_open(&s);

	if (rc)
		return rc;
	rc = state_take(&s, name, &own);
	if (!rc)
		state_remove(&own);
	state_close(&s);
	return rc;
}

/* It may be gone before we can remove it. */
int life_remove_by_force(const char *name, enum state_kind kind)
{
	int rc = -EBUSY;

	for (int i = 0; i < RESTARTS_MAX && rc == -EBUSY; i++) {
		rc = life_stop(name, kind, LIFE_STOP_S);
		if (!rc)
			rc = life_remove(name);
	}
	if (rc != -EBUSY)
		return rc;
	log_error("%s: is started again and again", name);
	return -ETIMEDOUT;
}

/* ---- start ---- */

/*
 * The environment it was made with; but where this session's agents are is
 * known from this session.
 */
static int take_environment(const struct recipe *r)
{
	char **env = env_inherit(r->env);

	for (char **e = environ; env && *e; e++) {
		const char *one = *e;

		if (agents_hides(one))
			env = env_add(env, &one, 1);
	}
	if (!env)
		return log_errno(ENOMEM, "environment");
	environ = env;
	return 0;
}

int life_parse(const struct recipe *r, enum state_kind kind,
	       struct run_config *cfg)
{
	int rc;

	if (strcmp(r->verb, "run") != 0)
		return config_pod_parse(cfg, r->words);
	rc = config_run_parse(cfg, r->words);
	if (!rc && kind == STATE_POD)
		config_pod_of_run(cfg);
	return rc;
}

/* In a process of its own: become the one who once said `run -d`. */
static int run_again(const char *name, enum state_kind kind,
		     const struct recipe *r, bool tell)
{
	struct run_config cfg;
	int rc = take_environment(r);

	if (rc)
		return EXIT_OURS;
	if (chdir(r->cwd)) {
		(void)log_errno(errno, "%s: %s", name, r->cwd);
		return EXIT_OURS;
	}
	if (life_parse(r, kind, &cfg))
		return EXIT_OURS;
	cfg.name = name;
	cfg.again = true;
	cfg.silent = !tell;
	rc = run_main(&cfg);
	config_run_free(&cfg);
	return rc;
}

/* Wait for the process that ran run_again(). */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(errno, "wait");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* Return: 0 or -errno, logged; but for -EIO when it runs meanwhile */
static int start_again(const struct state_record *rec, bool tell)
{
	struct recipe r;
	pid_t pid;
	int rc = recipe_load(rec->dir, &r);

	if (rc)
		return rc;
	(void)fflush(stdout); /* not twice */
	pid = fork();
	if (pid == 0)
		_exit(run_again(rec->name, rec->kind, &r, tell));
	rc = pid < 0 ? log_errno(errno, "fork") : wait_for(pid);
	recipe_drop(&r);
	return rc;
}

static bool runs(const char *name)
{
	struct state_record rec;
	bool it_does = !lookup_try(name, &rec) && rec.phase != STATE_EXITED;

	state_drop(&rec);
	return it_does;
}

int life_start(const char *name, enum state_kind kind, bool tell)
{
	struct state_record rec;
	int rc = lookup_find(name, kind, &rec);
	bool running;

	if (rc)
		return rc;
	running = rec.phase != STATE_EXITED;
	if (!running)
		rc = start_again(&rec, tell);
	state_drop(&rec);
	if (rc == -EIO) /* others may have been faster */
		running = runs(name);
	if (running && tell)
		(void)printf("%s\n", name);
	return running ? 0 : rc; /* as podman has it */
}
