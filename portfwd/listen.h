/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Host-side sockets of a published port or range. */

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/spec.h"

/* The sysctl that says which ports need privileges: those below it. */
#define LISTEN_PORT_START "net.ipv4.ip_unprivileged_port_start"

/**
 * listen_open() - bind and listen on each host port of @spec
 * @spec:	TCP; or UDP, where there is nothing to listen() for
 * @fds:	spec->count elements; all owned by the caller on success
 * @host_ports: spec->count elements: the ports, consecutive
 *
 * All of it or none. A free host port (host_port 0) is the kernel's choice; for
 * a range it is a block of free ports. Sockets are non-blocking and CLOEXEC.
 * Must be called in the host's network namespace.
 *
 * Return: 0 or -errno with one line logged that says what to do; @fds are -1
 *         then.
 */
int listen_open(const struct spec *spec, int *fds, uint16_t *host_ports);

/**
 * listen_open_nth() - listen_open() for the port at place @k of @spec alone
 * @spec: with a host port
 * @fd, @host_port: of this one
 * Return: as listen_open()
 */
int listen_open_nth(const struct spec *spec, uint16_t k, int *fd,
		    uint16_t *host_port);

/** listen_port_start() - LISTEN_PORT_START; the kernel's default if it can't be
 * read */
unsigned int listen_port_start(void);

/** listen_device() - Return: index of the interface @fd is bound to; 0: none */
unsigned int listen_device(int fd);

/**
 * listen_prepare_udp() - what portfwd/udp.c wants of a port's socket
 * @dual: of both families, else of @family
 * Return: 0 or -errno, not logged
 */
int listen_prepare_udp(int fd, int family, bool dual);

/** listen_close() - close @n descriptors and make them -1 */
void listen_close(int *fds, unsigned int n);
