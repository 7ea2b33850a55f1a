// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --json prints what the control socket said, as it is: there is one contract
 * for both. The tables are for people and may change.
 */
#include "setup/verb_stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/config.h"
#include "setup/control_client.h"
#include "setup/opt.h"

#define STATUS_FAILED 125

struct stats_config {
	const char *control;
	bool json;
};

static int set_control(void *target, const char *value)
{
	struct stats_config *cfg = target;

	if (!*value) {
		log_error("--control: the path is empty");
		return -EINVAL;
	}
	cfg->control = value;
	return 0;
}

static int set_json(void *target, const char *value)
{
	struct stats_config *cfg = target;

	(void)value;
	cfg->json = true;
	return 0;
}

static const struct opt stats_opts[] = {
	{ "control", 0, "PATH",
	  "the pod's control socket, as given to podsplice run", set_control },
	{ "json", 0, NULL, "print JSON (a table)", set_json },
};

const struct opt_table verb_stats_opts = { "Query", stats_opts,
					   ARRAY_SIZE(stats_opts) };

static const struct opt_later later[] = { { "prometheus", 0 }, { "watch", 0 } };

/* Return: as opt_parse() */
static int parse(struct stats_config *cfg, char **argv, const char *about)
{
	const struct opt_group groups[] = { { &verb_stats_opts, cfg },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[--json] --control PATH",
		.about = about,
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
		.later = later,
		.n_later = ARRAY_SIZE(later),
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	if (rc)
		return rc;
	if (*rest) {
		log_error("%s %.64s: pods have no names yet in this version "
			  "(use --control PATH)",
			  argv[0], *rest);
		return -EINVAL;
	}
	if (!cfg->control) {
		log_error("%s: which pod? (--control PATH, as given to "
			  "podsplice run)",
			  argv[0]);
		return -EINVAL;
	}
	return 0;
}

/* ---- tables ---- */

static const char *text_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

/* A number of @o in @buf, "-" when it isn't known; Return: @buf */
static const char *number_at(const json_t *o, const char *key, char buf[32])
{
	const json_t *v = json_object_get(o, key);

	if (json_is_integer(v))
		(void)snprintf(buf, 32, "%lld",
			       (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(buf, 32, "%.3f", json_real_value(v));
	else
		(void)snprintf(buf, 32, "-");
	return buf;
}

/* "NAME: key 1, key 2" of an object of numbers */
static void print_counters(const json_t *all, const char *name)
{
	json_t *o = json_object_get(all, name);
	const char *between = ":";
	void *it;
	char buf[32];

	(void)printf("%s", name);
	for (it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
		const char *key = json_object_iter_key(it);

		(void)printf("%s %s %s", between, key, number_at(o, key, buf));
		between = ",";
	}
	(void)printf("\n");
}

static void print_paths(const json_t *all)
{
	json_t *flows = json_object_get(all, "flows");
	const json_t *traffic = json_object_get(all, "traffic");
	static const char *const cols[] = { "bytes_in", "bytes_out",
					    "packets_in", "packets_out" };
	void *it = json_object_iter(flows);
	char buf[32];

	(void)printf("%-8s %8s %10s %15s %15s %12s %12s\n", "PATH", "OPEN",
		     "TOTAL", "BYTES IN", "BYTES OUT", "PACKETS IN",
		     "PACKETS OUT");
	for (; it; it = json_object_iter_next(flows, it)) {
		const char *path = json_object_iter_key(it);
		const json_t *f = json_object_iter_value(it);
		const json_t *t = json_object_get(traffic, path);

		(void)printf("%-8s %8s", path, number_at(f, "open", buf));
		(void)printf(" %10s", number_at(f, "total", buf));
		for (size_t i = 0; i < ARRAY_SIZE(cols); i++)
			(void)printf(" %*s", i < 2 ? 15 : 12,
				     number_at(t, cols[i], buf));
		(void)printf("\n");
	}
}

static void print_memory(const json_t *all)
{
	json_t *memory = json_object_get(all, "memory");
	void *it = json_object_iter(memory);
	char buf[32];

	(void)printf("\n%-12s %12s %12s\n", "MEMORY", "RSS", "PRIVATE");
	for (; it; it = json_object_iter_next(memory, it)) {
		const json_t *m = json_object_iter_value(it);

		(void)printf("%-12s %12s", json_object_iter_key(it),
			     number_at(m, "rss", buf));
		(void)printf(" %12s\n", number_at(m, "private", buf));
	}
}

static void print_stats(const json_t *all)
{
	const json_t *reason = json_object_get(all, "state_reason");

	if (json_is_string(reason))
		(void)printf("%s: %s\n\n", text_at(all, "state"),
			     json_string_value(reason));
	print_paths(all);
	(void)printf("\n");
	print_counters(all, "errors");
	print_counters(all, "dns");
	print_counters(all, "restarts");
	print_memory(all);
}

/* The columns of `flows`; numbers are right-aligned. */
static const struct column {
	const char *key, *title;
	bool number;
} columns[] = {
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

static const char *cell(const json_t *flow, const struct column *c,
			char buf[32])
{
	/* -1: the owner isn't known */
	if (strcmp(c->key, "uid") == 0 &&
	    json_integer_value(json_object_get(flow, c->key)) < 0)
		return "-";
	return c->number ? number_at(flow, c->key, buf) : text_at(flow, c->key);
}

static void print_flows(const json_t *all)
{
	const json_t *flows = json_object_get(all, "flows");
	size_t n = json_array_size(flows), width[ARRAY_SIZE(columns)];
	char buf[32];

	for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
		width[c] = strlen(columns[c].title);
		for (size_t i = 0; i < n; i++) {
			size_t w = strlen(cell(json_array_get(flows, i),
					       &columns[c], buf));

			if (w > width[c])
				width[c] = w;
		}
	}
	for (size_t i = 0; i <= n; i++) {
		for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
			const char *s = i ? cell(json_array_get(flows, i - 1),
						 &columns[c], buf)
					  : columns[c].title;

			(void)printf("%s%*s", c ? "  " : "",
				     columns[c].number ? (int)width[c]
						       : -(int)width[c],
				     s);
		}
		(void)printf("\n");
	}
}

/* Who didn't answer: said on stderr, the rest is good. */
static void warn_incomplete(const json_t *all)
{
	const json_t *list = json_object_get(all, "incomplete");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *who = json_string_value(json_array_get(list, i));

		log_warn("%s: no answer, its part is missing", who ? who : "?");
	}
}

static int show(char **argv, const char *about, void (*print)(const json_t *))
{
	struct stats_config cfg = { 0 };
	int rc = parse(&cfg, argv, about);
	json_t *all;

	if (rc)
		return rc > 0 ? 0 : STATUS_FAILED;
	all = control_ask(cfg.control, argv[0]);
	if (!all)
		return STATUS_FAILED;
	if (cfg.json) {
		(void)json_dumpf(all, stdout,
				 JSON_COMPACT | JSON_REAL_PRECISION(12));
		(void)printf("\n"); /* errors of both show in opt_flush() */
	} else {
		print(all);
	}
	warn_incomplete(all);
	json_decref(all);
	return opt_flush(stdout) ? STATUS_FAILED : 0;
}

int verb_stats(int argc, char **argv)
{
	(void)argc;
	return show(argv,
		    "Show the counters of a pod's network: flows, bytes, "
		    "errors, DNS, and the memory of the helper's processes.",
		    print_stats);
}

int verb_flows(int argc, char **argv)
{
	(void)argc;
	return show(argv,
		    "List the TCP connections in and out of a pod that "
		    "podsplice relays.",
		    print_flows);
}
