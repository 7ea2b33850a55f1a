// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of `uplink`: the NET options and its own.
 *
 * Descriptors are numbers that an engine chose. They are checked here, while
 * nothing of ours is open that could be mistaken for one.
 */
#include "setup/cli/config_run.h"
#include "setup/cli/config_uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/cli/config_net.h"
#include "setup/cli/opt.h"

static int set_fd(const char *opt, const char *value, int *out)
{
	struct stat st;
	uint64_t fd;

	if (parse_uint(value, STDERR_FILENO + 1, INT_MAX, &fd)) {
		log_error(
			"%s %s: no descriptor (a number from 3 on, opened by the caller)",
			opt, value);
		return -EINVAL;
	}
	if (fstat((int)fd, &st))
		return log_errno(errno, "%s %s", opt, value);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		log_error("%s %s: a file has no other end (give a pipe)", opt,
			  value);
		return -EINVAL;
	}
	*out = (int)fd;
	return 0;
}

static int set_ready_fd(void *target, const char *value)
{
	struct uplink_config *cfg = target;

	return set_fd("--ready-fd", value, &cfg->ready_fd);
}

static int set_exit_fd(void *target, const char *value)
{
	struct uplink_config *cfg = target;

	return set_fd("--exit-fd", value, &cfg->exit_fd);
}

static const struct opt uplink_opts[] = {
	{ "control", 0, "PATH",
	  "make a socket there that podsplice stats and flows ask",
	  OPT_PATH(struct uplink_config, control) },
	{ "exit-fd", 0, "N", "end when the other end of descriptor N is closed",
	  set_exit_fd },
	{ "no-configure", 0, NULL,
	  "make the interface, leave its addresses, routes and state to others",
	  OPT_FLAG(struct uplink_config, bare) },
	{ "pidfile", 0, "PATH", "write the process id there",
	  OPT_PATH(struct uplink_config, pidfile) },
	{ "ready-fd", 0, "N",
	  "write \"1\" to descriptor N when the network works, and close it",
	  set_ready_fd },
	{ "userns", 0, "PATH",
	  "user namespace to work in (the one that owns the network namespace)",
	  OPT_PATH(struct uplink_config, userns) },
};

const struct opt_table config_uplink_opts = { "Uplink", uplink_opts,
					      ARRAY_SIZE(uplink_opts) };

static int finish(struct uplink_config *cfg, char **rest)
{
	static const uint8_t none[6];

	if (!rest[0] || rest[1]) {
		log_error(
			"uplink: one process id or path of a network namespace, not %s (see podsplice uplink --help)",
			rest[0] ? "several" : "none");
		return -EINVAL;
	}
	cfg->target = rest[0];
	if (cfg->net.n_search) {
		log_error(
			"--dns-search: uplink writes no resolv.conf (drop it)");
		return -EINVAL;
	}
	if (cfg->ready_fd >= 0 && cfg->ready_fd == cfg->exit_fd) {
		log_error("--exit-fd %d: that is the --ready-fd (give another)",
			  cfg->exit_fd);
		return -EINVAL;
	}
	/* before defaults are filled in */
	cfg->own_mtu = cfg->net.plan.mtu_bytes;
	cfg->own_mac = memcmp(cfg->net.plan.pod_mac, none, sizeof(none)) != 0;
	return config_net_finish(&cfg->net);
}

int config_uplink_parse(struct uplink_config *cfg, char **argv)
{
	const struct opt_group groups[] = {
		{ &config_uplink_opts, cfg },
		{ &config_net_opts, &cfg->net },
		{ &config_global_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = "uplink",
		.synopsis = "[OPTION]... PID|NETNS-PATH",
		.about =
			"Give an existing network namespace its network, until "
			"it or its process ends. The exit status is 0 then, "
			"and after SIGTERM; 125 when podsplice failed.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc;

	*cfg = (struct uplink_config){ .ready_fd = -1,
				       .exit_fd = -1,
				       .tap = -1 };
	config_net_init(&cfg->net);
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc)
		rc = finish(cfg, rest);
	if (rc)
		config_uplink_free(cfg);
	return rc;
}

void config_uplink_free(struct uplink_config *cfg)
{
	config_net_free(&cfg->net);
}
