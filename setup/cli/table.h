/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How verbs show JSON: as it is, or a list of objects as a table. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define TABLE_CELL_MAX	  192
#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *key, *title;
	bool number; /* right-aligned */
};

/* Return: the text of a cell, in @buf or as long-lived as @row */
typedef const char *(*table_cell_fn)(const json_t *row,
				     const struct table_column *column,
				     char buf[TABLE_CELL_MAX]);

/**
 * table_value() - the text of the member @key of @row
 * Return: it, "-" when it isn't known; in @buf or as long-lived as @row
 */
const char *table_value(const json_t *row, const char *key,
			char buf[TABLE_CELL_MAX]);

/**
 * table_print() - heading and rows; errors stay in @f
 * @cell: NULL: each column is its member's table_value()
 */
void table_print(FILE *f, const struct table_column *columns, size_t n_columns,
		 const json_t *rows, table_cell_fn cell);

/**
 * table_json() - @all as it is; errors stay in @f
 * @form: JSON_COMPACT, for programs: a line; JSON_INDENT(2), for people
 */
void table_json(FILE *f, const json_t *all, size_t form);
