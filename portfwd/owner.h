/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who has a port? For messages: best effort, bounded, silent. */

#include <stdint.h>

#include "portfwd/spec.h"

/* Room for "PID NAME". */
#define OWNER_TEXT_MAX 48

/**
 * owner_find() - a process that is where a new socket would be
 * @ip:	  the address wanted, family 0: any of both families
 * @port: host order
 * @buf:  OWNER_TEXT_MAX bytes: "PID NAME", or "" when it can't be told
 *
 * Sees processes of the same user only (all of them as root), in this network
 * namespace. Return: @buf
 */
const char *owner_find(enum spec_proto proto, const struct ip *ip,
		       uint16_t port, char *buf);
