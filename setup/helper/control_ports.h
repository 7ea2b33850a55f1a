/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What can be asked over the control socket about published ports: ports,
 * add_port, remove_port, and slirp4netns' add_, list_ and remove_hostfwd. */

#include "setup/helper/control_verbs.h"

enum control_ports_next {
	CONTROL_PORTS_UNKNOWN, /* no verb of ours */
	CONTROL_PORTS_DONE,    /* the call has its reply */
	/* control_ports_end() after the next round of QUERY_PORTS */
	CONTROL_PORTS_LATER,
};

/** control_ports_begin() - a request; @arguments as control_fn has it */
enum control_ports_next control_ports_begin(const struct control_facts *facts,
					    struct control_call *call,
					    const char *verb,
					    const json_t *arguments);

/** control_ports_end() - portfwd has answered, or @whole is false */
void control_ports_end(const struct control_facts *facts,
		       struct control_call *call, bool whole);
