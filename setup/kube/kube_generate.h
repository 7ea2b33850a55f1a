/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file of a pod that there is. */

#include <stdio.h>

/**
 * kube_generate() - write the pod called @name to @f, as kube_play() makes it
 * @name: running or not
 *
 * Changes the process's directory to that of whoever made the containers: the
 * words mean what they meant there.
 *
 * Return: 0 or -errno, logged
 */
int kube_generate(FILE *f, const char *name);
