/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The verbs about Kubernetes' files: `podsplice kube …`. */

struct opt_table;

/* Its target is private to verb_kube.c. */
extern const struct opt_table verb_kube_play_opts;

/* As in the table of verbs; Return: the exit status */
int verb_kube_play(int argc, char **argv);
int verb_kube_down(int argc, char **argv);
int verb_kube_generate(int argc, char **argv);
