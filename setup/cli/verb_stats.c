// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --json prints what the control socket said, as it is: there is one contract
 * for both.
 */
#include "setup/cli/verb_stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/control_client.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"
#include "setup/cli/stats_prometheus.h"
#include "setup/cli/stats_table.h"
#include "setup/cli/stats_watch.h"
#include "setup/cli/table.h"

struct stats_config {
	const char *control;
	bool json, prometheus, watch;
};

static const struct opt query_opts[] = {
	{ "control", 0, "PATH",
	  "the pod's control socket, as given to podsplice run, instead of "
	  "its NAME",
	  OPT_PATH(struct stats_config, control) },
	{ "json", 0, NULL, "print JSON (a table)",
	  OPT_FLAG(struct stats_config, json) },
	{ "watch", 0, NULL, "again every second, until q",
	  OPT_FLAG(struct stats_config, watch) },
};

const struct opt_table verb_query_opts = { "Query", query_opts,
					   ARRAY_SIZE(query_opts) };

static const struct opt stats_opts[] = {
	{ "prometheus", 0, NULL, "print Prometheus' text format",
	  OPT_FLAG(struct stats_config, prometheus) },
};

const struct opt_table verb_stats_opts = { "Stats", stats_opts,
					   ARRAY_SIZE(stats_opts) };

/* A verb that asks, and the ways to show the answer. */
struct query_verb {
	const char *synopsis, *about;
	bool stats; /* has verb_stats_opts, too */
	stats_watch_fn table, watch;
};

/* @rest: set to the positionals; Return: as opt_parse() */
static int parse(struct stats_config *cfg, char **argv,
		 const struct query_verb *verb, char ***rest)
{
	const struct opt_group groups[] = { { &verb_query_opts, cfg },
					    { &config_global_opts, NULL },
					    { &verb_stats_opts, cfg } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = verb->synopsis,
		.about = verb->about,
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups) - !verb->stats,
	};
	int rc = opt_parse(&cmd, argv + 1, rest);

	if (rc)
		return rc;
	if (cfg->prometheus && (cfg->json || cfg->watch)) {
		log_error("%s: --prometheus goes with neither --json nor "
			  "--watch",
			  argv[0]);
		return -EINVAL;
	}
	return 0;
}

static void print_json(FILE *f, const json_t *now, const json_t *before,
		       double seconds)
{
	(void)before;
	(void)seconds;
	table_json(f, now, JSON_COMPACT);
}

static void print_stats(FILE *f, const json_t *now, const json_t *before,
			double seconds)
{
	(void)before;
	(void)seconds;
	stats_table(f, now);
}

static void watch_stats(FILE *f, const json_t *now, const json_t *before,
			double seconds)
{
	stats_rates(f, now, before, seconds);
	(void)fprintf(f, "\n");
	stats_table(f, now);
}

static void print_flows(FILE *f, const json_t *now, const json_t *before,
			double seconds)
{
	(void)before;
	(void)seconds;
	flows_table(f, now);
}

/* Return: 0 or -errno, logged */
static int ask_once(const struct stats_config *cfg,
		    const struct control_peer *peer, const char *name,
		    const struct query_verb *verb)
{
	json_t *all = control_ask(peer, name);

	if (!all)
		return -EIO;
	if (cfg->prometheus)
		stats_prometheus(stdout, all, peer->name);
	else
		(cfg->json ? print_json : verb->table)(stdout, all, NULL, 0);
	control_warn(all, "its part is missing");
	json_decref(all);
	return 0;
}

static int show(char **argv, const struct query_verb *verb)
{
	struct stats_config cfg = { 0 };
	struct control_peer peer;
	struct state_record rec;
	char **rest;
	int rc = parse(&cfg, argv, verb, &rest);

	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = lookup_peer(argv[0], cfg.control, rest, &rec, &peer);
	if (!rc && cfg.watch)
		rc = stats_watch(&peer, argv[0],
				 cfg.json ? print_json : verb->watch,
				 !cfg.json);
	else if (!rc)
		rc = ask_once(&cfg, &peer, argv[0], verb);
	state_drop(&rec);
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}

int verb_stats(int argc, char **argv)
{
	static const struct query_verb verb = {
		.synopsis =
			"[--json|--prometheus] [--watch] NAME|--control PATH",
		.about = "Show the counters of a pod's network: flows, bytes, "
			 "errors, DNS, and the memory of the helper's "
			 "processes.",
		.stats = true,
		.table = print_stats,
		.watch = watch_stats,
	};

	(void)argc;
	return show(argv, &verb);
}

int verb_flows(int argc, char **argv)
{
	static const struct query_verb verb = {
		.synopsis = "[--json] [--watch] NAME|--control PATH",
		.about = "List the TCP connections in and out of a pod that "
			 "podsplice relays.",
		.table = print_flows,
		.watch = print_flows,
	};

	(void)argc;
	return show(argv, &verb);
}
