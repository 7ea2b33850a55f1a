// SPDX-License-Identifier: GPL-2.0-or-later
/* Options and messages of start, stop and rm; life.h does it. */
#include "setup/cli/verb_life.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/exit.h"
#include "setup/cli/config_run.h"
#include "setup/cli/life.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"

#define STOP_S_MAX 86400

static int set_time(void *target, const char *value)
{
	struct life *l = target;

	if (!parse_uint(value, 0, STOP_S_MAX, &l->seconds))
		return 0;
	log_error("--time %.32s: not seconds, 0 to %d", value, STOP_S_MAX);
	return -EINVAL;
}

static const struct opt stop_opts[] = {
	{ "time", 't', "SECONDS", "after which it is killed (10)", set_time },
};

const struct opt_table verb_stop_opts = { "Stop", stop_opts,
					  ARRAY_SIZE(stop_opts) };

static const struct opt rm_opts[] = {
	{ "force", 'f', NULL,
	  "stop it first if it runs; a name that isn't there is fine",
	  OPT_FLAG(struct life, force) },
};

const struct opt_table verb_rm_opts = { "Remove", rm_opts,
					ARRAY_SIZE(rm_opts) };

static int stop_one(const struct life *l, const char *name)
{
	int rc = life_stop(name, STATE_CONTAINER, l->seconds);

	return rc == -ENOENT ? lookup_none(name, STATE_CONTAINER) : rc;
}

static int rm_one(const struct life *l, const char *name)
{
	struct state_record rec;
	int rc;

	if (l->force) {
		rc = life_remove_by_force(name, STATE_CONTAINER);
		return rc == -ENOENT ? 0 : rc;
	}
	rc = lookup_quietly(name, STATE_CONTAINER, &rec);
	state_drop(&rec);
	if (!rc)
		rc = life_remove(name);
	if (rc == -EBUSY)
		log_error("%s: is running (podsplice stop %s, or rm -f)", name,
			  name);
	return rc == -ENOENT ? lookup_none(name, STATE_CONTAINER) : rc;
}

static int start_one(const struct life *l, const char *name)
{
	(void)l;
	return life_start(name, STATE_CONTAINER, true);
}

/* ---- the verbs ---- */

int verb_life(char **argv, const struct life_verb *verb)
{
	struct life l = { .seconds = LIFE_STOP_S };
	const struct opt_group groups[] = { { &config_global_opts, NULL },
					    { verb->opts, &l } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = verb->synopsis,
		.about = verb->about,
		.groups = groups,
		.n_groups = verb->opts ? 2 : 1,
	};
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (!*rest) {
		log_error("%s: which %s)", argv[0],
			  verb->kind == STATE_POD
				  ? "pod? (its NAME, as podsplice pod ls has it"
				  : "container? (its NAME, as podsplice ps -a "
				    "has it");
		return EXIT_OURS;
	}
	for (; *rest; rest++) {
		if (verb->one(&l, *rest))
			rc = EXIT_OURS;
		else if (!verb->silent)
			(void)printf("%s\n", *rest);
	}
	return rc || opt_flush(stdout) ? EXIT_OURS : 0;
}

int verb_start(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "NAME...",
		.about = "Run containers again that were made with run -d and "
			 "have ended, with the words they were made with.",
		.one = start_one,
		.silent = true,
	};

	(void)argc;
	return verb_life(argv, &verb);
}

int verb_stop(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "[-t SECONDS] NAME...",
		.about = "End containers: SIGTERM for the command, after a "
			 "while SIGKILL. One that has ended is fine.",
		.opts = &verb_stop_opts,
		.one = stop_one,
	};

	(void)argc;
	return verb_life(argv, &verb);
}

int verb_rm(int argc, char **argv)
{
	static const struct life_verb verb = {
		.synopsis = "[-f] NAME...",
		.about = "Remove containers that have ended, with their logs.",
		.opts = &verb_rm_opts,
		.one = rm_one,
	};

	(void)argc;
	return verb_life(argv, &verb);
}
