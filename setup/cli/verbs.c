// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of verbs.
 *
 * Help, hints for mistyped verbs, completions and the hidden verbs of tests
 * and benchmarks need no code of their own. A verb gets its name as argv[0]
 * (both words of it) and returns the exit status; nothing below it calls
 * exit(). A verb's tables are here once more, beside its own call of
 * opt_parse(): a test compares them with the help that the verb prints.
 */
#include "setup/cli/verbs.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bench/load.h"
#include "bench/sample.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/complete.h"
#include "setup/cli/config_files.h"
#include "setup/cli/config_net.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"
#include "setup/cli/config_uplink.h"
#include "setup/cli/doctor.h"
#include "setup/cli/forward_verb.h"
#include "setup/cli/run.h"
#include "setup/cli/uplink_verb.h"
#include "setup/cli/verb_bench.h"
#include "setup/cli/verb_exec.h"
#include "setup/cli/verb_life.h"
#include "setup/cli/verb_logs.h"
#include "setup/cli/verb_pod.h"
#include "setup/cli/verb_port.h"
#include "setup/cli/verb_ps.h"
#include "setup/cli/verb_stats.h"
#include "setup/kube/verb_kube.h"
#include "setup/personality/personality.h"

static int verb_run(int argc, char **argv)
{
	struct run_config cfg;
	int rc = config_run_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = run_main(&cfg);
	config_run_free(&cfg);
	return rc;
}

static int verb_uplink(int argc, char **argv)
{
	struct uplink_config cfg;
	int rc = config_uplink_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = manager_take(&cfg.net.manager) ? EXIT_OURS : uplink_run(&cfg);
	config_uplink_free(&cfg);
	return rc;
}

static int verb_forward(int argc, char **argv)
{
	struct forward_config cfg;
	int rc = config_forward_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = manager_take(&cfg.net.manager) ? EXIT_OURS : forward_run(&cfg);
	config_forward_free(&cfg);
	return rc;
}

static int verb_help(int argc, char **argv);

#define TABLES(...)                                                            \
	(const struct opt_table *const[])                                      \
	{                                                                      \
		__VA_ARGS__, &config_global_opts, NULL                         \
	}

const struct verb verbs[] = {
	{ "run", "run a command in a pod of its own", verb_run,
	  TABLES(&config_run_opts, &config_files_opts, &config_net_opts),
	  VERB_COMMAND },
	{ "exec", "run another command in a running container", verb_exec,
	  TABLES(&config_exec_opts), VERB_CONTAINER_COMMAND },
	{ "stats", "show the counters of a pod's network", verb_stats,
	  TABLES(&verb_query_opts, &verb_stats_opts), VERB_CONTAINER },
	{ "flows", "list a pod's connections", verb_flows,
	  TABLES(&verb_query_opts), VERB_CONTAINER },
	{ "uplink", "give an existing network namespace its network",
	  verb_uplink, TABLES(&config_uplink_opts, &config_net_opts),
	  VERB_NETNS },
	{ "forward", "forward ports to a process, a namespace or an address",
	  verb_forward, TABLES(&config_forward_opts), VERB_TARGET },
	{ "bench", "measure rootless networking side by side", verb_bench,
	  TABLES(&verb_bench_opts), VERB_BENCH },
	{ "doctor", "tell what works on this machine", verb_doctor,
	  TABLES(&doctor_opts), VERB_NO_ARGS },
	{ "kube down", "remove the pods of a file", verb_kube_down,
	  (const struct opt_table *const[]){ &config_global_opts, NULL },
	  VERB_FILE },
	{ "kube generate", "write the file of a pod", verb_kube_generate,
	  (const struct opt_table *const[]){ &config_global_opts, NULL },
	  VERB_POD },
	{ "kube play", "make the pods of a file", verb_kube_play,
	  TABLES(&verb_kube_play_opts), VERB_FILE },
	{ "logs", "print the output of a detached container", verb_logs,
	  TABLES(&verb_logs_opts), VERB_CONTAINER },
	{ "pod create", "make a pod for containers", verb_pod_create,
	  TABLES(&config_pod_opts, &config_net_opts), VERB_NO_ARGS },
	{ "pod inspect", "tell all about a pod", verb_pod_inspect,
	  TABLES(&verb_pod_inspect_opts), VERB_POD },
	{ "pod ls", "list pods", verb_pod_ls, TABLES(&verb_pod_ls_opts),
	  VERB_NO_ARGS },
	{ "pod rm", "remove pods with their containers", verb_pod_rm,
	  TABLES(&verb_rm_opts), VERB_PODS },
	{ "pod start", "start pods and their containers", verb_pod_start,
	  (const struct opt_table *const[]){ &config_global_opts, NULL },
	  VERB_PODS },
	{ "pod stop", "end pods and their containers", verb_pod_stop,
	  TABLES(&verb_stop_opts), VERB_PODS },
	{ "port", "list or change the published ports of a pod", verb_port,
	  TABLES(&verb_port_opts), VERB_CONTAINER },
	{ "ps", "list containers", verb_ps, TABLES(&verb_ps_opts),
	  VERB_NO_ARGS },
	{ "rm", "remove containers", verb_rm, TABLES(&verb_rm_opts),
	  VERB_CONTAINERS },
	{ "start", "run containers again that have ended", verb_start,
	  (const struct opt_table *const[]){ &config_global_opts, NULL },
	  VERB_CONTAINERS },
	{ "stop", "end containers", verb_stop, TABLES(&verb_stop_opts),
	  VERB_CONTAINERS },
	{ "help", "print the help of a verb", verb_help,
	  (const struct opt_table *const[]){ &config_global_opts, NULL },
	  VERB_VERB },
	{ "complete", NULL, complete_main, NULL, VERB_NO_ARGS },
	{ "bench-load", NULL, bench_load_main, NULL, VERB_NO_ARGS },
	{ "bench-map", NULL, verb_bench_map, NULL, VERB_NO_ARGS },
	{ "bench-sample", NULL, bench_sample_main, NULL, VERB_NO_ARGS },
	{ NULL },
};

/* The first words of verbs that have two. */
static const struct {
	const char *word, *about;
} verb_groups[] = {
	{ "kube", "make pods of Kubernetes' files" },
	{ "pod", "make and manage pods" },
};

static int set_version(void *target, const char *value)
{
	bool *version = target;

	(void)value;
	*version = true;
	return 0;
}

static const struct opt other_opts[] = {
	{ "version", 'V', NULL, "print the version", set_version },
};

static const struct opt_table other_table = { "Other", other_opts,
					      ARRAY_SIZE(other_opts) };

const struct opt_table *const verbs_globals[] = { &config_global_opts,
						  &other_table, NULL };

const struct verb *verbs_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const char *verbs_group(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(verb_groups); i++)
		if (strcmp(verb_groups[i].word, word) == 0)
			return verb_groups[i].about;
	return NULL;
}

const char *verbs_second(const struct verb *verb, const char *group)
{
	size_t len = strlen(group);

	return strncmp(verb->name, group, len) == 0 && verb->name[len] == ' '
		       ? verb->name + len + 1
		       : NULL;
}

const struct verb *verbs_match(char *const *words, size_t n, size_t *taken)
{
	char name[64];

	*taken = n > 0 && verbs_group(words[0]) ? 2 : 1;
	if (n < *taken)
		return NULL;
	if (*taken == 1)
		return verbs_find(words[0]);
	(void)snprintf(name, sizeof(name), "%.31s %.31s", words[0], words[1]);
	return verbs_find(name);
}

/* All of them, or those whose first word is @group. */
static void print_verbs(FILE *f, const char *group)
{
	(void)fprintf(f, "\nVerbs:\n");
	for (const struct verb *v = verbs; v->name; v++)
		if (group ? verbs_second(v, group) : v->synopsis)
			(void)fprintf(f, "  %-15s%s\n", v->name, v->synopsis);
}

static void list_verbs(FILE *f)
{
	print_verbs(f, NULL);
}

static int group_help(const char *group)
{
	(void)printf("Usage: podsplice %s VERB [OPTION]... [ARG]...\n\n"
		     "podsplice %s VERB --help tells about a verb.\n",
		     group, group);
	print_verbs(stdout, group);
	return opt_flush(stdout) ? EXIT_OURS : 0;
}

/* The second word is missing or unknown. */
static int unknown_in_group(const char *group, const char *word)
{
	char list[128] = "";
	size_t at = 0;

	for (const struct verb *v = verbs; v->name; v++) {
		const char *second = verbs_second(v, group);

		if (second && at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at,
					       "%s%s", at ? ", " : "", second);
	}
	if (word)
		log_error("%s %.64s: no such verb (%s)", group, word, list);
	else
		log_error("%s: which verb? (%s)", group, list);
	return EXIT_OURS;
}

static int unknown_verb(const char *name)
{
	const char *near = NULL;
	unsigned int best = UINT32_MAX;

	for (const struct verb *v = verbs; v->name; v++) {
		unsigned int d = opt_distance(name, v->name);

		if (!v->synopsis || d >= best || !opt_is_near(name, v->name, d))
			continue;
		best = d;
		near = v->name;
	}
	log_error("%.64s: no such verb%s%s%s (see podsplice --help)", name,
		  near ? ", did you mean '" : "", near ? near : "",
		  near ? "'?" : "");
	return EXIT_OURS;
}

static bool wants_help(const char *word)
{
	return word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
}

int verbs_call(char **argv)
{
	const struct verb *verb;
	personality_fn fn;
	size_t argc = 0, taken;

	while (argv[argc])
		argc++;
	verb = verbs_match(argv, argc, &taken);
	if (!verb && verbs_group(argv[0]))
		return wants_help(argv[1]) ? group_help(argv[0])
					   : unknown_in_group(argv[0], argv[1]);
	fn = verb ? verb->fn : personality_find(argv[0]);
	if (!fn)
		return unknown_verb(argv[0]);
	argv += taken - 1;
	/* whoever reads it doesn't write to it */
	if (verb)
		argv[0] = (char *)(uintptr_t)verb->name;
	return fn((int)(argc - (taken - 1)), argv);
}

int verbs_globals_parse(char **argv, bool *version, char ***rest)
{
	const struct opt_group groups[] = { { verbs_globals[0], NULL },
					    { verbs_globals[1], version } };
	const struct opt_cmd cmd = {
		.synopsis = "[OPTION]... VERB [ARG]...",
		.about = "Rootless pods with the network of the host. "
			 "podsplice VERB --help tells about a verb.",
		.list = list_verbs,
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
		.first_ends = true,
	};

	return opt_parse(&cmd, argv, rest);
}

/* help, help VERB */
static int verb_help(int argc, char **argv)
{
	const struct opt_group groups[] = { { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[VERB]",
		.about = "Print the help of VERB, or the list of verbs.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char help[] = "--help", *words[] = { help, NULL, NULL, NULL }, **rest;
	size_t n = 0, taken = 1;
	bool version = false;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	while (rest[n])
		n++;
	(void)verbs_match(rest, n, &taken);
	if (n > taken) {
		log_error("help: one verb at a time (podsplice help VERB)");
		return EXIT_OURS;
	}
	if (!rest[0])
		return verbs_globals_parse(words, &version, &rest) == 1
			       ? 0
			       : EXIT_OURS;
	words[0] = rest[0];
	words[1] = n > 1 ? rest[1] : help;
	words[2] = n > 1 ? help : NULL;
	return verbs_call(words);
}
