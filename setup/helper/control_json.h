/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The JSON of info, stats and flows. Every function returns a new value, or
 * NULL without memory. */

#include <jansson.h>

#include "setup/helper/control_verbs.h"

#define CONTROL_SCHEMA 1

json_t *control_json_info(const struct control_facts *facts);

/**
 * control_json_ports() - the reply of ports and add_port
 * @id: only this one; 0: all
 * @whole: portfwd has answered; else what only it counts is null
 */
json_t *control_json_ports(const struct control_facts *facts, uint32_t id,
			   bool whole);

/** control_json_port_list() - what is published, an array without counters */
json_t *control_json_port_list(const struct control_facts *facts);

/** control_json_hostfwd() - the same as slirp4netns has it: a port, an entry */
json_t *control_json_hostfwd(const struct control_facts *facts);

/** control_json_missing() - "incomplete", when only portfwd was asked */
json_t *control_json_missing(bool whole);

/** @own: the supervisor's memory; who didn't answer is under "incomplete" */
json_t *control_json_stats(const struct control_facts *facts,
			   const struct query_stats *st,
			   const struct procmem *own);

/** @uid: of its socket in the pod; -1: not known */
json_t *control_json_flow(const struct flow_record *r, int32_t uid);
