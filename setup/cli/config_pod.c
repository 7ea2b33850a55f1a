// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of `pod create`: some options of its own, and the NET ones.
 */
#include "setup/cli/config_pod.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/cli/config_net.h"
#include "setup/cli/config_run.h"
#include "setup/pod/infra.h"

#define SHARE_DEFAULT (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* Return: the flag of the namespace called @word (@len bytes), or 0 */
static int share_flag(const char *word, size_t len)
{
	for (int i = INFRA_NS_NET; i < INFRA_NS_MNT; i++)
		if (strlen(infra_ns_names[i].name) == len &&
		    strncmp(infra_ns_names[i].name, word, len) == 0)
			return infra_ns_names[i].flag;
	return 0;
}

static int set_share(void *target, const char *value)
{
	struct run_config *cfg = target;
	int share = 0;

	for (const char *p = value;; p++) {
		size_t len = strcspn(p, ",");
		int flag = share_flag(p, len);

		if (!flag) {
			log_error("--share %.64s: not a list of net, ipc, uts "
				  "and pid",
				  value);
			return -EINVAL;
		}
		share |= flag;
		p += len;
		if (!*p)
			break;
	}
	if (!(share & CLONE_NEWNET)) {
		log_error(
			"--share %s: without net it would be no pod (add net)",
			value);
		return -EINVAL;
	}
	cfg->share = share;
	return 0;
}

static const struct opt pod_opts[] = {
	{ "control", 0, "PATH",
	  "make a socket there that podsplice stats and flows ask",
	  OPT_PATH(struct run_config, control) },
	{ "hostname", 'h', "NAME", "the pod's host name (the pod's name)",
	  config_hostname },
	{ "name", 0, "NAME", "the pod's name (made up)", config_name },
	{ "share", 0, "NAMESPACE,...",
	  "what its containers share: net, ipc, uts, pid (net,ipc,uts)",
	  set_share },
};

const struct opt_table config_pod_opts = { "Pod", pod_opts,
					   ARRAY_SIZE(pod_opts) };

static void become_pod(struct run_config *cfg)
{
	cfg->is_pod = true;
	cfg->detach = true;
	cfg->remove = false;
}

int config_pod_parse(struct run_config *cfg, char **argv)
{
	const struct opt_group groups[] = {
		{ &config_pod_opts, cfg },
		{ &config_net_opts, &cfg->net },
		{ &config_global_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = "pod create",
		.synopsis = "[OPTION]...",
		.about = "Make a pod for containers, with the network of the "
			 "host behind it, and print its name when its ports "
			 "are served. podsplice run --pod NAME runs commands "
			 "in it.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	char **rest;
	int rc;

	*cfg = (struct run_config){ .verb = cmd.name,
				    .words = argv,
				    .share = SHARE_DEFAULT };
	become_pod(cfg);
	config_net_init(&cfg->net);
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc && *rest) {
		log_error("pod create %.64s: takes no name but --name (see "
			  "podsplice pod create --help)",
			  *rest);
		rc = -EINVAL;
	}
	if (!rc && cfg->hostname && !(cfg->share & CLONE_NEWUTS)) {
		log_error("--hostname %s: its containers don't share one "
			  "(--share net,uts, or run --hostname)",
			  cfg->hostname);
		rc = -EINVAL;
	}
	if (!rc)
		rc = config_net_finish(&cfg->net);
	if (rc)
		config_run_free(cfg);
	return rc;
}

void config_pod_of_run(struct run_config *cfg)
{
	become_pod(cfg);
	cfg->share = SHARE_DEFAULT;
	cfg->name = cfg->pod;
	cfg->pod = NULL;
}
