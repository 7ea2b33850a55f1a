// SPDX-License-Identifier: GPL-2.0-or-later
/* See pty.h. */
#include "setup/pod/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

int pty_open(struct pty *out)
{
	int unlock = 0;
	scoped_fd master =
		open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (master < 0)
		return log_errno(errno, "open /dev/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock))
		return log_errno(errno, "unlock the pty");
	/* by its master: no name that could be something else's is used */
	out->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (out->slave < 0)
		return log_errno(errno, "open the pty's slave");
	out->master = fd_take(&master);
	return 0;
}
