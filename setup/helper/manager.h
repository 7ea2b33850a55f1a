/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a service manager and a service tell each other: sockets that are
 * passed in (sd_listen_fds(3)) and states that are told (sd_notify(3)).
 */

#include <stddef.h>

struct manager {
	int *fds;     /* passed in, owned; -1: taken */
	size_t n_fds; /* from 3 on, at first */
	int notify;   /* where to tell states, connected; -1: nowhere */
};

#define MANAGER_NULL                                                           \
	{                                                                      \
		.notify = -1                                                   \
	}

/**
 * manager_take() - take over what the environment tells, and remove it there:
 * it isn't meant for those we start
 *
 * In the process that was started, before it opens or forks anything: one that
 * it has forked gets no descriptors.
 *
 * Return: 0 or -errno, logged. A manager that can't be told anything is a
 *	   warning.
 */
int manager_take(struct manager *out);

/**
 * manager_keep() - close what was left open for us by mistake: all descriptors
 * but 0, 1, 2, the log file, @m's, and @others
 * @others: @n of them; they and @m's may get other numbers, and -1 stays -1
 *
 * Before anything else is opened.
 *
 * Return: 0 or -ENOMEM, logged
 */
int manager_keep(struct manager *m, int *const others[], size_t n);

/** manager_ready() - we serve, in this process */
void manager_ready(const struct manager *m);

/** manager_stopping() - we are about to end */
void manager_stopping(const struct manager *m);

/** manager_close_rest() - of passed sockets; one warning for each */
void manager_close_rest(struct manager *m);

/** manager_free() - idempotent */
void manager_free(struct manager *m);
