/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The options about what files the command sees. */

#include "setup/base/config.h"

/* The target is a run_config. */
extern const struct opt_table config_files_opts;

/**
 * config_files_finish() - after the last option
 * Return: 0 or a negative errno with one line logged
 */
int config_files_finish(struct run_config *cfg);

/** config_files_free() - what those options own */
void config_files_free(struct run_config *cfg);
