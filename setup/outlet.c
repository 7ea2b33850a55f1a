// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nothing transparent: the answers to a client's address would have to find
 * their way from the target back to us, and the routes there aren't ours.
 */
#include "setup/outlet.h"

#include <errno.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "portfwd/relay_socket.h"
#include "setup/hop.h"

int outlet_socket(int family, int type)
{
	scoped_fd fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	/* what may vanish is on this side, too */
	rc = type == SOCK_DGRAM ? hop_prepare_udp(fd, family)
				: relay_socket_prepare_host(fd);
	return rc ? rc : fd_take(&fd);
}
