/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice logs`: what a detached container has written. */

struct opt_table;

/* The target is private to verb_logs.c. */
extern const struct opt_table verb_logs_opts;

/* As in main.c's table of verbs; Return: the exit status */
int verb_logs(int argc, char **argv);
