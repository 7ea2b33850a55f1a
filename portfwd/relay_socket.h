/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What relay_start() wants of its sockets. A listener passes all of it on to
 * what it accepts, so that it costs no system call per connection.
 */

#include "netstack/base/addr.h"

/**
 * relay_socket_prepare() - SO_LINGER {1, 0}, TCP_NODELAY, SO_OOBINLINE
 * @fd: a TCP socket, not yet connected, or a listener; borrowed
 * Return: 0 or -errno, not logged
 */
int relay_socket_prepare(int fd);

/**
 * relay_socket_prepare_host() - the same and what only the host side wants:
 * keepalive, and no limit on what may wait unsent
 * Return: 0 or -errno, not logged
 */
int relay_socket_prepare_host(int fd);

/**
 * relay_socket_connect() - connect(), and see whether that was all
 *
 * A handshake with this machine is over when connect() comes back, although it
 * says EINPROGRESS: then there is no event to wait for.
 *
 * Return: 0: connected; -EINPROGRESS: an event will tell; another -errno: it
 *	   has failed, not logged
 */
int relay_socket_connect(int fd, const union endpoint *to);
