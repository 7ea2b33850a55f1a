/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice exec`: another command in a running container. */

/* As in verbs.h; Return: the exit status */
int verb_exec(int argc, char **argv);
