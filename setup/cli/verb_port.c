// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asks the pod itself: it knows what is published now, and changes it.
 *
 * A bare number behind rm is an id, never the SPEC of a pod port.
 */
#include "setup/cli/verb_port.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "portfwd/spec.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"
#include "setup/cli/table.h"

struct port_config {
	const char *control;
	bool json, drop;
};

/* It is what happens anyway. */
static int set_list(void *target, const char *value)
{
	(void)target;
	(void)value;
	return 0;
}

static const struct opt port_opts[] = {
	{ "control", 0, "PATH", "the pod's control socket, instead of its NAME",
	  OPT_PATH(struct port_config, control) },
	{ "drop", 0, NULL,
	  "with rm: reset the open connections of the port (they go on)",
	  OPT_FLAG(struct port_config, drop) },
	{ "json", 0, NULL, "print JSON (a table)",
	  OPT_FLAG(struct port_config, json) },
	{ "list", 'l', NULL, "list what is published (it does)", set_list },
};

const struct opt_table verb_port_opts = { "Ports", port_opts,
					  ARRAY_SIZE(port_opts) };

static const struct table_column columns[] = {
	{ "id", "ID", true },		{ "proto", "PROTO", false },
	{ "host_addr", "HOST", false }, { "host_port", "PORT", true },
	{ "pod_addr", "POD", false },	{ "pod_port", "PORT", true },
	{ "count", "COUNT", true },	{ "source", "SOURCE", false },
	{ "flows", "FLOWS", true },
};

/* What is missing is said on stderr. @all is dropped; NULL: logged */
static int show(const struct port_config *cfg, json_t *all)
{
	if (!all)
		return -EIO;
	if (cfg->json)
		table_json(stdout, all, JSON_COMPACT);
	else
		table_print(stdout, columns, ARRAY_SIZE(columns),
			    json_object_get(all, "ports"), NULL);
	control_warn(all, "its part is missing");
	json_decref(all);
	return 0;
}

/* Said here already, as for -p. Return: 0 or -EINVAL, logged */
static int check_spec(const char *text)
{
	char err[SPEC_ERR_MAX];
	struct spec spec;

	if (!spec_parse(text, &spec, err))
		return 0;
	log_error("%.64s: %s", text, err);
	return -EINVAL;
}

static int add(const struct port_config *cfg, const struct control_peer *peer,
	       const char *text)
{
	if (check_spec(text))
		return -EINVAL;
	return show(cfg, control_ask_args(peer, "add_port",
					  json_pack("{s:s}", "spec", text)));
}

static int rm(const struct port_config *cfg, const struct control_peer *peer,
	      const char *text)
{
	uint64_t id;
	bool is_id = !parse_uint(text, 1, UINT32_MAX, &id);
	json_t *args, *reply;

	if (!is_id && check_spec(text))
		return -EINVAL;
	args = is_id ? json_pack("{s:I}", "id", (json_int_t)id)
		     : json_pack("{s:s}", "spec", text);
	(void)json_object_set_new(args, "drop", json_boolean(cfg->drop));
	reply = control_ask_args(peer, "remove_port", args);
	if (!reply)
		return -EIO;
	control_warn(reply, "until then the port stays taken");
	json_decref(reply);
	return 0;
}

/* @words: what stands behind the pod: nothing, add SPEC, rm SPEC|ID */
static int run(const struct port_config *cfg, const struct control_peer *peer,
	       char **words)
{
	if (!*words)
		return show(cfg, control_ask(peer, "ports"));
	if (strcmp(*words, "add") == 0)
		return add(cfg, peer, words[1]);
	return rm(cfg, peer, words[1]);
}

/* Return: 0 or -EINVAL, logged */
static int check_words(const struct port_config *cfg, const char *verb,
		       char **words)
{
	bool is_rm = *words && strcmp(*words, "rm") == 0;

	if (*words && !is_rm && strcmp(*words, "add") != 0) {
		log_error("%s: %.64s: neither add nor rm", verb, *words);
		return -EINVAL;
	}
	if (*words && (!words[1] || words[2])) {
		log_error("%s %s: one %s, please", verb, *words,
			  is_rm ? "SPEC or ID" : "SPEC");
		return -EINVAL;
	}
	if (cfg->drop && !is_rm) {
		log_error("%s: --drop goes with rm", verb);
		return -EINVAL;
	}
	return 0;
}

int verb_port(int argc, char **argv)
{
	struct port_config cfg = { 0 };
	const struct opt_group groups[] = { { &verb_port_opts, &cfg },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-l] [--json] NAME|--control PATH [add SPEC|rm "
			    "[--drop] SPEC|ID]",
		.about = "List what a pod publishes, publish another port, or "
			 "withdraw one.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	struct control_peer peer;
	struct state_record rec;
	char **rest, *name[] = { NULL, NULL };
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (!cfg.control && *rest)
		name[0] = *rest++;
	if (check_words(&cfg, argv[0], rest))
		return EXIT_OURS;
	rc = lookup_peer(argv[0], cfg.control, name, &rec, &peer);
	if (!rc)
		rc = run(&cfg, &peer, rest);
	state_drop(&rec);
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}
