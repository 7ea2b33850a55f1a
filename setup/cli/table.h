/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A list of JSON objects as a table, for people. */

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

/** table_print() - heading and rows; errors stay in @f */
void table_print(FILE *f, const struct table_column *columns, size_t n_columns,
		 const json_t *rows, table_cell_fn cell);
