/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command line of `pod create`. */

#include "setup/base/config.h"

struct opt_table;

/* What it has beyond the NET options; the target is a run_config. */
extern const struct opt_table config_pod_opts;

/**
 * config_pod_parse() - as config_run_parse(), for `podsplice pod create`
 * @cfg is a pod then.
 */
int config_pod_parse(struct run_config *cfg, char **argv);

/** config_pod_of_run() - what of a parsed `run --pod new:POD` is the pod's */
void config_pod_of_run(struct run_config *cfg);
