/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What nftables do in the hop, done in user space: which of the pod's frames
 * belong to TCP and UDP flows of the hop, and which are libslirp's. Used where
 * veth or nftables can't be had. It decides; it sends nothing.
 */

#include <stdbool.h>
#include <stddef.h>

#include "netstack/base/mono.h"
#include "netstack/base/podnet.h"
#include "netstack/frame.h"

/* Flows of the hop remembered at once; beyond it the longest idle is lost. */
#define SWITCH_FLOWS_MAX 65536

struct flow_switch;

/** switch_new() - @plan is borrowed; Return: 0 or -errno, logged */
int switch_new(struct flow_switch **out, const struct podnet *plan,
	       bool serve_dns);

/** switch_free() - NULL is fine; Return: NULL */
struct flow_switch *switch_free(struct flow_switch *sw);

/** switch_from_pod() - Return: true: the hop's, false: libslirp's */
bool switch_from_pod(struct flow_switch *sw, const struct frame *f,
		     struct mono now);

/**
 * switch_from_hop() - note what the hop sends to the pod
 * Return: true: it is for the pod, false: it was for us
 */
bool switch_from_hop(struct flow_switch *sw, const struct frame *f,
		     struct mono now);

/** switch_count() - flows remembered now */
size_t switch_count(const struct flow_switch *sw);
