/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The texts of a pod's resolv.conf and hosts. */

#include <stddef.h>

#include "setup/helper/network.h"

#define POD_HOSTS_MAX 16384

/**
 * pod_text_resolv() - as the host's resolvers are now
 * @n: after network_1_bind()
 */
void pod_text_resolv(const struct network *n, char buf[RESOLV_TEXT_MAX]);

/**
 * pod_text_hosts() - the pod's addresses, and the host where it can be reached
 * @names: of the pod, spaces between
 * @buf: cut at a whole line when it doesn't fit
 */
void pod_text_hosts(const struct network *n, const char *names,
		    char buf[POD_HOSTS_MAX]);
