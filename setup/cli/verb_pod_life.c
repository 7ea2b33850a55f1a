// SPDX-License-Identifier: GPL-2.0-or-later
/* pod create, start, stop and rm: pods.h does it. */
#include <errno.h>

#include "setup/base/exit.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/pods.h"
#include "setup/cli/run.h"
#include "setup/cli/verb_life.h"
#include "setup/cli/verb_pod.h"

int verb_pod_create(int argc, char **argv)
{
	struct run_config cfg = { 0 };
	int rc = config_pod_parse(&cfg, argv + 1);

	(void)argc;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	rc = run_main(&cfg);
	config_run_free(&cfg);
	return rc;
}

static int start_one(const struct life *l, const char *name)
{
	(void)l;
	return pods_start(name);
}

int verb_pod_start(int argc, char **argv)
{
	static const struct life_verb verb = {
		.kind = STATE_POD,
		.synopsis = "POD...",
		.about = "Make pods again that were stopped, with their ports, "
			 "and start those of their containers that don't run.",
		.one = start_one,
		.silent = true,
	};

	(void)argc;
	return verb_life(argv, &verb);
}

static int stop_one(const struct life *l, const char *name)
{
	int rc = pods_stop(name, l->seconds);

	return rc == -ENOENT ? lookup_none(name, STATE_POD) : rc;
}

int verb_pod_stop(int argc, char **argv)
{
	static const struct life_verb verb = {
		.kind = STATE_POD,
		.synopsis = "[-t SECONDS] POD...",
		.about = "End the containers of pods, the one that was started "
			 "last first, and the pods. One that is stopped is "
			 "fine.",
		.opts = &verb_stop_opts,
		.one = stop_one,
	};

	(void)argc;
	return verb_life(argv, &verb);
}

static int rm_one(const struct life *l, const char *name)
{
	return pods_remove(name, l->force);
}

int verb_pod_rm(int argc, char **argv)
{
	static const struct life_verb verb = {
		.kind = STATE_POD,
		.synopsis = "[-f] POD...",
		.about = "Remove pods that are stopped, with their containers "
			 "and logs.",
		.opts = &verb_rm_opts,
		.one = rm_one,
	};

	(void)argc;
	return verb_life(argv, &verb);
}
