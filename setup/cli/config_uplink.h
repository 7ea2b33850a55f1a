/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the command line of `uplink` asked for. */

#include "setup/base/config.h"

struct uplink_config {
	struct net_config net;
	bool own_mtu, own_mac; /* they were given, net.plan's are no default */
	bool bare;	       /* --no-configure */
	/* for who calls us by slirp4netns' name */
	bool plain;	 /* as in struct hop_config */
	const char *api; /* path of slirp4netns' API socket, or NULL */
	/* the network is there, but nobody was told; NULL: nothing to do */
	void (*there)(const struct uplink_config *cfg,
		      const struct podnet *plan);
	const char *userns, *pidfile, *control; /* paths, or NULL */
	int ready_fd, exit_fd;			/* -1: none */
	const char *target;			/* PID or path */
	int tap; /* instead: a descriptor of the TAP that is there; -1 */
};

/* What `uplink` has beyond the NET options; the target is an uplink_config. */
extern const struct opt_table config_uplink_opts;

/**
 * config_uplink_parse() - parse the arguments of `podsplice uplink`
 * @argv: what follows "uplink", NULL-terminated; strings are borrowed for good
 *
 * Return: as config_run_parse()
 */
int config_uplink_parse(struct uplink_config *cfg, char **argv);

/** config_uplink_free() - idempotent */
void config_uplink_free(struct uplink_config *cfg);
