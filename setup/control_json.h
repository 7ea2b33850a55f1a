/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The JSON of info, stats and flows. Every function returns a new value, or
 * NULL without memory. */

#include <jansson.h>

#include "setup/control_verbs.h"

#define CONTROL_SCHEMA 1

json_t *control_json_info(const struct control_facts *facts);

/**
 * control_json_ports() - an array of what is published
 * @ports: the host's, one list for each of @net->specs, as bound
 * @plan: the pod's, for its address
 *
 * A range whose host ports were chosen by the kernel may be several entries of
 * one id. What only portfwd counts is null.
 */
struct net_config;
struct published;
json_t *control_json_ports(const struct net_config *net,
			   const struct published *ports,
			   const struct podnet *plan);

/** @own: the supervisor's memory; who didn't answer is under "incomplete" */
json_t *control_json_stats(const struct control_facts *facts,
			   const struct query_stats *st,
			   const struct procmem *own);

/** @uid: of its socket in the pod; -1: not known */
json_t *control_json_flow(const struct flow_record *r, int32_t uid);
