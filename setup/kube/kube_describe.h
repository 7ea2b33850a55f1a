/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A pod that there is, as a file would have it: the way back of kube_words.h */

#include "setup/base/config.h"
#include "setup/kube/kube.h"

/* Something that was made by words of a user. */
struct kube_made {
	const char *name;
	const struct run_config *cfg; /* what they mean */
	const char *cwd;	      /* where they were said */
};

/**
 * kube_describe_pod() - its name and what else is not its containers'
 * @out: gets copies; release with kube_pod_drop(), on failure, too
 * What a file can't say is told as a warning, here and below.
 * Return: 0 or -errno, logged
 */
int kube_describe_pod(struct kube_pod *out, const struct kube_made *pod);

/**
 * kube_describe_container() - one more container of @out
 * @scratch: where the pod's empty directories are, with a '/' behind it
 * The first one gets @pod's ports, too.
 * Return: 0 or -errno, logged
 */
int kube_describe_container(struct kube_pod *out, const struct kube_made *pod,
			    const struct kube_made *made, const char *scratch);
