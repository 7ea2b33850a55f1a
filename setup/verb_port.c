// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks the pod itself: it knows what is published now. */
#include "setup/verb_port.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/config.h"
#include "setup/lookup.h"
#include "setup/opt.h"
#include "setup/table.h"

#define STATUS_FAILED 125

struct port_config {
	const char *control;
	bool json;
};

static int set_control(void *target, const char *value)
{
	struct port_config *cfg = target;

	cfg->control = value;
	return 0;
}

static int set_json(void *target, const char *value)
{
	struct port_config *cfg = target;

	(void)value;
	cfg->json = true;
	return 0;
}

/* It is what happens anyway. */
static int set_list(void *target, const char *value)
{
	(void)target;
	(void)value;
	return 0;
}

static const struct opt port_opts[] = {
	{ "control", 0, "PATH", "the pod's control socket, instead of its NAME",
	  set_control },
	{ "json", 0, NULL, "print JSON (a table)", set_json },
	{ "list", 'l', NULL, "list what is published (it does)", set_list },
};

const struct opt_table verb_port_opts = { "Ports", port_opts,
					  ARRAY_SIZE(port_opts) };

static const struct table_column columns[] = {
	{ "id", "ID", true },		{ "proto", "PROTO", false },
	{ "host_addr", "HOST", false }, { "host_port", "PORT", true },
	{ "pod_addr", "POD", false },	{ "pod_port", "PORT", true },
	{ "count", "COUNT", true },	{ "source", "SOURCE", false },
};

static const char *cell(const json_t *row, const struct table_column *column,
			char buf[TABLE_CELL_MAX])
{
	const json_t *v = json_object_get(row, column->key);

	if (json_is_string(v))
		return json_string_value(v);
	(void)snprintf(buf, TABLE_CELL_MAX, "%lld",
		       (long long)json_integer_value(v));
	return buf;
}

static int show(const struct port_config *cfg, const struct control_peer *peer)
{
	json_t *all = control_ask(peer, "ports");

	if (!all)
		return -EIO;
	if (cfg->json) {
		(void)json_dumpf(all, stdout, JSON_COMPACT);
		(void)printf("\n"); /* errors of both show in opt_flush() */
	} else {
		table_print(stdout, columns, ARRAY_SIZE(columns),
			    json_object_get(all, "ports"), cell);
	}
	json_decref(all);
	return 0;
}

int verb_port(int argc, char **argv)
{
	struct port_config cfg = { 0 };
	const struct opt_group groups[] = { { &verb_port_opts, &cfg },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-l] [--json] NAME|--control PATH",
		.about = "List what a pod publishes.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	struct control_peer peer;
	struct state_record rec;
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : STATUS_FAILED;
	if (*rest && rest[1] &&
	    (strcmp(rest[1], "add") == 0 || strcmp(rest[1], "rm") == 0)) {
		log_error("port %.64s %s: not supported yet in this version",
			  rest[0], rest[1]);
		return STATUS_FAILED;
	}
	rc = lookup_peer(argv[0], cfg.control, rest, &rec, &peer);
	if (!rc)
		rc = show(&cfg, &peer);
	state_drop(&rec);
	return rc || opt_flush(stdout) ? STATUS_FAILED : 0;
}
