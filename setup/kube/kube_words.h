/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A pod of a file, in the words of `pod create` and `run`. */

#include "setup/kube/kube.h"

/* What a container has of this machine. */
struct kube_place {
	const char *rootfs;  /* NULL: the user's files */
	const char *scratch; /* where the pod's empty directories are */
	bool init;	     /* one to wait for, in the foreground */
};

/**
 * kube_words_pod() - what follows `pod create`
 * @out: empty; its array ends with a NULL that isn't counted; release with
 *	 kube_texts_drop(), on failure, too
 * Return: 0 or -ENOMEM, logged
 */
int kube_words_pod(struct kube_texts *out, const struct kube_pod *pod);

/** kube_words_run() - the same of `run`, for a container of @pod */
int kube_words_run(struct kube_texts *out, const struct kube_pod *pod,
		   const struct kube_container *c,
		   const struct kube_place *place);
