/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Personalities: podsplice behaving as another program, whose name it was
 * started by, or which stands where a verb does.
 */

/* Return: the exit status, which is the other program's */
typedef int (*personality_fn)(int argc, char **argv);

/**
 * personality_find() - the program that @argv0 names
 * @argv0: a name, or a path whose last part is one
 *
 * Return: its main function, or NULL: it is none of them
 */
personality_fn personality_find(const char *argv0);
