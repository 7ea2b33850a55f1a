/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Files for Kubernetes, by their paths. */

#include <stdbool.h>

#include "setup/kube/kube.h"

/**
 * kube_load() - kube_parse() of a file's content
 * @path: "-" for stdin
 */
int kube_load(struct kube_file *out, const char *path, bool lax);

/**
 * kube_load_names() - only the pods' names, whatever else is in the file
 * @out: release with kube_texts_drop(), on failure, too
 * Return: 0 or -errno with one error logged
 */
int kube_load_names(struct kube_texts *out, const char *path);
