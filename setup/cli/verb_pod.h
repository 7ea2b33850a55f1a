/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The verbs about pods for containers: `podsplice pod …`. */

struct opt_table;

/* Their targets are private to verb_pod.c. */
extern const struct opt_table verb_pod_ls_opts, verb_pod_inspect_opts;

/* As in main.c's table of verbs; Return: the exit status */
int verb_pod_create(int argc, char **argv);
int verb_pod_inspect(int argc, char **argv);
int verb_pod_ls(int argc, char **argv);
int verb_pod_rm(int argc, char **argv);
int verb_pod_start(int argc, char **argv);
int verb_pod_stop(int argc, char **argv);
