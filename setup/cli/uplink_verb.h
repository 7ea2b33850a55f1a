/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `podsplice uplink`: the network of a namespace that somebody else made. */

#include "setup/cli/config_uplink.h"

/**
 * uplink_run() - give the target its network, until something ends it
 * @cfg: from config_uplink_parse(); borrowed. Its descriptors are taken.
 *
 * All descriptors but 0, 1, 2 and those are closed: an engine's strays are
 * nothing to hold on to.
 *
 * Return: exit status of the process: 0 when the target, the exit descriptor or
 *	   a signal ended it, 125 when podsplice failed (logged)
 */
int uplink_run(const struct uplink_config *cfg);

/**
 * uplink_serve() - the same, with other statuses
 * @by: set to the signal that ended it, or 0
 *
 * Return: 0, or -errno when podsplice failed (logged)
 */
int uplink_serve(const struct uplink_config *cfg, int *by);
