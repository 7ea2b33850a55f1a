// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a file for Kubernetes. They are refused with one reason, or what
 * is made of them keeps kube_parse.h's promises, has words, and is the same
 * when it was written and read. The first byte says whether it is lax.
 */
#include <stdio.h>

#include "netstack/base/log.h"
#include "setup/kube/kube_parse.h"
#include "setup/kube/kube_words.h"
#include "setup/kube/kube_write.h"
#include "setup/state/state.h"
#include "tests/fuzz/fuzz.h"

static void check_words(const struct kube_pod *pod,
			const struct kube_container *c)
{
	const struct kube_place place = { .scratch = "/scratch/" };
	struct kube_texts words = { 0 };

	check(kube_words_run(&words, pod, c, &place) == 0);
	for (size_t i = 0; i < words.n; i++)
		check(words.all[i] != NULL);
	check(words.n > c->command.n + c->args.n && !words.all[words.n]);
	kube_texts_drop(&words);
}

static void check_container(const struct kube_pod *pod,
			    const struct kube_container *c)
{
	check(kube_label_ok(c->name));
	check(strlen(pod->name) + 1 + strlen(c->name) <= STATE_NAME_MAX);
	check(c->command.n + c->args.n > 0);
	for (size_t i = 0; i < c->n_env; i++)
		check(c->env[i].name[0] && !strchr(c->env[i].name, '=') &&
		      c->env[i].value);
	for (size_t i = 0; i < c->n_ports; i++)
		check(c->ports[i].container);
	for (size_t i = 0; i < c->n_mounts; i++)
		check(c->mounts[i].volume < pod->n_volumes &&
		      c->mounts[i].path[0] == '/');
	check_words(pod, c);
}

static void check_pod(const struct kube_pod *pod)
{
	check(state_name_ok(pod->name) && pod->n_containers);
	for (size_t i = 0; i < pod->n_volumes; i++)
		check(kube_label_ok(pod->volumes[i].name));
	for (size_t i = 0; i < pod->n_init; i++)
		check_container(pod, &pod->init[i]);
	for (size_t i = 0; i < pod->n_containers; i++)
		check_container(pod, &pod->containers[i]);
}

/* Return: to be freed */
static char *write_text(const struct kube_pod *pod)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	check(f && kube_write(f, pod) == 0 && fclose(f) == 0);
	return text;
}

static void check_written(const struct kube_pod *pod)
{
	char *text = write_text(pod), *again;
	struct kube_file f;

	check(kube_parse(&f, text, strlen(text), "file", false) == 0);
	check(f.n_pods == 1);
	again = write_text(f.pods);
	check(strcmp(text, again) == 0);
	kube_file_drop(&f);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tape t = { data, size };
	bool lax = tape_u8(&t) & 1;
	char *text, why[256];
	struct kube_file f;

	size = t.left;
	text = (char *)tape_bytes(&t, &size);
	log_init(LOG_ERROR, 2);
	log_hold(why, sizeof(why));
	if (kube_parse(&f, text, size, "file", lax)) {
		check(why[0]);
	} else {
		check(f.n_pods && !why[0]);
		for (size_t i = 0; i < f.n_pods; i++) {
			check_pod(&f.pods[i]);
			check_written(&f.pods[i]);
		}
	}
	kube_file_drop(&f);
	log_hold(NULL, 0);
	free(text);
	return 0;
}
