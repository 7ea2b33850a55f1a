// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The only main(): from argv to a verb.
 *
 * Global options come first and end at the verb; the rest is the verb's own.
 * Verbs are a table, so that help, hints for mistyped ones and the hidden verbs
 * of tests and benchmarks need no code. A verb gets its name as argv[0] and
 * returns the exit status; nothing below it calls exit().
 *
 * Descriptors 0, 1 and 2 are made sure of before anything else: a socket that
 * happened to become number 1 would be sent what is meant for stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"
#include "bench/sample.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/stack.h"
#include "setup/config.h"
#include "setup/doctor.h"
#include "setup/opt.h"
#include "setup/supervisor.h"
#include "setup/uplink_verb.h"
#include "setup/verb_stats.h"
#include "version.h"

/* podsplice itself failed, as podman has it */
#define EXIT_OURS 125

struct verb {
	const char *name;
	const char *synopsis;		  /* for the list in --help */
	bool hidden;			  /* not in the list */
	int (*fn)(int argc, char **argv); /* Return: the exit status */
};

static int verb_run(int argc, char **argv)
{
	struct run_config cfg;
	int rc = config_run_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = supervisor_run(&cfg);
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
	rc = uplink_run(&cfg);
	config_uplink_free(&cfg);
	return rc;
}

static int verb_help(int argc, char **argv);

static const struct verb verbs[] = {
	{ "run", "run a command in a pod of its own", false, verb_run },
	{ "stats", "show the counters of a pod's network", false, verb_stats },
	{ "flows", "list a pod's connections", false, verb_flows },
	{ "uplink", "give an existing network namespace its network", false,
	  verb_uplink },
	{ "doctor", "tell what works on this machine", false, verb_doctor },
	{ "help", "print the help of a verb", false, verb_help },
	{ "bench-load", NULL, true, bench_load_main },
	{ "bench-sample", NULL, true, bench_sample_main },
};

/* In the manual's plan, not in this version. */
static const char *const later_verbs[] = {
	"bench", "exec", "forward", "kube",  "logs", "pod",
	"port",	 "ps",	 "rm",	    "start", "stop",
};

/* What main()'s own options ask for. */
struct main_opts {
	bool version;
};

static int set_version(void *target, const char *value)
{
	struct main_opts *opts = target;

	(void)value;
	opts->version = true;
	return 0;
}

static const struct opt main_opts[] = {
	{ "version", 'V', NULL, "print the version", set_version },
};

static const struct opt_table main_table = { "Other", main_opts,
					     ARRAY_SIZE(main_opts) };

static int print_version(void)
{
	(void)printf("podsplice %s\nlibslirp %s\n", PODSPLICE_VERSION,
		     stack_version());
	return opt_flush(stdout) ? EXIT_OURS : 0;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *near = NULL;
	unsigned int best = UINT32_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(later_verbs); i++) {
		if (strcmp(later_verbs[i], name) != 0)
			continue;
		log_error("%s: not supported yet in this version (see "
			  "podsplice --help)",
			  name);
		return EXIT_OURS;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		unsigned int d = opt_distance(name, verbs[i].name);

		if (verbs[i].hidden || d >= best ||
		    !opt_is_near(name, verbs[i].name, d))
			continue;
		best = d;
		near = verbs[i].name;
	}
	log_error("%.64s: no such verb%s%s%s (see podsplice --help)", name,
		  near ? ", did you mean '" : "", near ? near : "",
		  near ? "'?" : "");
	return EXIT_OURS;
}

static int call_verb(char **argv)
{
	const struct verb *verb = find_verb(argv[0]);
	int argc = 0;

	if (!verb)
		return unknown_verb(argv[0]);
	while (argv[argc])
		argc++;
	return verb->fn(argc, argv);
}

static void list_verbs(FILE *f)
{
	(void)fprintf(f, "\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!verbs[i].hidden)
			(void)fprintf(f, "  %-10s%s\n", verbs[i].name,
				      verbs[i].synopsis);
}

/* Return: as opt_parse() */
static int parse_globals(char **argv, struct main_opts *opts, char ***rest)
{
	const struct opt_group groups[] = { { &config_global_opts, NULL },
					    { &main_table, opts } };
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
	char help[] = "--help", *words[] = { help, NULL, NULL }, **rest;
	struct main_opts opts = { 0 };

	if (argc > 2) {
		log_error("help: one verb at a time (podsplice help VERB)");
		return EXIT_OURS;
	}
	if (argc < 2 || strcmp(argv[1], "help") == 0)
		return parse_globals(words, &opts, &rest) == 1 ? 0 : EXIT_OURS;
	words[0] = argv[1];
	words[1] = help;
	return call_verb(words);
}

/*
 * A standard descriptor that is closed becomes one that fails to be used, as
 * it did before: /dev/null, opened the wrong way round.
 */
static int hold_std_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* the lowest free number, so it is @fd; no CLOEXEC: like 0-2 */
		if (open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return log_errno(errno, "open /dev/null");
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct main_opts opts = { 0 };
	char **rest;
	int rc;

	if (hold_std_fds())
		return EXIT_OURS;
	/*
	 * Personalities: a program that behaves as another one is chosen here,
	 * by the last part of argv[0], before any option of ours is looked at.
	 */
	rc = argc > 0 ? parse_globals(argv + 1, &opts, &rest) : -EINVAL;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (opts.version)
		return print_version();
	if (!*rest) {
		log_error("no verb given (see podsplice --help)");
		return EXIT_OURS;
	}
	return call_verb(rest);
}
