/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command lines of `run` and `exec`. */

#include "setup/base/config.h"

struct opt_table;

/*
 * --log-level and --log-file: of every verb, and before it. They fill nothing,
 * and need no target.
 */
extern const struct opt_table config_global_opts;

/* What `run` has beyond the NET options; the target is a run_config. */
extern const struct opt_table config_run_opts;

/**
 * config_run_parse() - parse the arguments of `podsplice run`
 * @argv: what follows "run", NULL-terminated; strings are borrowed for good
 *
 * Return: 0; 1 when --help was printed on stdout; a negative errno with one
 *         error line logged. @cfg holds nothing then.
 */
int config_run_parse(struct run_config *cfg, char **argv);

/* The target is a run_config. */
extern const struct opt_table config_exec_opts;

/**
 * config_exec_parse() - the same for `podsplice exec`
 * What it fills of @cfg: control or name, and what concerns the command.
 */
int config_exec_parse(struct run_config *cfg, char **argv);

/* opt.apply() of --name and --hostname, for a target that is a run_config */
int config_name(void *target, const char *value);
int config_hostname(void *target, const char *value);

/** config_run_free() - idempotent */
void config_run_free(struct run_config *cfg);
