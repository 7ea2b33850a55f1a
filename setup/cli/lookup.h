/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a name on a verb's command line to what it means. */

#include "setup/cli/control_client.h"
#include "setup/state/state.h"

/**
 * lookup_try() - what is called @name
 * @rec: release with state_drop()
 * Return: 0, -ENOENT, not logged, or -errno, logged
 */
int lookup_try(const char *name, struct state_record *rec);

/**
 * lookup_find() - the container or pod called @name
 * @rec: release with state_drop()
 * Return: 0 or -errno, logged; -EINVAL: it is of the other kind
 */
int lookup_find(const char *name, enum state_kind kind,
		struct state_record *rec);

/** lookup_quietly() - the same, but -ENOENT isn't logged */
int lookup_quietly(const char *name, enum state_kind kind,
		   struct state_record *rec);

/** lookup_none() - say that there is none called @name; Return: -ENOENT */
int lookup_none(const char *name, enum state_kind kind);

/**
 * lookup_must_run() - has it not ended?
 * Return: 0, or -ESRCH, logged, and @rec is dropped
 */
int lookup_must_run(struct state_record *rec);

/** lookup_running() - lookup_find(), and it has not ended */
int lookup_running(const char *name, enum state_kind kind,
		   struct state_record *rec);

/**
 * lookup_peer() - whose control socket is meant?
 * @verb:    for messages
 * @control: of --control, or NULL
 * @rest:    positionals: one NAME, or none with --control
 * @rec:     holds what @out needs; release with state_drop(), also on failure
 *
 * The one that knows of the network: a container's pod for a container in one.
 *
 * Return: 0 or -errno, logged
 */
int lookup_peer(const char *verb, const char *control, char *const *rest,
		struct state_record *rec, struct control_peer *out);
