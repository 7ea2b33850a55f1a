/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who listens on a port? For messages: best effort, bounded, silent. */

#include <stdint.h>

#include "netstack/base/addr.h"

/* Room for "PID NAME". */
#define OWNER_TEXT_MAX 48

/**
 * owner_find() - a process that listens where a new TCP socket would
 * @ip:	  the address wanted, family 0: any of both families
 * @port: host order
 * @buf:  OWNER_TEXT_MAX bytes: "PID NAME", or "" when it can't be told
 *
 * Sees processes of the same user only (all of them as root), in this network
 * namespace. Return: @buf
 */
const char *owner_find(const struct ip *ip, uint16_t port, char *buf);
