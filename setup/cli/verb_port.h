/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice port`: what a pod publishes. */

struct opt_table;

/* The target is private to verb_port.c. */
extern const struct opt_table verb_port_opts;

/* As in main.c's table of verbs; Return: the exit status */
int verb_port(int argc, char **argv);
