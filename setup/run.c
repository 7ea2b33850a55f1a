// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The verb `run`. What can't be served yet is refused here, before anything is
 * made, so that no option is ever taken and ignored.
 */
#include "setup/run.h"

#include <errno.h>
#include <stdbool.h>

#include "netstack/base/log.h"
#include "setup/supervisor.h"

#define STATUS_FAILED 125

static bool can_publish(const struct spec *spec)
{
	char text[96];

	spec_format(spec, text, sizeof(text));
	if (spec->proto == SPEC_UDP) {
		log_error(
			"%s: publishing UDP is not supported yet (publish TCP)",
			text);
		return false;
	}
	if (spec->proxy != SPEC_PROXY_NONE) {
		log_error(
			"%s: proxy= is not supported yet (the pod sees the client's address without it)",
			text);
		return false;
	}
	return true;
}

int run_main(const struct run_config *cfg)
{
	for (size_t i = 0; i < cfg->net.n_specs; i++)
		if (!can_publish(&cfg->net.specs[i]))
			return STATUS_FAILED;
	return supervisor_run(cfg);
}
