/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice forward`: ports of the host that lead somewhere, without a pod. */

#include "setup/cli/config_forward.h"

/**
 * forward_run() - forward until a signal, or the end of the target
 * Return: the exit status: 0, or 125 with one error line when podsplice failed
 */
int forward_run(const struct forward_config *cfg);
