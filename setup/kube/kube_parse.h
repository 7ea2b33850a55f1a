/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Files for Kubernetes, into what kube.h has. */

#include <stdbool.h>
#include <stddef.h>

#include "setup/kube/kube.h"

/**
 * kube_parse() - the pods in a file of YAML, of one or more documents
 * @text: @len bytes
 * @file: its name, for messages
 * @lax: what is not supported gives a warning and is left out: unknown fields,
 *	 and documents that are no pods
 * @out: release with kube_file_drop(), on failure, too
 *
 * Names are unique and well-formed then, mounts name volumes that are there,
 * every container has a command.
 *
 * Return: 0 or -errno with one error logged
 */
int kube_parse(struct kube_file *out, const char *text, size_t len,
	       const char *file, bool lax);

/** kube_no_pod() - say that @file has none; Return: -EINVAL */
int kube_no_pod(const char *file);
