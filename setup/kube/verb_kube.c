// SPDX-License-Identifier: GPL-2.0-or-later
/* Options and messages of kube play, down and generate. */
#include "setup/kube/verb_kube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_net.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"
#include "setup/kube/kube_generate.h"
#include "setup/kube/kube_load.h"
#include "setup/kube/kube_play.h"

/* The only word of @rest; NULL: there isn't just one, which is logged */
static const char *only(const char *verb, char *const *rest, const char *what)
{
	if (rest[0] && !rest[1])
		return rest[0];
	log_error("%s: one %s, please (see podsplice %s --help)", verb, what,
		  verb);
	return NULL;
}

/* ---- play ---- */

struct play_opts {
	bool lax;
	struct kube_images images;
};

static int add_image(void *target, const char *value)
{
	struct kube_images *images = &((struct play_opts *)target)->images;
	const char *dir = strchr(value, '=');
	const char **all;

	if (!dir || dir == value || !dir[1]) {
		log_error("--image %.200s: not NAME=DIR", value);
		return -EINVAL;
	}
	all = config_grow(images->all, images->n, sizeof(*all));
	if (!all)
		return -ENOMEM;
	images->all = all;
	all[images->n++] = value;
	return 0;
}

static const struct opt play_opts[] = {
	{ "image", 0, "NAME=DIR",
	  "the directory that image NAME is, as --rootfs takes it; may be "
	  "repeated",
	  add_image },
	{ "lax", 0, NULL,
	  "leave out what is not supported, with a warning (refuse it)",
	  OPT_FLAG(struct play_opts, lax) },
};

const struct opt_table verb_kube_play_opts = { "Play", play_opts,
					       ARRAY_SIZE(play_opts) };

static int play(const struct play_opts *o, const char *path)
{
	struct kube_file file;
	int rc = kube_load(&file, path, o->lax);

	if (!rc)
		rc = kube_play(&file, &o->images);
	for (size_t i = 0; i < file.n_pods && !rc; i++)
		(void)printf("%s\n", file.pods[i].name);
	kube_file_drop(&file);
	return rc;
}

int verb_kube_play(int argc, char **argv)
{
	struct play_opts o = { 0 };
	const struct opt_group groups[] = { { &verb_kube_play_opts, &o },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[--lax] [--image NAME=DIR]... FILE",
		.about = "Make the pods of a file of Kubernetes' (YAML; - for "
			 "stdin) and start their containers, then print the "
			 "pods' names. All of them are made or none.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	const char *path = NULL;
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	(void)argc;
	if (!rc)
		path = only(argv[0], rest, "FILE");
	if (path)
		rc = play(&o, path);
	free(o.images.all);
	if (rc > 0)
		return 0;
	return !path || rc || opt_flush(stdout) ? EXIT_OURS : 0;
}

/* ---- down, generate ---- */

/* A verb of one word, @what. Return: the exit status */
static int verb_of_one(char **argv, const char *what, const char *about,
		       int (*fn)(const char *word))
{
	const struct opt_group groups[] = { { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = what,
		.about = about,
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	const char *word;
	char **rest;
	int rc = opt_parse(&cmd, argv + 1, &rest);

	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	word = only(argv[0], rest, what);
	return !word || fn(word) || opt_flush(stdout) ? EXIT_OURS : 0;
}

static int down(const char *path)
{
	struct kube_texts names;
	int rc = kube_load_names(&names, path);

	if (!rc)
		rc = kube_down(&names);
	kube_texts_drop(&names);
	return rc;
}

int verb_kube_down(int argc, char **argv)
{
	(void)argc;
	return verb_of_one(argv, "FILE",
			   "Stop and remove the pods that are in a file, with "
			   "their containers and empty directories. One that "
			   "isn't there is fine.",
			   down);
}

static int generate(const char *pod)
{
	return kube_generate(stdout, pod);
}

int verb_kube_generate(int argc, char **argv)
{
	(void)argc;
	return verb_of_one(argv, "POD",
			   "Print the file that podsplice kube play makes this "
			   "pod of, and its containers in the background. What "
			   "such a file can't say is told on stderr.",
			   generate);
}
