// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See run.h. Whether a pod can be joined is known before anything is forked, so
 * that its refusal is said where the user is.
 */
#include "setup/cli/run.h"

#include <errno.h>
#include <stdio.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"
#include "setup/bundle/bundle.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/lookup.h"
#include "setup/cli/opt.h"
#include "setup/cli/pods.h"
#include "setup/helper/member.h"
#include "setup/helper/pod.h"
#include "setup/helper/supervisor.h"
#include "setup/state/background.h"

/*
 * What was published before by who has left: is it withdrawn? A reply to this
 * question comes when portfwd has heard of all that was changed before.
 */
static int settle(const struct control_peer *peer)
{
	json_t *ports = control_ask(peer, "ports");

	json_decref(ports);
	return ports ? 0 : -EIO;
}

/* Return: our end of a connection with the pod's supervisor, or -errno, logged
 */
static int join(const struct run_config *cfg)
{
	struct state_record rec;
	int pair[2], rc = lookup_running(cfg->pod, STATE_POD, &rec);
	const struct control_peer peer = { cfg->pod, rec.dir, STATE_CONTROL };
	json_t *reply = NULL;

	if (rc)
		return rc;
	rc = cfg->net.n_specs ? settle(&peer) : 0;
	if (!rc)
		rc = msg_pair(pair);
	if (!rc) {
		reply = control_ask_with(&peer, "join", pair[1]);
		fd_drop(&pair[1]);
		if (!reply)
			fd_drop(&pair[0]);
		rc = reply ? pair[0] : -EIO;
	}
	json_decref(reply);
	state_drop(&rec);
	return rc;
}

/* Return: the exit status */
static int run_joined(const struct run_config *cfg, int conn, bool *ran)
{
	struct background b;
	int rc;

	*ran = false;
	if (!cfg->detach)
		return member_run(cfg, conn, NULL, ran);
	rc = background_fork(&b, cfg->tty, cfg->interactive, !cfg->silent);
	if (rc == 0) {
		rc = member_run(cfg, conn, &b, ran);
		/* our caller undoes what there is to undo */
		*ran = true;
		return rc;
	}
	fd_drop(&conn);
	*ran = rc > 0;
	return rc < 0 || opt_flush(stdout) ? EXIT_OURS : 0;
}

/* The pod that was made for a start that failed, unless others are in it. */
static void undo_pod(const char *pod)
{
	struct pods_members m;

	if (pods_members(pod, &m))
		return;
	if (!m.n)
		(void)pods_remove(pod, true); /* logged */
	pods_members_drop(&m);
}

/*
 * In a new pod the container has nothing to ask of the network: the pod does.
 * A start that fails leaves no pod.
 */
static int run_in_pod(struct run_config *cfg)
{
	struct run_config pod = *cfg;
	bool made = false, ran = false;
	struct background b;
	int rc;

	if (cfg->new_pod && !cfg->again) {
		config_pod_of_run(&pod);
		rc = background_fork(&b, false, false, false);
		if (rc == 0)
			return pod_run(&pod, &b);
		if (rc < 0)
			return EXIT_OURS;
		made = true;
		manager_free(&cfg->net.manager);
	}
	if (cfg->new_pod) {
		cfg->net.n_specs = 0;
		cfg->hostname = NULL;
	}
	rc = join(cfg);
	rc = rc < 0 ? EXIT_OURS : run_joined(cfg, rc, &ran);
	if (made && !ran)
		undo_pod(cfg->pod);
	return rc;
}

int run_main(struct run_config *cfg)
{
	struct background b;
	int rc;

	if (cfg->bundle_dir && bundle_load(cfg))
		return EXIT_OURS;
	if (manager_take(&cfg->net.manager))
		return EXIT_OURS;
	/* a lock, say, or a pipe, whose end somebody waits for */
	if ((cfg->detach || cfg->new_pod) &&
	    manager_keep(&cfg->net.manager, NULL, 0))
		return EXIT_OURS;
	if (cfg->pod)
		return run_in_pod(cfg);
	if (!cfg->detach)
		return supervisor_run(cfg, NULL);
	rc = background_fork(&b, cfg->tty, cfg->interactive, !cfg->silent);
	if (rc == 0)
		return cfg->is_pod ? pod_run(cfg, &b) : supervisor_run(cfg, &b);
	return rc < 0 || opt_flush(stdout) ? EXIT_OURS : 0;
}
