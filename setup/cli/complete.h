/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What may stand where the cursor is: the half of completions behind a shell.
 */

/**
 * complete_main() - the hidden verb `complete WORD...`
 *
 * The words are those of a command line behind the program's name, up to and
 * with the one to be completed, which may be empty. Printed is
 *
 *	KIND
 *	CANDIDATE<tab>DESCRIPTION
 *	...
 *
 * where KIND is what else it may be: "words" (nothing), "files", "dirs", or
 * "command N", a part of a command that has N of the words before it. Of
 * --option=VALUE it is the value that candidates are for.
 *
 * Return: the exit status, as of every verb
 */
int complete_main(int argc, char **argv);
