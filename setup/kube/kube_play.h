/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Pods of a file made, and removed. */

#include "setup/kube/kube.h"

/* The images that the user has named: "NAME=DIR" each. */
struct kube_images {
	const char **all; /* owned array of borrowed strings */
	size_t n;
};

/**
 * kube_play() - make all pods of @file, and start their containers
 *
 * All of them are made or none: after a failure, SIGINT, SIGTERM or SIGHUP
 * those that were are removed. The output of containers that come before the
 * others goes to stderr.
 *
 * Return: 0 or -errno, logged
 */
int kube_play(const struct kube_file *file, const struct kube_images *images);

/**
 * kube_down() - remove the pods of these names, the last one first
 * One that isn't there is fine.
 * Return: 0 or -errno, logged; then all that could be removed is
 */
int kube_down(const struct kube_texts *names);
