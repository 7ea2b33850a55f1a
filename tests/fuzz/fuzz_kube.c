// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a file for Kubernetes. They are refused with one reason, or what
 * is made of them keeps kube_parse.h's promises. The first byte says whether it
 * is lax.
 */
#include "netstack/base/log.h"
#include "setup/kube/kube_parse.h"
#include "setup/state/state.h"
#include "tests/fuzz/fuzz.h"

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
		for (size_t i = 0; i < f.n_pods; i++)
			check_pod(&f.pods[i]);
	}
	kube_file_drop(&f);
	log_hold(NULL, 0);
	free(text);
	return 0;
}
