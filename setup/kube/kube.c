// SPDX-License-Identifier: GPL-2.0-or-later
/* See kube.h. */
#include "setup/kube/kube.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"
#include "setup/cli/config_net.h"

const char *const kube_path_words[KUBE_PATH_N] = {
	[KUBE_PATH_ANY] = "",
	[KUBE_PATH_DIR] = "Directory",
	[KUBE_PATH_DIR_OR_MAKE] = "DirectoryOrCreate",
	[KUBE_PATH_FILE] = "File",
	[KUBE_PATH_FILE_OR_MAKE] = "FileOrCreate",
	[KUBE_PATH_SOCKET] = "Socket",
};

const char *const kube_restart_words[KUBE_RESTART_N] = {
	[KUBE_RESTART_ALWAYS] = "Always",
	[KUBE_RESTART_ON_FAILURE] = "OnFailure",
	[KUBE_RESTART_NEVER] = "Never",
};

bool kube_label_ok(const char *s)
{
	static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strlen(s);

	return len && len <= KUBE_LABEL_MAX && strspn(s, inner) == len &&
	       s[0] != '-' && s[len - 1] != '-';
}

int kube_texts_take(struct kube_texts *t, char *text)
{
	char **all;

	if (!text)
		return log_errno(ENOMEM, "kube");
	all = config_grow(t->all, t->n, sizeof(*all));
	if (!all) {
		free(text);
		return -ENOMEM;
	}
	t->all = all;
	all[t->n++] = text;
	return 0;
}

void kube_texts_drop(struct kube_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->all[i]);
	free(t->all);
	*t = (struct kube_texts){ 0 };
}

static void container_drop(struct kube_container *c)
{
	for (size_t i = 0; i < c->n_env; i++) {
		free(c->env[i].name);
		free(c->env[i].value);
	}
	for (size_t i = 0; i < c->n_mounts; i++)
		free(c->mounts[i].path);
	free(c->env);
	free(c->ports);
	free(c->mounts);
	kube_texts_drop(&c->command);
	kube_texts_drop(&c->args);
	free(c->name);
	free(c->image);
	free(c->workdir);
}

static void containers_drop(struct kube_container *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		container_drop(&all[i]);
	free(all);
}

void kube_pod_drop(struct kube_pod *pod)
{
	containers_drop(pod->init, pod->n_init);
	containers_drop(pod->containers, pod->n_containers);
	for (size_t i = 0; i < pod->n_volumes; i++) {
		free(pod->volumes[i].name);
		free(pod->volumes[i].path);
	}
	free(pod->volumes);
	kube_texts_drop(&pod->nameservers);
	kube_texts_drop(&pod->searches);
	free(pod->name);
	free(pod->hostname);
	*pod = (struct kube_pod){ 0 };
}

void kube_file_drop(struct kube_file *file)
{
	for (size_t i = 0; i < file->n_pods; i++)
		kube_pod_drop(&file->pods[i]);
	free(file->pods);
	*file = (struct kube_file){ 0 };
}
