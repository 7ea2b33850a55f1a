/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a name on a verb's command line to what it means. */

#include "setup/cli/control_client.h"
#include "setup/state/state.h"

/**
 * lookup_try() - the container called @name, if there is one
 * @rec: release with state_drop()
 * Return: 0, -ENOENT, not logged, or -errno, logged
 */
int lookup_try(const char *name, struct state_record *rec);

/** lookup_none() - say that there is none called @name; Return: -ENOENT */
int lookup_none(const char *name);

/**
 * lookup_find() - as lookup_try(), but all errors are logged
 */
int lookup_find(const char *name, struct state_record *rec);

/** lookup_running() - the same, and it has not ended */
int lookup_running(const char *name, struct state_record *rec);

/**
 * lookup_peer() - which pod's control socket is meant?
 * @verb:    for messages
 * @control: of --control, or NULL
 * @rest:    positionals: one NAME, or none with --control
 * @rec:     holds what @out needs; release with state_drop(), also on failure
 *
 * Return: 0 or -errno, logged
 */
int lookup_peer(const char *verb, const char *control, char *const *rest,
		struct state_record *rec, struct control_peer *out);
