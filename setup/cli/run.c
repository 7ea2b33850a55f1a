// SPDX-License-Identifier: GPL-2.0-or-later
/* See run.h. */
#include "setup/cli/run.h"

#include <stdio.h>

#include "setup/base/exit.h"
#include "setup/cli/opt.h"
#include "setup/helper/pod.h"
#include "setup/helper/supervisor.h"
#include "setup/state/background.h"

int run_main(struct run_config *cfg)
{
	struct background b;
	int rc;

	if (manager_take(&cfg->net.manager))
		return EXIT_OURS;
	if (!cfg->detach)
		return supervisor_run(cfg, NULL);
	rc = background_fork(&b, cfg->tty, cfg->interactive, !cfg->silent);
	if (rc == 0)
		return cfg->is_pod ? pod_run(cfg, &b) : supervisor_run(cfg, &b);
	return rc < 0 || opt_flush(stdout) ? EXIT_OURS : 0;
}
