/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which of the pod's frames may reach libslirp: decided by their bytes. */

#include <stdbool.h>

#include "netstack/base/podnet.h"
#include "netstack/frame.h"

/**
 * policy_allows() - may this frame go to user space's TCP/IP?
 * @host_loopback: the gateway's address stands for the host's loopback
 *
 * Refused, whatever the rest of the frame is: destinations that mean the
 * host's own loopback to connect() (0/8, 127/8, ::, ::1, IPv4-mapped and
 * IPv4-compatible), link-local ones but for what IPv6 asks of its own link, the
 * pod's own subnets but for gateway, DNS and broadcast, TFTP, protocols that no
 * pod needs of us.
 */
bool policy_allows(const struct frame *f, const struct podnet *plan,
		   bool host_loopback);
