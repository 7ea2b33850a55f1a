/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A pod as a document of YAML, which kube_parse() takes back. */

#include <stdio.h>

#include "setup/kube/kube.h"

/**
 * kube_write() - write @pod to @f
 * Return: 0 or -errno, logged; -EILSEQ: what is in it is no UTF-8
 */
int kube_write(FILE *f, const struct kube_pod *pod);
