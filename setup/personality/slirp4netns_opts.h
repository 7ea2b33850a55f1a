/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command line of slirp4netns. */

#include <stdio.h>

#include "setup/cli/config_uplink.h"

struct slirp4netns_config {
	struct uplink_config uplink;
	bool configure; /* -c */
	enum { SLIRP4NETNS_RUN, SLIRP4NETNS_HELP, SLIRP4NETNS_VERSION } what;
	char target[64]; /* what uplink.target points to */
	/* as they were given, or NULL */
	const char *type, *target_type, *cidr, *mac, *outbound4, *outbound6;
};

/**
 * slirp4netns_parse() - options and positionals, in whatever order
 * @argv: reordered in place; strings are borrowed for good
 * @cfg: not to be moved afterwards; release with slirp4netns_free()
 *
 * Warnings, and the usage with an error in what is there at all, go to stdout:
 * engines show both outputs to their user.
 *
 * Return: 0, or -EINVAL with one line logged
 */
int slirp4netns_parse(struct slirp4netns_config *cfg, int argc, char **argv);

/** slirp4netns_usage() - @name: what the program was called */
void slirp4netns_usage(FILE *f, const char *name);

/** slirp4netns_free() - idempotent */
void slirp4netns_free(struct slirp4netns_config *cfg);
