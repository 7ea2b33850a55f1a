/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the command line of `forward` asked for. */

#include "setup/base/config.h"

struct forward_config {
	struct net_config net; /* its plan's pod is the target */
	const char *control;   /* path, or NULL */
	/* as target_open() wants it; NULL: no namespace to enter */
	const char *netns;
};

/* All of its options but the global ones; the target is a forward_config. */
extern const struct opt_table config_forward_opts;

/**
 * config_forward_parse() - parse the arguments of `podsplice forward`
 * @argv: what follows "forward", NULL-terminated; strings are borrowed for good
 *
 * Return: as config_run_parse()
 */
int config_forward_parse(struct forward_config *cfg, char **argv);

/** config_forward_free() - idempotent */
void config_forward_free(struct forward_config *cfg);
