/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Sockets of published ports that somebody else has bound. */

#include <stddef.h>
#include <stdint.h>

#include "portfwd/spec.h"

/**
 * adopt_open() - listen_open(), but a port that one of @passed is for gets that
 * @passed: @n_passed descriptors; one that is used becomes -1 there
 *
 * It has to be what listen_open() would make, of the same protocol, families,
 * address, interface and port. None is a free port (host_port 0).
 *
 * Return: as listen_open(), or 1 when any of @passed was used
 */
int adopt_open(int *passed, size_t n_passed, const struct spec *spec, int *fds,
	       uint16_t *host_ports);
