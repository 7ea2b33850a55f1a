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
#include "setup/cli/verb_life.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/mono.h"
#include "netstack/base/parse.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"
#include "setup/cli/run.h"
#include "setup/pod/agents.h"
#include "setup/pod/env.h"
#include "setup/state/recipe.h"

#define STOP_S	      10
#define STOP_S_MAX    86400
#define AFTER_KILL_MS 5000
#define RESTARTS_MAX  8 /* somebody starts again what we stop */

struct life {
	uint64_t seconds;
	bool force;
};

static int set_time(void *target, const char *value)
{
	struct life *l = target;

	if (!parse_uint(value, 0, STOP_S_MAX, &l->seconds))
		return 0;
	log_error("--time %.32s: not seconds, 0 to %d", value, STOP_S_MAX);
	return -EINVAL;
}

static const struct opt stop_opts[] = {
	{ "time", 't', "SECONDS", "after which it is killed (10)", set_time },
};

const struct opt_table verb_stop_opts = { "Stop", stop_opts,
					  ARRAY_SIZE(stop_opts) };

static const struct opt rm_opts[] = {
	{ "force", 'f', NULL,
	  "stop it first if it runs; a name that isn't there is fine",
	  OPT_FLAG(struct life, force) },
};

const struct opt_table verb_rm_opts = { "Remove", rm_opts,
					ARRAY_SIZE(rm_opts) };

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
	if (init >= 0) {
		send_signal(init, SIGKILL);
		if (ends_within(supervisor, AFTER_KILL_MS))
			return true;
	}
	send_signal(supervisor, SIGKILL);
	return ends_within(supervisor, AFTER_KILL_MS);
}

/* Return: 0 when the one that @rec shows has ended, or -errno, logged */
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
	return -EBUSY;
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

/* Return: 0: nothing of it runs; -ENOENT, not logged; or -errno, logged */
static int stop(const char *name, uint64_t seconds)
{
	struct state_record rec;
	int rc = lookup_try(name, &rec);

	if (rc)
		return rc;
	if (rec.phase != STATE_EXITED)
		rc = end(&rec, seconds);
	if (rc == -ESRCH && still_there(&rec))
		log_error("%s: its processes can't be seen from here (another "
			  "pid namespace)",
			  name);
	else if (rc == -ESRCH)
		rc = 0; /* it has just ended */
	state_drop(&rec);
	return rc;
}

static int stop_one(const struct life *l, const char *name)
{
	int rc = stop(name, l->seconds);

	return rc == -ENOENT ? lookup_none(name) : rc;
}

/* ---- rm ---- */

static int remove_now(const char *name)
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

/* One that runs, by force: it may be gone before we can remove it. */
static int remove_by_force(const char *name)
{
	int rc = -EBUSY;

	for (int i = 0; i < RESTARTS_MAX && rc == -EBUSY; i++) {
		rc = stop(name, STOP_S);
		if (!rc)
			rc = remove_now(name);
	}
	return rc;
}

static int rm_one(const struct life *l, const char *name)
{
	int rc = remove_now(name);

	if (rc == -EBUSY && l->force)
		rc = remove_by_force(name);
	else if (rc == -EBUSY)
		log_error("%s: is running (podsplice stop %s, or rm -f)", name,
			  name);
	if (rc != -ENOENT)
		return rc;
	return l->force ? 0 : lookup_none(name);
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

/* In a process of its own: become the one who once said `run -d`. */
static int run_again(const char *name, const struct recipe *r)
{
	struct run_config cfg;
	int rc = take_environment(r);

	if (rc)
		return EXIT_OURS;
	if (chdir(r->cwd)) {
		(void)log_errno(errno, "%s: %s", name, r->cwd);
		return EXIT_OURS;
	}
	if (config_run_parse(&cfg, r->words))
		return EXIT_OURS;
	cfg.name = name;
	cfg.again = true;
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

static int start_one(const struct life *l, const char *name)
{
	struct state_record rec;
	struct recipe r;
	pid_t pid;
	int rc = lookup_find(name, &rec);

	(void)l;
	if (rc)
		return rc;
	if (rec.phase != STATE_EXITED) {
		state_drop(&rec);
		(void)printf("%s\n", name);
		return 0; /* as podman has it */
	}
	rc = recipe_load(rec.dir, &r);
	state_drop(&rec);
	if (rc)
		return rc;
	(void)fflush(stdout); /* not twice */
	pid = fork();
	if (pid == 0)
		_exit(run_again(name, &r));
	rc = pid < 0 ? log_errno(errno, "fork") : wait_for(pid);
	recipe_drop(&r);
	return rc;
}

/* ---- the verbs ---- */

struct life_verb {
	const char *synopsis, *about;
	const struct opt_table *opts; /* or NULL */
	int (*one)(const struct life *l, const char *name);
	bool silent; /* prints the names itself */
};

/* What fails for one name doesn't keep the others from being served. */
static int each(char **argv, const struct life_verb *verb)
{
	struct life l = { .seconds = STOP_S };
	const struct opt_group groups[] = { { &config_global_opts, NULL },
					    { verb->opts, &l } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = verb->synopsis,
		.about = verb->about,
		.groups = groups,
		.n_groups = verb->opts ? 2 : 1,
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (!*rest) {
		log_error("%s: which container? (its NAME, as podsplice ps -a "
			  "has it)",
			  argv[0]);
		return EXIT_OURS;
	}
	for (; *rest; rest++) {
		if (verb->one(&l, *rest))
			rc = EXIT_OURS;
		else if (!verb->silent)
			(void)printf("%s\n", *rest);
	}
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}

int verb_start(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "NAME...",
		.about = "Run containers again that were made with run -d and "
			 "have ended, with the words they were made with.",
		.one = start_one,
		.silent = true,
	};

	(void)argc;
	return each(argv, &verb);
}

int verb_stop(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "[-t SECONDS] NAME...",
		.about = "End containers: SIGTERM for the command, after a "
			 "while SIGKILL. One that has ended is fine.",
		.opts = &verb_stop_opts,
		.one = stop_one,
	};

	(void)argc;
	return each(argv, &verb);
}

int verb_rm(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "[-f] NAME...",
		.about = "Remove containers that have ended, with their logs.",
		.opts = &verb_rm_opts,
		.one = rm_one,
	};

	(void)argc;
	return each(argv, &verb);
}
