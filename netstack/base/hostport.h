/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Ports of the host's loopback that the pod may reach at the gateway. */

#include <stdint.h>

#define HOSTPORT_MAX 64

struct hostport {
	uint16_t host; /* on 127.0.0.1 and ::1 */
	uint16_t pod;  /* at the gateway's address */
};

struct hostports {
	uint16_t n;
	struct hostport list[HOSTPORT_MAX];
};

/** hostport_find() - Return: the host's port, 0 when @pod_port isn't open */
static inline uint16_t hostport_find(const struct hostports *h,
				     uint16_t pod_port)
{
	for (uint16_t i = 0; i < h->n && i < HOSTPORT_MAX; i++)
		if (h->list[i].pod == pod_port)
			return h->list[i].host;
	return 0;
}
