// SPDX-License-Identifier: GPL-2.0-or-later
/* See slirp4netns.h. */
#include "setup/personality/slirp4netns.h"

#include <stdlib.h>

#include "netstack/base/log.h"

int slirp4netns_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	log_error("slirp4netns: not supported yet in this version");
	return EXIT_FAILURE;
}
