/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* --tmpfs, and what --read-only leaves writable: directories in memory. */

#include "setup/base/config.h"

/**
 * tmpfs_place() - mount them in what is "/" now
 * Missing mount points are made where something is asked for by name.
 * Return: 0 or -errno, logged
 */
int tmpfs_place(const struct run_config *run);
