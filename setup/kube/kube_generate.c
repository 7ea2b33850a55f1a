// SPDX-License-Identifier: GPL-2.0-or-later
/* See kube_generate.h; what there is, is known from the recipes. */
#include "setup/kube/kube_generate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/log.h"
#include "setup/cli/config_run.h"
#include "setup/cli/life.h"
#include "setup/cli/lookup.h"
#include "setup/cli/pods.h"
#include "setup/kube/kube_describe.h"
#include "setup/kube/kube_write.h"
#include "setup/state/recipe.h"
#include "setup/state/scratch.h"

/* A pod or container, read back. */
struct source {
	char name[STATE_NAME_MAX + 1];
	int64_t created_ms;
	struct recipe recipe; /* which the rest borrows from */
	struct run_config cfg;
};

static void source_drop(struct source *s)
{
	config_run_free(&s->cfg);
	recipe_drop(&s->recipe);
}

/* @s: zeroed, to be dropped also on failure. Return: 0 or -errno, logged */
static int source_read(struct source *s, const struct state_record *rec)
{
	int rc = recipe_load(rec->dir, &s->recipe);
	char **ours = environ;

	memcpy(s->name, rec->name, sizeof(s->name));
	s->created_ms = rec->created_ms;
	if (rc)
		return rc;
	if (chdir(s->recipe.cwd))
		return log_errno(errno, "%s: %s", rec->name, s->recipe.cwd);
	/* what it took of the caller's environment */
	environ = s->recipe.env;
	rc = life_parse(&s->recipe, rec->kind, &s->cfg) ? -EINVAL : 0;
	environ = ours;
	return rc;
}

static struct kube_made made_of(const struct source *s)
{
	return (struct kube_made){ s->name, &s->cfg, s->recipe.cwd };
}

static int by_creation(const void *a, const void *b)
{
	int64_t one = ((const struct source *)a)->created_ms;
	int64_t other = ((const struct source *)b)->created_ms;

	return (one > other) - (one < other);
}

/* Return: 0, 1: it has left or is none for a file; or -errno, logged */
static int read_member(struct source *s, const char *name)
{
	struct state_record rec;
	int rc = lookup_quietly(name, STATE_CONTAINER, &rec);

	if (rc == -ENOENT)
		return 1;
	if (!rc && (!rec.detached || rec.remove)) {
		log_warn("%s: not in the file, as it doesn't stay", name);
		rc = 1;
	}
	if (!rc)
		rc = source_read(s, &rec);
	state_drop(&rec);
	return rc;
}

/* The containers of a pod, the oldest first. */
struct sources {
	struct source *all; /* owned */
	size_t n;
};

/* @out: to be dropped also on failure. Return: 0 or -errno, logged */
static int sources_read(struct sources *out, const char *pod)
{
	struct pods_members m;
	int rc = pods_members(pod, &m);

	if (rc)
		return rc;
	out->all = calloc(m.n + 1, sizeof(*out->all));
	if (!out->all) {
		pods_members_drop(&m);
		return log_errno(ENOMEM, "%s", pod);
	}
	for (size_t i = 0; i < m.n && !rc; i++) {
		rc = read_member(&out->all[out->n], m.all[i].name);
		if (rc <= 0)
			out->n++;
		else
			rc = 0;
	}
	if (!rc)
		qsort(out->all, out->n, sizeof(*out->all), by_creation);
	pods_members_drop(&m);
	return rc;
}

static void sources_drop(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		source_drop(&s->all[i]);
	free(s->all);
}

static int describe(struct kube_pod *out, const struct source *pod,
		    const struct sources *members)
{
	struct kube_made made = made_of(pod);
	char scratch[PATH_MAX];
	int rc = scratch_path(pod->name, "", scratch);

	if (!rc)
		rc = kube_describe_pod(out, &made);
	for (size_t i = 0; i < members->n && !rc; i++) {
		struct kube_made one = made_of(&members->all[i]);

		rc = kube_describe_container(out, &made, &one, scratch);
	}
	if (rc || out->n_containers)
		return rc;
	log_error("%s: no containers, so it is none for a file (podsplice run "
		  "-d --pod %s)",
		  pod->name, pod->name);
	return -EINVAL;
}

int kube_generate(FILE *f, const char *name)
{
	struct sources members = { 0 };
	struct source pod = { 0 };
	struct kube_pod out = { 0 };
	struct state_record rec;
	int rc = lookup_find(name, STATE_POD, &rec);

	if (rc)
		return rc;
	rc = source_read(&pod, &rec);
	state_drop(&rec);
	if (!rc)
		rc = sources_read(&members, name);
	if (!rc)
		rc = describe(&out, &pod, &members);
	if (!rc)
		rc = kube_write(f, &out);
	kube_pod_drop(&out);
	sources_drop(&members);
	source_drop(&pod);
	return rc;
}
