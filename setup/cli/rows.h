/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What lists of containers and of pods have in common. */

#include "setup/cli/table.h"
#include "setup/state/state.h"

/** rows_time() - seconds since 1970; null: not yet */
json_t *rows_time(int64_t ms);

/** rows_pid() - @pid, one of @rec's; null when it has ended */
json_t *rows_pid(const struct state_record *rec, pid_t pid);

/** rows_state() - "running" and so on, as containers or pods have it */
const char *rows_state(const struct state_record *rec);

/** rows_exit_code() - null: it runs, or its supervisor couldn't say */
json_t *rows_exit_code(const struct state_record *rec);

/** rows_ports() - what @rec has published: a new reference */
json_t *rows_ports(const struct state_record *rec);

/** rows_list() - @list, which may be NULL: a new reference */
json_t *rows_list(json_t *list);

/** rows_insert() - @row, stolen, by its "created", the youngest first
 * Return: 0 or -errno, logged
 */
int rows_insert(json_t *rows, json_t *row);

/* A list that was asked for, and its form; the default is a table. */
struct rows {
	const char *key; /* of the list in the JSON */
	json_t *all;
	bool json, names; /* names: only those */
	const struct table_column *columns;
	size_t n_columns;
	table_cell_fn cell;
};

/** rows_print() - on stdout, where errors stay */
void rows_print(const struct rows *r);

/** rows_add_text() - add @s, escaped, cut off at @width */
void rows_add_text(char buf[TABLE_CELL_MAX], const char *s, size_t width);

/** rows_ports_text() - @row's "ports", for people */
void rows_ports_text(const json_t *row, char buf[TABLE_CELL_MAX]);

/** rows_created_text() - @row's "created", for people */
void rows_created_text(const json_t *row, char buf[TABLE_CELL_MAX]);
