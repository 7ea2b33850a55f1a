/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The user's end of a foreground `run`: terminal, signals, exit status. Lives
 * in the supervisor's loop; its peer is runner_main(). And that of `exec`,
 * whose peer is a session of the container's pid 1.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/loop.h"
#include "setup/base/config.h"

struct front;

/** Called once, when the pod's pid 1 has ended, with `run`'s exit status. */
typedef void (*front_done_fn)(void *arg, int status);

/** Called once, when the runner has made its mounts (RUNNER_READY). */
typedef void (*front_ready_fn)(void *arg);

/** Called once, when the command was executed. */
typedef void (*front_started_fn)(void *arg);

struct front_ops {
	front_ready_fn ready;
	front_started_fn started; /* or NULL */
	front_done_fn done;
	void *arg;
};

/**
 * front_new() - watch the pod's pid 1 and its control socket
 * @loop: borrowed
 * @ctl:  owned by the front on success: our end of the socketpair
 * @init: the pod's pid 1 (a child of this process, not yet reaped); 0 for
 *	  exec: a message tells the end, and so does the end of @ctl
 * @run:  borrowed; for -i and -t
 *
 * From here on SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP,
 * SIGCONT, SIGWINCH come through the loop and go to the command; before
 * front_go() a terminating one ends the pod. SIGPIPE is blocked, too. They all
 * stay blocked after front_free(). The terminal is touched only between
 * front_go() and the end, and is put back in every case.
 *
 * What is typed at the terminal goes to every process of the foreground group:
 * the helper's other processes must ignore SIGINT, SIGQUIT, SIGTSTP, SIGTTIN,
 * SIGTTOU and SIGHUP, or be in a session of their own.
 *
 * Return: 0 or -errno, logged
 */
int front_new(struct front **out, struct loop *loop, int ctl, pid_t init,
	      const struct run_config *run, const struct front_ops *ops);

/** front_go() - the network is up: let the command start */
void front_go(struct front *f);

/** front_resolv(), front_hosts() - replace the container's file by @text */
void front_resolv(struct front *f, const char *text);
void front_hosts(struct front *f, const char *text);

/**
 * front_session() - let pid 1 serve a connection of `exec`
 * @conn: borrowed
 * Return: was it told to?
 */
bool front_session(struct front *f, int conn);

/** front_told() - has this process got a SIGTERM since front_new()? */
bool front_told(const struct front *f);

/** front_kill() - end the pod at once (SIGKILL to pid 1); done() follows */
void front_kill(struct front *f);

/** front_free() - restores the terminal; NULL is fine; Return: NULL */
struct front *front_free(struct front *f);
