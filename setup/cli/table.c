// SPDX-License-Identifier: GPL-2.0-or-later
/* See table.h. */
#include "setup/cli/table.h"

#include <string.h>

/* Decimal digits of reals: those that were meant, none that binary adds. */
#define PRECISION 15

const char *table_value(const json_t *row, const char *key,
			char buf[TABLE_CELL_MAX])
{
	const json_t *v = json_object_get(row, key);

	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		(void)snprintf(buf, TABLE_CELL_MAX, "%lld",
			       (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(buf, TABLE_CELL_MAX, "%.3f", json_real_value(v));
	else
		(void)snprintf(buf, TABLE_CELL_MAX, "-");
	return buf;
}

static const char *plain_cell(const json_t *row,
			      const struct table_column *column,
			      char buf[TABLE_CELL_MAX])
{
	return table_value(row, column->key, buf);
}

static size_t width_of(const struct table_column *c, const json_t *rows,
		       table_cell_fn cell)
{
	size_t width = strlen(c->title);
	char buf[TABLE_CELL_MAX];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		size_t w = strlen(cell(json_array_get(rows, i), c, buf));

		if (w > width)
			width = w;
	}
	return width;
}

void table_print(FILE *f, const struct table_column *columns, size_t n_columns,
		 const json_t *rows, table_cell_fn cell)
{
	size_t width[TABLE_COLUMNS_MAX], n = json_array_size(rows);
	char buf[TABLE_CELL_MAX];

	if (!cell)
		cell = plain_cell;
	for (size_t c = 0; c < n_columns; c++)
		width[c] = width_of(&columns[c], rows, cell);
	/* nothing follows what is left-aligned at the end of a line */
	if (!columns[n_columns - 1].number)
		width[n_columns - 1] = 0;
	for (size_t i = 0; i <= n; i++) {
		for (size_t c = 0; c < n_columns; c++) {
			const char *s = i ? cell(json_array_get(rows, i - 1),
						 &columns[c], buf)
					  : columns[c].title;

			(void)fprintf(f, "%s%*s", c ? "  " : "",
				      columns[c].number ? (int)width[c]
							: -(int)width[c],
				      s);
		}
		(void)fprintf(f, "\n");
	}
}

void table_json(FILE *f, const json_t *all, size_t form)
{
	(void)json_dumpf(all, f, form | JSON_REAL_PRECISION(PRECISION));
	(void)fputc('\n', f);
}
