/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice start`, `stop`, `rm`: the life of containers that have names. */

struct opt_table;

/* The targets are private to verb_life.c. */
extern const struct opt_table verb_stop_opts, verb_rm_opts;

/* As in main.c's table of verbs; Return: the exit status */
int verb_start(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_rm(int argc, char **argv);
