/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The load generators: hidden verb `bench-load`. */

/**
 * bench_load_main() - run one generator
 * @argv: argv[0] is the verb, argv[1] the generator; see `bench-load --help`
 *
 * One JSON line per run goes to stdout, errors as one line to stderr. A
 * payload that doesn't arrive as it was sent is an error and never a figure.
 *
 * Return: exit status: 0 or 125
 */
int bench_load_main(int argc, char **argv);
