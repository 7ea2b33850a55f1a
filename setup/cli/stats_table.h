/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What `stats` and `flows` show: tables of a reply of the control socket. */

#include <jansson.h>
#include <stdio.h>

/** stats_table() - print the reply to "stats"; errors stay in @f */
void stats_table(FILE *f, const json_t *all);

/**
 * stats_rates() - print what moved between two replies @seconds apart
 * @before: NULL: nothing is printed but the heading
 */
void stats_rates(FILE *f, const json_t *now, const json_t *before,
		 double seconds);

/** flows_table() - print the reply to "flows"; the same */
void flows_table(FILE *f, const json_t *all);
