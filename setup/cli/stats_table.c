// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables are for people and may change; --json is the contract. */
#include "setup/cli/stats_table.h"

#include <stdbool.h>
#include <string.h>

#include "netstack/base/list.h"
#include "setup/cli/table.h"

/* "NAME: key 1, key 2" of an object of numbers */
static void print_counters(FILE *f, const json_t *all, const char *name)
{
	json_t *o = json_object_get(all, name);
	const char *between = ":";
	void *it;
	char buf[TABLE_CELL_MAX];

	(void)fprintf(f, "%s", name);
	for (it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
		const char *key = json_object_iter_key(it);

		(void)fprintf(f, "%s %s %s", between, key,
			      table_value(o, key, buf));
		between = ",";
	}
	(void)fprintf(f, "\n");
}

static void print_paths(FILE *f, const json_t *all)
{
	json_t *flows = json_object_get(all, "flows");
	const json_t *traffic = json_object_get(all, "traffic");
	static const char *const cols[] = { "bytes_in", "bytes_out",
					    "packets_in", "packets_out" };
	void *it = json_object_iter(flows);
	char buf[TABLE_CELL_MAX];

	(void)fprintf(f, "%-8s %8s %10s %15s %15s %12s %12s\n", "PATH", "OPEN",
		      "TOTAL", "BYTES IN", "BYTES OUT", "PACKETS IN",
		      "PACKETS OUT");
	for (; it; it = json_object_iter_next(flows, it)) {
		const char *path = json_object_iter_key(it);
		const json_t *flow = json_object_iter_value(it);
		const json_t *t = json_object_get(traffic, path);

		(void)fprintf(f, "%-8s %8s", path,
			      table_value(flow, "open", buf));
		(void)fprintf(f, " %10s", table_value(flow, "total", buf));
		for (size_t i = 0; i < ARRAY_SIZE(cols); i++)
			(void)fprintf(f, " %*s", i < 2 ? 15 : 12,
				      table_value(t, cols[i], buf));
		(void)fprintf(f, "\n");
	}
}

static void print_memory(FILE *f, const json_t *all)
{
	json_t *memory = json_object_get(all, "memory");
	void *it = json_object_iter(memory);
	char buf[TABLE_CELL_MAX];

	(void)fprintf(f, "\n%-12s %12s %12s\n", "MEMORY", "RSS", "PRIVATE");
	for (; it; it = json_object_iter_next(memory, it)) {
		const json_t *m = json_object_iter_value(it);

		(void)fprintf(f, "%-12s %12s", json_object_iter_key(it),
			      table_value(m, "rss", buf));
		(void)fprintf(f, " %12s\n", table_value(m, "private", buf));
	}
}

void stats_table(FILE *f, const json_t *all)
{
	const json_t *reason = json_object_get(all, "state_reason");
	char buf[TABLE_CELL_MAX];

	if (json_is_string(reason))
		(void)fprintf(f, "%s: %s\n\n", table_value(all, "state", buf),
			      json_string_value(reason));
	print_paths(f, all);
	(void)fprintf(f, "\n");
	print_counters(f, all, "errors");
	print_counters(f, all, "dns");
	print_counters(f, all, "restarts");
	print_memory(f, all);
}

/* Bits a second, as links are named: 1.5k, 20.3M, 9.4G. */
static const char *rate(double bits, char buf[32])
{
	static const char units[] = " kMGT";
	size_t u = 0;

	for (; bits >= 999.95 && u + 1 < sizeof(units) - 1; u++)
		bits /= 1000;
	(void)snprintf(buf, 32, "%.1f%.1s", bits, u ? units + u : "");
	return buf;
}

/* A member's growth; 0 when a process was started anew, and counts from 0. */
static double growth(const json_t *now, const json_t *before, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(now, key));
	json_int_t b = json_integer_value(json_object_get(before, key));

	return n > b ? (double)(n - b) : 0;
}

void stats_rates(FILE *f, const json_t *now, const json_t *before,
		 double seconds)
{
	json_t *traffic = json_object_get(now, "traffic");
	json_t *was = json_object_get(before, "traffic");
	const char *path;
	char buf[32];
	json_t *t;

	(void)fprintf(f, "%-8s %12s %12s %12s\n", "PATH", "IN BIT/S",
		      "OUT BIT/S", "NEW/S");
	json_object_foreach (traffic, path, t) {
		const json_t *b = json_object_get(was, path);
		const json_t *flows =
			json_object_get(json_object_get(now, "flows"), path);
		const json_t *flows_b =
			json_object_get(json_object_get(before, "flows"), path);

		if (!b)
			continue;
		(void)fprintf(
			f, "%-8s %12s", path,
			rate(growth(t, b, "bytes_in") * 8 / seconds, buf));
		(void)fprintf(
			f, " %12s",
			rate(growth(t, b, "bytes_out") * 8 / seconds, buf));
		(void)fprintf(f, " %12.1f\n",
			      growth(flows, flows_b, "total") / seconds);
	}
}

/* The columns of `flows`; numbers are right-aligned. */
static const struct table_column columns[] = {
	{ "direction", "DIRECTION", false },
	{ "path", "PATH", false },
	{ "pod", "POD", false },
	{ "remote", "REMOTE", false },
	{ "host", "HOST", false },
	{ "state", "STATE", false },
	{ "age", "AGE", true },
	{ "bytes_in", "BYTES IN", true },
	{ "bytes_out", "BYTES OUT", true },
	{ "rtt_ms", "RTT MS", true },
	{ "uid", "UID", true },
};

static const char *cell(const json_t *flow, const struct table_column *c,
			char buf[TABLE_CELL_MAX])
{
	/* -1: the owner isn't known */
	if (strcmp(c->key, "uid") == 0 &&
	    json_integer_value(json_object_get(flow, c->key)) < 0)
		return "-";
	return table_value(flow, c->key, buf);
}

void flows_table(FILE *f, const json_t *all)
{
	table_print(f, columns, ARRAY_SIZE(columns),
		    json_object_get(all, "flows"), cell);
}
