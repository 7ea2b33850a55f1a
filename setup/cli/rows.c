// SPDX-License-Identifier: GPL-2.0-or-later
/* See rows.h. */
#include "setup/cli/rows.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "netstack/base/escape.h"
#include "netstack/base/log.h"
#include "setup/helper/control_json.h"

/* ---- JSON ---- */

json_t *rows_time(int64_t ms)
{
	return ms ? json_real((double)ms / 1e3) : json_null();
}

json_t *rows_pid(const struct state_record *rec, pid_t pid)
{
	return rec->phase == STATE_EXITED || !pid ? json_null()
						  : json_integer(pid);
}

const char *rows_state(const struct state_record *rec)
{
	static const char *const phases[] = { "starting", "running" };

	if (rec->phase == STATE_EXITED)
		return rec->kind == STATE_POD ? "stopped" : "exited";
	return phases[rec->phase];
}

json_t *rows_exit_code(const struct state_record *rec)
{
	return rec->phase == STATE_EXITED && rec->exit_code >= 0
		       ? json_integer(rec->exit_code)
		       : json_null();
}

json_t *rows_list(json_t *list)
{
	return list ? json_incref(list) : json_array();
}

json_t *rows_ports(const struct state_record *rec)
{
	return rows_list(rec->phase == STATE_EXITED ? NULL : rec->ports);
}

static double created(const json_t *row)
{
	return json_number_value(json_object_get(row, "created"));
}

int rows_insert(json_t *rows, json_t *row)
{
	size_t at = 0;

	while (at < json_array_size(rows) &&
	       created(json_array_get(rows, at)) > created(row))
		at++;
	return json_array_insert_new(rows, at, row) ? log_errno(ENOMEM, "list")
						    : 0;
}

/* ---- the table ---- */

void rows_add_text(char buf[TABLE_CELL_MAX], const char *s, size_t width)
{
	size_t n = strlen(buf);

	for (size_t left = strlen(s); left && n + ESCAPE_MAX < width; left--)
		n += escape_byte(buf + n, s++, left);
	buf[n] = '\0';
}

static uint16_t number_at(const json_t *o, const char *key)
{
	return (uint16_t)json_integer_value(json_object_get(o, key));
}

/* "ADDR:HOST->POD/tcp", ranges with their ends */
static void port_text(const json_t *port, char buf[TABLE_CELL_MAX])
{
	const char *addr =
		json_string_value(json_object_get(port, "host_addr"));
	uint16_t host = number_at(port, "host_port");
	uint16_t pod = number_at(port, "pod_port");
	int more = number_at(port, "count") - 1;
	char host_end[16] = "", pod_end[16] = "", text[TABLE_CELL_MAX];

	if (more > 0) {
		(void)snprintf(host_end, sizeof(host_end), "-%d", host + more);
		(void)snprintf(pod_end, sizeof(pod_end), "-%d", pod + more);
	}
	(void)snprintf(text, sizeof(text), "%s%s:%u%s->%u%s/%s",
		       buf[0] ? ", " : "",
		       !addr || strcmp(addr, "::") == 0 ? "*" : addr, host,
		       host_end, pod, pod_end,
		       json_string_value(json_object_get(port, "proto")));
	rows_add_text(buf, text, TABLE_CELL_MAX);
}

void rows_ports_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const json_t *ports = json_object_get(row, "ports");

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(ports); i++)
		port_text(json_array_get(ports, i), buf);
}

void rows_created_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	time_t at = (time_t)created(row);
	struct tm tm;

	if (!localtime_r(&at, &tm) ||
	    !strftime(buf, TABLE_CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(buf, TABLE_CELL_MAX, "-");
}

/* ---- either ---- */

void rows_print(const struct rows *r)
{
	const json_t *row;
	json_t *doc;
	size_t i;

	if (r->json) {
		doc = json_pack("{s:i, s:O}", "schema", CONTROL_SCHEMA, r->key,
				r->all);
		table_json(stdout, doc, JSON_COMPACT);
		json_decref(doc);
	} else if (r->names) {
		json_array_foreach (r->all, i, row)
			(void)puts(json_string_value(
				json_object_get(row, "name")));
	} else {
		table_print(stdout, r->columns, r->n_columns, r->all, r->cell);
	}
}
