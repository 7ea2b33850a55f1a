/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The NET options, for each verb that makes a pod's network. */

#include <errno.h>
#include <stdlib.h>

#include "netstack/base/log.h"
#include "setup/base/config.h"
#include "setup/cli/opt.h"

/* The target is a net_config. */
extern const struct opt_table config_net_opts;

/** config_net_init() - before the first option is applied */
void config_net_init(struct net_config *cfg);

/**
 * config_net_finish() - after the last option: fill in the defaults and the
 * address plan, check what only the whole command line can tell
 *
 * Return: 0 or a negative errno with one line logged
 */
int config_net_finish(struct net_config *cfg);

/** config_net_free() - idempotent */
void config_net_free(struct net_config *cfg);

/**
 * config_net_publish() - one more SPEC, the value of --publish
 * Return: 0 or a negative errno with one line logged
 */
int config_net_publish(struct net_config *cfg, const char *value);

/**
 * config_iface() - the first address of each family that an interface of this
 * host can send from
 * @out4, @out6: set to it, or to family 0
 *
 * Return: 0 or -errno, not logged; an interface that isn't there has none
 */
int config_iface(const char *name, struct ip *out4, struct ip *out6);

/** config_ifname_ok() - can a pod's interface have that name? */
bool config_ifname_ok(const char *s);

/**
 * config_grow() - make room for one more element
 * @array: of @n elements of @size bytes
 *
 * Return: the array, or NULL with one line logged and @array as it was
 */
static inline void *config_grow(void *array, size_t n, size_t size)
{
	void *p;

	/* doubled whenever @n reaches a power of two: no capacity to keep */
	if (n & (n - 1))
		return array;
	p = reallocarray(array, n ? 2 * n : 1, size);
	if (!p)
		log_errno(ENOMEM, "command line");
	return p;
}
