// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What measures is written in Python, as nothing of it has to be fast: the
 * options are read here, like those of any verb, and handed on one by one as
 * --name=value. bench.py knows the rows and the peers, so it is what judges
 * the values.
 *
 * The programs are beside a binary that was built and not installed, as they
 * are in the build directory, else where they get installed.
 */
#include "setup/cli/verb_bench.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/exit.h"
#include "setup/base/idmap.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"

#define PROGRAM "bench.py"

struct bench_config {
	bool quick, full, smoke, list;
	const char *only, *against, *baseline, *rounds, *seconds, *calm,
		*congestion;
	const char *json, *plot, *report;
};

/* A value for bench.py to judge. */
#define SETTER(member)                                                         \
	static int set_##member(void *target, const char *value)               \
	{                                                                      \
		((struct bench_config *)target)->member = value;               \
		return 0;                                                      \
	}

SETTER(only)
SETTER(against)
SETTER(baseline)
SETTER(rounds)
SETTER(seconds)
SETTER(calm)
SETTER(congestion)

static const struct opt opts[] = {
	{ "against", 0, "PEER,...",
	  "the baseline, podsplice and these, or all (the usual ones)",
	  set_against },
	{ "baseline", 0, "PEER", "what ratios are relative to (native)",
	  set_baseline },
	{ "calm", 0, "PERCENT",
	  "wait before each measurement, a minute at most, until others use no "
	  "more of the machine, and repeat what they disturb (don't)",
	  set_calm },
	{ "congestion", 0, "NAME",
	  "the congestion control to ask for (cubic); what was in use is "
	  "printed",
	  set_congestion },
	{ "full", 0, NULL, "all rows, in less than 30 minutes",
	  OPT_FLAG(struct bench_config, full) },
	{ "json", 0, "FILE", "write each figure there, as a line of JSON",
	  OPT_PATH(struct bench_config, json) },
	{ "list", 0, NULL, "print the rows and the peers, and measure nothing",
	  OPT_FLAG(struct bench_config, list) },
	{ "only", 0, "ROW,...",
	  "these rows; what is no row's name stands for all that begin with it",
	  set_only },
	{ "plot", 0, "DIR",
	  "write charts by gnuplot there, as SVG and PNG, with their data and "
	  "scripts",
	  OPT_PATH(struct bench_config, plot) },
	{ "quick", 0, NULL,
	  "four rows and four peers in less than a minute; so it is without "
	  "--only, too",
	  OPT_FLAG(struct bench_config, quick) },
	{ "report", 0, "FILE", "write a report in HTML there",
	  OPT_PATH(struct bench_config, report) },
	{ "rounds", 0, "N", "measure so often (5)", set_rounds },
	{ "seconds", 0, "S", "each measurement's time (2)", set_seconds },
	{ "smoke", 0, NULL, "all rows for a moment: does each give a figure?",
	  OPT_FLAG(struct bench_config, smoke) },
};

const struct opt_table verb_bench_opts = { "Bench", opts, ARRAY_SIZE(opts) };

/* Is there an option of what is measured, and how? */
static bool measures(const struct bench_config *cfg)
{
	return cfg->quick || cfg->full || cfg->smoke || cfg->list ||
	       cfg->only || cfg->against || cfg->baseline || cfg->rounds ||
	       cfg->seconds || cfg->calm || cfg->congestion || cfg->json;
}

/* Return: 0 or -EINVAL, logged */
static int check_arguments(const struct bench_config *cfg, char **rest)
{
	bool show = strcmp(rest[0], "show") == 0;
	size_t n = 0;

	if (!show && strcmp(rest[0], "compare") != 0) {
		log_error("bench %.64s: takes no arguments but 'show FILE' "
			  "and 'compare OLD NEW'",
			  rest[0]);
		return -EINVAL;
	}
	while (rest[n])
		n++;
	if (n != (show ? 2 : 3)) {
		log_error("bench %s", show ? "show: one file, FILE"
					   : "compare: two files, OLD and NEW");
		return -EINVAL;
	}
	if (measures(cfg) || (!show && (cfg->report || cfg->plot))) {
		log_error("bench %s", show ? "show: no option but --report "
					     "and --plot"
					   : "compare: no options");
		return -EINVAL;
	}
	return 0;
}

/* Return: 0 or -EINVAL, logged */
static int check(const struct bench_config *cfg, char **rest)
{
	if (cfg->quick + cfg->full + cfg->smoke + cfg->list > 1) {
		log_error(
			"bench: one of --quick, --full, --smoke and --list, not several");
		return -EINVAL;
	}
	return rest[0] ? check_arguments(cfg, rest) : 0;
}

/* The path of this binary. Return: 0 or -errno, logged */
static int find_self(char buf[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", buf, PATH_MAX - 1);

	if (len < 0)
		return log_errno(errno, "readlink /proc/self/exe");
	buf[len] = '\0';
	return 0;
}

/*
 * Who made the binary has made that, too? Beside one that somebody copied to a
 * folder of /tmp, anybody can put what they like.
 */
static bool same_owner(const char *self, const char *program)
{
	struct stat a, b;

	return stat(self, &a) == 0 && stat(program, &b) == 0 &&
	       a.st_uid == b.st_uid;
}

/* Return: 0 or -ENOENT, logged */
static int find_program(const char *self, char buf[PATH_MAX])
{
	const char *slash = strrchr(self, '/');
	int len = snprintf(buf, PATH_MAX, "%.*s/../bench/" PROGRAM,
			   (int)(slash - self), self);

	if (len < PATH_MAX && access(buf, R_OK) == 0 && same_owner(self, buf))
		return 0;
	(void)snprintf(buf, PATH_MAX, "%s", BENCH_DIR "/" PROGRAM);
	if (access(buf, R_OK) == 0)
		return 0;
	log_error("bench: %s: %s (meson install, or run the binary where it "
		  "was built)",
		  buf, strerror(errno));
	return -ENOENT;
}

/* The command line of the program, in memory that is never released. */
struct words {
	char *argv[32];
	size_t n;
};

static void add(struct words *w, const char *word)
{
	/* execvp() doesn't write to it */
	w->argv[w->n++] = (char *)(uintptr_t)word;
}

/* Return: 0 or -errno, logged */
static int add_options(struct words *w, const struct bench_config *cfg)
{
	const char *preset = cfg->quick	  ? "quick"
			     : cfg->full  ? "full"
			     : cfg->smoke ? "smoke"
			     : cfg->list  ? "list"
					  : NULL;
	const struct {
		const char *name, *value;
	} all[] = {
		{ "preset", preset },	     { "only", cfg->only },
		{ "against", cfg->against }, { "baseline", cfg->baseline },
		{ "rounds", cfg->rounds },   { "seconds", cfg->seconds },
		{ "calm", cfg->calm },	     { "congestion", cfg->congestion },
		{ "json", cfg->json },	     { "report", cfg->report },
		{ "plot", cfg->plot },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char *word;

		if (!all[i].value)
			continue;
		if (asprintf(&word, "--%s=%s", all[i].name, all[i].value) < 0)
			return log_errno(ENOMEM, "bench");
		add(w, word);
	}
	return 0;
}

/* Return: only if that failed, -errno, logged */
static int become(const struct bench_config *cfg, char **rest)
{
	char self[PATH_MAX], program[PATH_MAX];
	struct words w = { 0 };
	int rc = find_self(self);

	if (!rc)
		rc = find_program(self, program);
	if (rc)
		return rc;
	/* nothing of the caller's Python settings, and no files in its folder
	 */
	add(&w, "python3");
	add(&w, "-EsB");
	add(&w, program);
	rc = add_options(&w, cfg);
	if (rc)
		return rc;
	for (; *rest; rest++)
		add(&w, *rest);
	if (setenv("PODSPLICE", self, 1))
		return log_errno(errno, "setenv");
	(void)execvp(w.argv[0], w.argv);
	log_error("bench: python3: %s (install the package python3)",
		  strerror(errno));
	return -errno;
}

int verb_bench(int argc, char **argv)
{
	struct bench_config cfg = { 0 };
	const struct opt_group groups[] = { { &verb_bench_opts, &cfg },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[--quick|--full|--smoke] [OPTION]... | "
			    "show [--report FILE] [--plot DIR] FILE | "
			    "compare OLD NEW",
		.about =
			"Measure rootless networking on this machine, side by "
			"side: podsplice, its peers, and no helper. `show` "
			"prints the tables of a file of --json, and makes a report or charts of it; "
			"`compare` tells what changed between two of them.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (rc > 0)
		return 0;
	if (!rc && !check(&cfg, rest))
		(void)become(&cfg, rest);
	return EXIT_OURS;
}

int verb_bench_map(int argc, char **argv)
{
	uint64_t pid;
	char c;

	if (argc != 2 || parse_uint(argv[1], 1, INT_MAX, &pid))
		return EXIT_OURS;
	(void)!read(STDIN_FILENO, &c, 1); /* its end is as good */
	return idmap_from_outside((pid_t)pid) ? EXIT_OURS : 0;
}
