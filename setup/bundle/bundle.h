/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A container that another runtime (runc, crun) makes of an OCI bundle. That is
 * a program of the user's, started in place of the command: the container's pid
 * 1 (init.h) waits for it as for any, and it waits for the container.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "setup/base/config.h"

struct bundle {
	json_t *config; /* bundle_config.h */
	char *hostname; /* its own, or NULL */
	char **args;	/* process.args, NULL-terminated; borrowed words */
	char *runtime;	/* the program's path */
	bool crun;	/* it has crun's options, else runc's */
	/*
	 * Where config.json, the pod's texts and the runtime's state are: a
	 * directory that is there already. Over it, only the container's first
	 * processes see a tmpfs, so all of it goes away with them.
	 */
	char home[PATH_MAX];
	char shm[PATH_MAX]; /* there, the pod's /dev/shm */
};

/**
 * bundle_load() - read --bundle, and find the runtime
 * @cfg: gets @bundle, and the container's command as @argv
 * Return: 0 or -errno, logged
 */
int bundle_load(struct run_config *cfg);

/** bundle_free() - NULL is fine; Return: NULL */
struct bundle *bundle_free(struct bundle *b);

/**
 * bundle_runtime() - how the runtime itself is to be run, as the command
 * @run: a copy of what the container is to be; what config.json says by now is
 *	 not in it any more
 * Return: 0 or -errno, logged
 */
int bundle_runtime(struct run_config *run);

/**
 * bundle_exec() - the same for a further command, in the running container
 * @run: a copy, with what is asked for
 * @env: the variables that are asked for
 * Return: 0 or -errno, logged
 */
int bundle_exec(struct run_config *run, char *const *env, size_t n_env);

/**
 * bundle_kill_exec() - SIGKILL for the command of bundle_exec()
 * @runtime: the process that waits for it; to be killed next
 */
void bundle_kill_exec(pid_t runtime);

/** bundle_runs() - has the runtime started the container? */
bool bundle_runs(const struct bundle *b);

/**
 * bundle_status() - the exit status of the runtime, when it couldn't start the
 * container, as a shell has it: 126, 127 when that is the command's fault, else
 * 125
 * @status: its own
 * @tell:   log its reason, which nobody has seen
 *
 * Only for a process that does nothing else any more: it goes to the
 * container's root.
 */
int bundle_status(const struct bundle *b, int status, bool tell);
