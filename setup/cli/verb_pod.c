// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pod ls says what the records say and asks nobody; pod inspect asks the pod
 * itself for what only it knows.
 */
#include "setup/cli/verb_pod.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"
#include "setup/cli/rows.h"
#include "setup/helper/control_json.h"

/* ---- ls ---- */

struct ls {
	struct rows rows;
	json_t *containers; /* their names, by the names of their pods */
};

static const struct opt ls_opts[] = {
	{ "json", 0, NULL, "print JSON (a table)",
	  OPT_FLAG(struct ls, rows.json) },
	{ "quiet", 'q', NULL, "print only the names",
	  OPT_FLAG(struct ls, rows.names) },
};

const struct opt_table verb_pod_ls_opts = { "List", ls_opts,
					    ARRAY_SIZE(ls_opts) };

/* Into the list of its pod, which may be met only later. */
static int add_name(json_t *containers, const struct state_record *rec)
{
	json_t *names = json_object_get(containers, rec->pod);

	if (!names) {
		names = json_array();
		if (json_object_set_new(containers, rec->pod, names))
			return log_errno(ENOMEM, "list");
	}
	return json_array_append_new(names, json_string(rec->name))
		       ? log_errno(ENOMEM, "list")
		       : 0;
}

static int add_record(void *arg, struct state_record *rec)
{
	struct ls *ls = arg;

	if (rec->pod[0])
		return add_name(ls->containers, rec);
	if (rec->kind != STATE_POD)
		return 0;
	return rows_insert(
		ls->rows.all,
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:[], s:o}", "name",
			  rec->name, "id", rec->id, "state", rows_state(rec),
			  "created", rows_time(rec->created_ms), "infra",
			  rows_pid(rec, rec->init.pid), "supervisor",
			  rows_pid(rec, rec->supervisor.pid), "containers",
			  "ports", rows_ports(rec)));
}

static void take_names(const struct ls *ls)
{
	json_t *row, *names;
	size_t i;

	json_array_foreach (ls->rows.all, i, row) {
		names = json_object_get(
			ls->containers,
			json_string_value(json_object_get(row, "name")));
		if (names)
			(void)json_object_set(row, "containers", names);
	}
}

static const struct table_column columns[] = {
	{ "name", "NAME", false },	{ "state", "STATE", false },
	{ "infra", "INFRA", true },	{ "created", "CREATED", false },
	{ "containers", "CTRS", true }, { "ports", "PORTS", false },
};

static const char *cell(const json_t *row, const struct table_column *column,
			char buf[TABLE_CELL_MAX])
{
	const json_t *list = json_object_get(row, column->key);

	if (strcmp(column->key, "created") == 0)
		rows_created_text(row, buf);
	else if (strcmp(column->key, "ports") == 0)
		rows_ports_text(row, buf);
	else if (strcmp(column->key, "containers") == 0)
		(void)snprintf(buf, TABLE_CELL_MAX, "%zu",
			       json_array_size(list));
	else
		return table_value(row, column->key, buf);
	return buf;
}

int verb_pod_ls(int argc, char **argv)
{
	struct ls ls = { .rows = { .key = "pods",
				   .columns = columns,
				   .n_columns = ARRAY_SIZE(columns),
				   .cell = cell } };
	const struct opt_group groups[] = { { &verb_pod_ls_opts, &ls },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-q|--json]",
		.about = "List pods, also those that are stopped, the youngest "
			 "first.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	struct state s;
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (*rest) {
		log_error("pod ls %.64s: takes no name (podsplice pod inspect)",
			  *rest);
		return EXIT_OURS;
	}
	rc = state_open(&s);
	if (rc)
		return EXIT_OURS;
	ls.rows.all = json_array();
	ls.containers = json_object();
	rc = state_each(&s, add_record, &ls);
	state_close(&s);
	if (!rc) {
		take_names(&ls);
		rows_print(&ls.rows);
	}
	json_decref(ls.rows.all);
	json_decref(ls.containers);
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}

/* ---- inspect ---- */

struct inspect {
	bool json;
};

static const struct opt inspect_opts[] = {
	{ "json", 0, NULL, "print it in one line (many)",
	  OPT_FLAG(struct inspect, json) },
};

const struct opt_table verb_pod_inspect_opts = { "Inspect", inspect_opts,
						 ARRAY_SIZE(inspect_opts) };

struct containers {
	const char *pod;
	json_t *all; /* the youngest first */
};

static json_t *container_json(const struct state_record *rec)
{
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o}", "name", rec->name, "state",
		rows_state(rec), "pid", rows_pid(rec, rec->init.pid),
		"exit_code", rows_exit_code(rec), "created",
		rows_time(rec->created_ms), "command", rows_list(rec->command));
}

static int add_container(void *arg, struct state_record *rec)
{
	struct containers *c = arg;

	if (strcmp(rec->pod, c->pod) != 0)
		return 0;
	return rows_insert(c->all, container_json(rec));
}

/* Return: a list, NULL: logged */
static json_t *containers_of(const char *pod)
{
	struct containers c = { pod, json_array() };
	struct state s;
	int rc = state_open(&s);

	if (!rc)
		rc = state_each(&s, add_container, &c);
	state_close(&s);
	if (!rc)
		return c.all;
	json_decref(c.all);
	return NULL;
}

/* What the pod itself says of it. Return: 0 or -errno, logged */
static int ask_pod(const struct state_record *rec, json_t *all)
{
	static const char *const keys[] = { "state",	       "state_reason",
					    "datapath",	       "pids",
					    "datapath_reason", "network",
					    "namespaces" };
	const struct control_peer peer = { rec->name, rec->dir, STATE_CONTROL };
	json_t *info = control_ask(&peer, "info");
	json_t *ports = info ? control_ask(&peer, "ports") : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && ports; i++)
		(void)json_object_set(all, keys[i],
				      json_object_get(info, keys[i]));
	if (ports)
		(void)json_object_set(all, "ports",
				      json_object_get(ports, "ports"));
	json_decref(info);
	json_decref(ports);
	return ports ? 0 : -EIO;
}

/* Return: a new object, NULL: logged */
static json_t *describe(const struct state_record *rec)
{
	json_t *containers = containers_of(rec->name);
	json_t *all = json_pack(
		"{s:i, s:s, s:s, s:o, s:s, s:n, s:n, s:n, s:n, s:n, s:n, s:[], s:o}",
		"schema", CONTROL_SCHEMA, "name", rec->name, "id", rec->id,
		"created", rows_time(rec->created_ms), "state", rows_state(rec),
		"state_reason", "datapath", "datapath_reason", "pids",
		"namespaces", "network", "ports", "containers", containers);

	if (all && (rec->phase != STATE_RUNNING || !ask_pod(rec, all)))
		return all;
	json_decref(all);
	return NULL;
}

static int inspect(const struct inspect *i, const char *name)
{
	struct state_record rec;
	int rc = lookup_find(name, STATE_POD, &rec);
	json_t *all;

	if (rc)
		return rc;
	all = describe(&rec);
	state_drop(&rec);
	if (!all)
		return -EIO;
	table_json(stdout, all, i->json ? JSON_COMPACT : JSON_INDENT(2));
	json_decref(all);
	return 0;
}

int verb_pod_inspect(int argc, char **argv)
{
	struct inspect i = { 0 };
	const struct opt_group groups[] = { { &verb_pod_inspect_opts, &i },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[--json] POD",
		.about = "Print JSON of all there is to know about a pod: its "
			 "processes, namespaces, network, ports and "
			 "containers.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (!rest[0] || rest[1]) {
		log_error("pod inspect: one POD, please (podsplice pod ls)");
		return EXIT_OURS;
	}
	return inspect(&i, rest[0]) || opt_flush(stdout) ? EXIT_OURS : 0;
}
