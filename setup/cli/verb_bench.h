/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice bench`: measure rootless networking side by side. */

struct opt_table;

/* The target is private to verb_bench.c. */
extern const struct opt_table verb_bench_opts;

/* As in the registry of verbs (verbs.h); Return: the exit status */
int verb_bench(int argc, char **argv);

/**
 * verb_bench_map() - the hidden verb `bench-map PID`
 *
 * Once there is a line on stdin, or its end, the ids of this user are mapped
 * into the user namespace that PID has by then.
 *
 * Return: exit status: 0 or 125
 */
int verb_bench_map(int argc, char **argv);
