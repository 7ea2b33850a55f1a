// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the records say; nobody is asked, so that a supervisor which is stopped
 * doesn't keep the others from being listed.
 */
#include "setup/cli/verb_ps.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netstack/base/escape.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"
#include "setup/cli/table.h"
#include "setup/helper/control_json.h"
#include "setup/state/state.h"

#define COMMAND_WIDTH 40

struct ps {
	bool all, json, quiet;
	json_t *rows; /* of the JSON, by age */
};

static const struct opt ps_opts[] = {
	{ "all", 'a', NULL, "those that have ended, too",
	  OPT_FLAG(struct ps, all) },
	{ "json", 0, NULL, "print JSON (a table)", OPT_FLAG(struct ps, json) },
	{ "quiet", 'q', NULL, "print only the names",
	  OPT_FLAG(struct ps, quiet) },
};

const struct opt_table verb_ps_opts = { "List", ps_opts, ARRAY_SIZE(ps_opts) };

/* ---- JSON ---- */

static json_t *time_json(int64_t ms)
{
	return ms ? json_real((double)ms / 1e3) : json_null();
}

static json_t *pid_json(const struct state_record *rec, pid_t pid)
{
	return rec->phase == STATE_EXITED || !pid ? json_null()
						  : json_integer(pid);
}

static json_t *list_json(json_t *list)
{
	return list ? json_incref(list) : json_array();
}

static json_t *row_json(const struct state_record *rec)
{
	static const char *const phases[] = { "starting", "running", "exited" };
	bool ended = rec->phase == STATE_EXITED;

	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}",
		"name", rec->name, "state", phases[rec->phase], "pid",
		pid_json(rec, rec->init.pid), "supervisor",
		pid_json(rec, rec->supervisor.pid), "exit_code",
		ended && rec->exit_code >= 0 ? json_integer(rec->exit_code)
					     : json_null(),
		"created", time_json(rec->created_ms), "started",
		time_json(rec->started_ms), "finished",
		time_json(rec->finished_ms), "detached", rec->detached,
		"remove", rec->remove, "command", list_json(rec->command),
		"ports", list_json(ended ? NULL : rec->ports));
}

static double created(const json_t *row)
{
	return json_number_value(json_object_get(row, "created"));
}

/* Into ps->rows, the youngest first, as podman has it. */
static int add_row(void *arg, struct state_record *rec)
{
	struct ps *ps = arg;
	json_t *row;
	size_t at = 0;

	if (rec->phase == STATE_EXITED && !ps->all)
		return 0;
	row = row_json(rec);
	while (at < json_array_size(ps->rows) &&
	       created(json_array_get(ps->rows, at)) > created(row))
		at++;
	return json_array_insert_new(ps->rows, at, row)
		       ? log_errno(ENOMEM, "list")
		       : 0;
}

/* ---- the table ---- */

/* Escaped, and cut off where there is no room. */
static void add_text(char buf[TABLE_CELL_MAX], const char *s, size_t width)
{
	size_t n = strlen(buf);

	for (size_t left = strlen(s); left && n + ESCAPE_MAX < width; left--)
		n += escape_byte(buf + n, s++, left);
	buf[n] = '\0';
}

static void command_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const json_t *words = json_object_get(row, "command");

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(words); i++) {
		if (i)
			add_text(buf, " ", COMMAND_WIDTH);
		add_text(buf, json_string_value(json_array_get(words, i)),
			 COMMAND_WIDTH);
	}
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
	add_text(buf, text, TABLE_CELL_MAX);
}

static void ports_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const json_t *ports = json_object_get(row, "ports");

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(ports); i++)
		port_text(json_array_get(ports, i), buf);
}

static void state_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const json_t *code = json_object_get(row, "exit_code");

	if (strcmp(state, "exited") != 0)
		(void)snprintf(buf, TABLE_CELL_MAX, "%s", state);
	else if (json_is_integer(code))
		(void)snprintf(buf, TABLE_CELL_MAX, "exited (%lld)",
			       (long long)json_integer_value(code));
	else /* its supervisor was killed, and couldn't say */
		(void)snprintf(buf, TABLE_CELL_MAX, "exited (?)");
}

static void created_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	time_t at = (time_t)created(row);
	struct tm tm;

	if (!localtime_r(&at, &tm) ||
	    !strftime(buf, TABLE_CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(buf, TABLE_CELL_MAX, "-");
}

static const struct table_column columns[] = {
	{ "name", "NAME", false },   { "state", "STATE", false },
	{ "pid", "PID", true },	     { "created", "CREATED", false },
	{ "ports", "PORTS", false }, { "command", "COMMAND", false },
};

static const char *cell(const json_t *row, const struct table_column *column,
			char buf[TABLE_CELL_MAX])
{
	if (strcmp(column->key, "state") == 0)
		state_text(row, buf);
	else if (strcmp(column->key, "created") == 0)
		created_text(row, buf);
	else if (strcmp(column->key, "ports") == 0)
		ports_text(row, buf);
	else if (strcmp(column->key, "command") == 0)
		command_text(row, buf);
	else
		return table_value(row, column->key, buf);
	return buf;
}

/* ---- the verb ---- */

static void print(const struct ps *ps)
{
	json_t *all;

	if (ps->json) {
		all = json_pack("{s:i, s:O}", "schema", CONTROL_SCHEMA,
				"containers", ps->rows);
		table_json(stdout, all);
		json_decref(all);
	} else if (ps->quiet) {
		for (size_t i = 0; i < json_array_size(ps->rows); i++)
			(void)printf(
				"%s\n",
				json_string_value(json_object_get(
					json_array_get(ps->rows, i), "name")));
	} else {
		table_print(stdout, columns, ARRAY_SIZE(columns), ps->rows,
			    cell);
	}
}

/* Return: as opt_parse() */
static int parse(struct ps *ps, char **argv)
{
	const struct opt_group groups[] = { { &verb_ps_opts, ps },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-a] [-q|--json]",
		.about = "List the containers that run, the youngest first.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	if (!rc && *rest) {
		log_error("ps %.64s: takes no name (see podsplice ps --help)",
			  *rest);
		rc = -EINVAL;
	}
	return rc;
}

int verb_ps(int argc, char **argv)
{
	struct ps ps = { 0 };
	struct state s;
	int rc = parse(&ps, argv);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = state_open(&s);
	if (rc)
		return EXIT_OURS;
	ps.rows = json_array();
	rc = state_each(&s, add_row, &ps);
	state_close(&s);
	if (!rc)
		print(&ps);
	json_decref(ps.rows);
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}
