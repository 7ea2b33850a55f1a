/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The config.json of an OCI bundle, and what has to be said in it for a runtime
 * that is started in a pod, without power over anything of the host's. Nothing
 * here looks at a file.
 */

#include <stdbool.h>

#include <jansson.h>

#include "setup/base/config.h"

struct bundle_want {
	const char *dir;  /* of the bundle, absolute */
	const char *home; /* where the texts are: resolv.conf, hosts */
	/* what the command line has: argv, if any, -e, -w, -u, -v, -t */
	const struct run_config *run;
};

/**
 * bundle_rewrite() - for a container of a pod
 * @config: any JSON
 *
 * What is the pod's is left out: namespaces of network, ipc, uts and user, id
 * mappings, the host name, cgroups. What a pod can't give is refused by its
 * name; limits of cgroups are left out with a warning.
 * What is there then: process.args, an array of words, not empty; process.cwd
 * and root.path, absolute paths; linux.namespaces and mounts, arrays of
 * objects.
 *
 * Return: 0 or -errno with one line logged
 */
int bundle_rewrite(json_t *config, const struct bundle_want *want);

/** bundle_hostname() - the one it names, or NULL; borrowed */
const char *bundle_hostname(const json_t *config);

/* What only shows when the container's namespaces are there. */
struct bundle_facts {
	bool shared_pids; /* it sees the processes of the pod's others */
	bool one_id;	  /* no group but one is mapped */
	const char *shm;  /* where the pod's /dev/shm is; NULL: it has none */
};

/**
 * bundle_adapt() - for these
 * @config: from bundle_rewrite()
 * Return: 0 or -errno, logged
 */
int bundle_adapt(json_t *config, const struct bundle_facts *f);
