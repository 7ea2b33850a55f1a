/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Start, end and remove what has a record, container or pod, by its name. */

#include <stdbool.h>
#include <stdint.h>

#include "setup/state/state.h"

#define LIFE_STOP_S 10 /* from SIGTERM to SIGKILL */

/**
 * life_stop() - SIGTERM, and after @seconds SIGKILL; one that has ended is fine
 * Return: 0 when nothing of it runs, -ENOENT, not logged, or -errno, logged
 */
int life_stop(const char *name, enum state_kind kind, uint64_t seconds);

/**
 * life_remove() - remove the record of one that has ended
 * Return: 0, -EBUSY (it runs) or -ENOENT, both not logged, or -errno, logged
 */
int life_remove(const char *name);

/** life_remove_by_force() - end it first; Return: as life_stop() */
int life_remove_by_force(const char *name, enum state_kind kind);

struct recipe;
struct run_config;

/**
 * life_parse() - what was asked for when it was made
 * @cfg: borrows from @r; release with config_run_free()
 * Return: as config_run_parse()
 */
int life_parse(const struct recipe *r, enum state_kind kind,
	       struct run_config *cfg);

/**
 * life_start() - make it again by its recipe; one that runs is fine
 * @tell: print its name
 * Return: 0 or -errno, logged
 */
int life_start(const char *name, enum state_kind kind, bool tell);
