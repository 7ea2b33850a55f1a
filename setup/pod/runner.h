/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The container side of `run`: in the pod's namespaces, pid 1 of its pid
 * namespace. It shares one SOCK_SEQPACKET socketpair (netstack/base/msg.h)
 * with the front, which runs in the supervisor's process.
 */

#include <stdint.h>
#include <sys/resource.h>

#include "setup/base/config.h"

/* Messages on the socketpair. */
enum runner_msg {
	/* front to runner */
	RUNNER_GO = 1,	/* network is up: start the command */
	RUNNER_SIGNAL,	/* struct runner_signal */
	RUNNER_RESOLV,	/* new text of the pod's resolv.conf, no NUL */
	RUNNER_HOSTS,	/* the same of hosts */
	RUNNER_SESSION, /* fd: a connection on which `exec` speaks to it */
	RUNNER_EXEC,	/* there: struct runner_exec; fds: words, stdio */
	/* runner to front */
	RUNNER_READY = 64, /* mounts are made; with -t: the pty's master */
	RUNNER_STARTED,	   /* the command was executed */
	RUNNER_STOPPED,	   /* int32_t: the signal that stopped it */
	RUNNER_ENDED,	   /* `exec` only: struct runner_ended */
};

struct runner_signal {
	int32_t sig;
	int32_t group; /* 1: to the command's process group (^C), 0: to it */
};

/*
 * A command to execute besides the first. Its words are a file of
 * NUL-terminated strings: user, working directory (either may be empty: those
 * of the container), @n_args arguments, @n_env "K=V".
 */
struct runner_exec {
	uint32_t n_args, n_env;
	uint8_t tty, interactive;
};

struct runner_ended {
	int32_t status; /* as for an exit status */
	int32_t err;	/* positive errno: it could not be started */
};

struct runner_config {
	const struct run_config *run; /* borrowed */
	/* texts for the pod's files; resolv_conf NULL: leave it alone */
	const char *resolv_conf, *hosts;
	/* hidden from the command when there is no rootfs, NULL: none */
	const char *runtime_dir;
	struct rlimit nofile; /* the caller's, restored for the command */
	bool may_setgroups;   /* false with a single-id map */
	int shm;	      /* the pod's /dev/shm, detached; -1: none */
	bool shared_pids;     /* its pid namespace is others', too */
	int output[2]; /* the command's stdout and stderr; -1: as it is */
};

/**
 * runner_main() - be the pod's pid 1
 * @ctl: owned; its end-of-file ends the pod
 *
 * Called in fresh user, pid, mount, net, ipc and uts namespaces, with the id
 * maps written and every capability in that user namespace; in a pod for
 * containers some of them, but never mount, are the pod's. Makes the mounts,
 * sends RUNNER_READY, waits for RUNNER_GO, starts the command, reaps, forwards
 * signals. Exits with the command's status (128+N for a signal; 126, 127 when
 * it can't be executed, isn't there; 125 with one error line when the runner
 * itself failed). Never returns.
 *
 * Closes every descriptor but 0, 1, 2, @ctl and @cfg->output, and logs to 2
 * from then on.
 */
_Noreturn void runner_main(struct runner_config *cfg, int ctl);
