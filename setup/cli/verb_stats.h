/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice stats` and `podsplice flows`: ask a running pod, and show it. */

struct opt_table;

/* What both have, and stats alone; the target is private to verb_stats.c. */
extern const struct opt_table verb_query_opts, verb_stats_opts;

/* As in the registry of verbs (verbs.h); Return: the exit status */
int verb_stats(int argc, char **argv);
int verb_flows(int argc, char **argv);
