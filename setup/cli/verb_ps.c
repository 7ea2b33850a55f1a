// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the records say; nobody is asked, so that a supervisor which is stopped
 * doesn't keep the others from being listed.
 */
#include "setup/cli/verb_ps.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"
#include "setup/cli/rows.h"
#include "setup/cli/table.h"
#include "setup/state/state.h"

#define COMMAND_WIDTH 40

struct ps {
	bool all, pod;
	struct rows rows;
	json_t *ports; /* of pods, by their names */
};

static const struct opt ps_opts[] = {
	{ "all", 'a', NULL, "those that have ended, too",
	  OPT_FLAG(struct ps, all) },
	{ "json", 0, NULL, "print JSON (a table)",
	  OPT_FLAG(struct ps, rows.json) },
	{ "pod", 0, NULL, "show in which pod each is",
	  OPT_FLAG(struct ps, pod) },
	{ "quiet", 'q', NULL, "print only the names",
	  OPT_FLAG(struct ps, rows.names) },
};

const struct opt_table verb_ps_opts = { "List", ps_opts, ARRAY_SIZE(ps_opts) };

/* ---- JSON ---- */

static json_t *row_json(const struct state_record *rec)
{
	return json_pack(
		"{s:s, s:s?, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}",
		"name", rec->name, "pod", rec->pod[0] ? rec->pod : NULL,
		"state", rows_state(rec), "pid", rows_pid(rec, rec->init.pid),
		"supervisor", rows_pid(rec, rec->supervisor.pid), "exit_code",
		rows_exit_code(rec), "created", rows_time(rec->created_ms),
		"started", rows_time(rec->started_ms), "finished",
		rows_time(rec->finished_ms), "detached", rec->detached,
		"remove", rec->remove, "command", rows_list(rec->command),
		"ports", rows_ports(rec));
}

/* The youngest first, as podman has it. */
static int add_row(void *arg, struct state_record *rec)
{
	struct ps *ps = arg;

	if (rec->kind == STATE_POD)
		return json_object_set_new(ps->ports, rec->name,
					   rows_ports(rec))
			       ? log_errno(ENOMEM, "list")
			       : 0;
	if (rec->phase == STATE_EXITED && !ps->all)
		return 0;
	return rows_insert(ps->rows.all, row_json(rec));
}

static const char *text_at(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* The ports of a pod lead to all of its containers. */
static void take_ports(const struct ps *ps)
{
	json_t *row;
	size_t i;

	json_array_foreach (ps->rows.all, i, row) {
		const char *pod = text_at(row, "pod");
		json_t *ports = pod ? json_object_get(ps->ports, pod) : NULL;

		if (ports && strcmp(text_at(row, "state"), "exited") != 0)
			(void)json_object_set(row, "ports", ports);
	}
}

/* ---- the table ---- */

static void command_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const json_t *words = json_object_get(row, "command");

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(words); i++) {
		if (i)
			rows_add_text(buf, " ", COMMAND_WIDTH);
		rows_add_text(buf, json_string_value(json_array_get(words, i)),
			      COMMAND_WIDTH);
	}
}

static void state_text(const json_t *row, char buf[TABLE_CELL_MAX])
{
	const char *state = text_at(row, "state");
	const json_t *code = json_object_get(row, "exit_code");

	if (strcmp(state, "exited") != 0)
		(void)snprintf(buf, TABLE_CELL_MAX, "%s", state);
	else if (json_is_integer(code))
		(void)snprintf(buf, TABLE_CELL_MAX, "exited (%lld)",
			       (long long)json_integer_value(code));
	else /* its supervisor was killed, and couldn't say */
		(void)snprintf(buf, TABLE_CELL_MAX, "exited (?)");
}

static const struct table_column columns[] = {
	{ "name", "NAME", false },   { "state", "STATE", false },
	{ "pid", "PID", true },	     { "created", "CREATED", false },
	{ "ports", "PORTS", false }, { "command", "COMMAND", false },
	{ "pod", "POD", false },
};

static const char *cell(const json_t *row, const struct table_column *column,
			char buf[TABLE_CELL_MAX])
{
	if (strcmp(column->key, "state") == 0)
		state_text(row, buf);
	else if (strcmp(column->key, "created") == 0)
		rows_created_text(row, buf);
	else if (strcmp(column->key, "ports") == 0)
		rows_ports_text(row, buf);
	else if (strcmp(column->key, "command") == 0)
		command_text(row, buf);
	else
		return table_value(row, column->key, buf);
	return buf;
}

/* ---- the verb ---- */

/* Return: as opt_parse() */
static int parse(struct ps *ps, char **argv)
{
	const struct opt_group groups[] = { { &verb_ps_opts, ps },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-a] [--pod] [-q|--json]",
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
	struct ps ps = { .rows = { .key = "containers",
				   .columns = columns,
				   .n_columns = ARRAY_SIZE(columns) - 1,
				   .cell = cell } };
	struct state s;
	int rc = parse(&ps, argv);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = state_open(&s);
	if (rc)
		return EXIT_OURS;
	ps.rows.n_columns += ps.pod; /* the last one */
	ps.rows.all = json_array();
	ps.ports = json_object();
	rc = state_each(&s, add_row, &ps);
	state_close(&s);
	if (!rc) {
		take_ports(&ps);
		rows_print(&ps.rows);
	}
	json_decref(ps.rows.all);
	json_decref(ps.ports);
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}
