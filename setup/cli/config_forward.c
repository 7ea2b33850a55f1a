// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of `forward`: SPECs, and where they lead.
 *
 * The target is put where a pod's addresses are otherwise, so that what serves
 * a pod serves it, too: pod4 and pod6 are connected to, from any address of
 * whoever connects. A namespace is reached on its own loopback: that is where
 * a server listens that listens on all addresses, and one that listens only
 * there.
 */
#include "setup/cli/config_forward.h"
#include "setup/cli/config_run.h"

#include <errno.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/cli/config_net.h"
#include "setup/cli/opt.h"

static int add_publish(void *target, const char *value)
{
	struct forward_config *cfg = target;

	return config_net_publish(&cfg->net, value);
}

static const struct opt forward_opts[] = {
	{ "control", 0, "PATH",
	  "make a socket there that podsplice stats and flows ask",
	  OPT_PATH(struct forward_config, control) },
	{ "publish", 'p', "SPEC",
	  "forward a port: [ADDR:][HOST:]PORT[/tcp|/udp], ranges too, PORT is the "
	  "target's; may be repeated",
	  add_publish },
};

const struct opt_table config_forward_opts = { "Forward", forward_opts,
					       ARRAY_SIZE(forward_opts) };

static int lead_to_netns(struct forward_config *cfg, const char *word,
			 bool is_pid)
{
	const struct ip lo4 = { .family = AF_INET,
				.v4.s_addr = htonl(INADDR_LOOPBACK) };
	const struct ip lo6 = { .family = AF_INET6,
				.v6 = IN6ADDR_LOOPBACK_INIT };
	bool digits = *word && !word[strspn(word, "0123456789")];

	if (is_pid && !digits) {
		log_error("pid:%.64s: not a process id", word);
		return -EINVAL;
	}
	if (!is_pid && opt_path("netns:", word))
		return -EINVAL;
	if (!is_pid && digits) {
		log_error("netns:%.64s: not a path (pid:%.64s for a process)",
			  word, word);
		return -EINVAL;
	}
	cfg->net.forward.kind = OUTLET_NETNS;
	cfg->netns = word;
	outlet_lead(&cfg->net.plan, &lo4);
	outlet_lead(&cfg->net.plan, &lo6);
	return 0;
}

static int lead_to_address(struct forward_config *cfg, const char *word)
{
	struct ip ip;

	if (ip_parse(word, &ip)) {
		log_error(
			"forward: %.64s: no target (pid:N, netns:PATH, unix:PATH, or an address)",
			word);
		return -EINVAL;
	}
	ip = ip_unmap(&ip);
	if (ip_is_any(&ip) || ip_is_multicast(&ip) ||
	    (ip.family == AF_INET6 && ip_is_linklocal(&ip))) {
		log_error(
			"forward: %s: can't be connected to (give a unicast address that isn't link-local)",
			word);
		return -EINVAL;
	}
	cfg->net.forward.kind = OUTLET_HOST;
	outlet_lead(&cfg->net.plan, &ip);
	return 0;
}

static int lead_to_unix(struct forward_config *cfg, const char *path)
{
	const struct ip any = { .family = AF_INET };

	cfg->net.forward.kind = OUTLET_UNIX;
	cfg->net.forward.path = path;
	outlet_lead(&cfg->net.plan, &any);
	return outlet_path_ok(path);
}

static int lead(struct forward_config *cfg, const char *word)
{
	if (strncmp(word, "pid:", 4) == 0)
		return lead_to_netns(cfg, word + 4, true);
	if (strncmp(word, "netns:", 6) == 0)
		return lead_to_netns(cfg, word + 6, false);
	if (strncmp(word, "unix:", 5) == 0)
		return lead_to_unix(cfg, word + 5);
	return lead_to_address(cfg, word);
}

static int finish(struct forward_config *cfg, char **rest)
{
	int rc;

	if (!rest[0] || rest[1]) {
		log_error(
			"forward: one target, not %s (see podsplice forward --help)",
			rest[0] ? "several" : "none");
		return -EINVAL;
	}
	if (!cfg->net.n_specs) {
		log_error(
			"forward: nothing to forward (-p HOST:PORT; see podsplice forward --help)");
		return -EINVAL;
	}
	rc = lead(cfg, rest[0]);
	for (size_t i = 0; i < cfg->net.n_specs && !rc; i++)
		rc = outlet_fit(&cfg->net.forward, &cfg->net.specs[i]);
	return rc ? rc : config_net_finish(&cfg->net);
}

int config_forward_parse(struct forward_config *cfg, char **argv)
{
	const struct opt_group groups[] = {
		{ &config_forward_opts, cfg },
		{ &config_global_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = "forward",
		.synopsis = "-p SPEC [OPTION]... TARGET",
		.about = "Forward ports of this host to TARGET: pid:N or "
			 "netns:PATH (the loopback of that network namespace) "
			 "unix:PATH, or an address. Ends with its process or "
			 "namespace; the exit status is 0 then, and after "
			 "SIGTERM; 125 when podsplice failed.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc;

	*cfg = (struct forward_config){ .net.manager = MANAGER_NULL,
					.net.datapath = DATAPATH_SLIRP };
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc)
		rc = finish(cfg, rest);
	if (rc)
		config_forward_free(cfg);
	return rc;
}

void config_forward_free(struct forward_config *cfg)
{
	config_net_free(&cfg->net);
}
