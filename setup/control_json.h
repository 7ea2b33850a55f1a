/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The JSON of info, stats and flows. Every function returns a new value, or
 * NULL without memory. */

#include <jansson.h>

#include "setup/control_verbs.h"

#define CONTROL_SCHEMA 1

json_t *control_json_info(const struct control_facts *facts);

/** @own: the supervisor's memory; who didn't answer is under "incomplete" */
json_t *control_json_stats(const struct control_facts *facts,
			   const struct query_stats *st,
			   const struct procmem *own);

json_t *control_json_flow(const struct flow_record *r);
