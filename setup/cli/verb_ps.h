/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice ps`: the containers of this user. */

struct opt_table;

/* The target is private to verb_ps.c. */
extern const struct opt_table verb_ps_opts;

/* As in main.c's table of verbs; Return: the exit status */
int verb_ps(int argc, char **argv);
