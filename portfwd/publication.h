/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the ports of one SPEC have in common, in whoever serves them. */

#include <stddef.h>

#include "netstack/base/list.h"
#include "portfwd/portfwd.h"

struct publication {
	struct list link;
	struct spec spec;
	uint32_t id;
	size_t n_flows; /* its owner's to count */
};

/**
 * publication_get() - that of @p, made and put on @list when there is none yet
 * Return: it, or NULL without memory, logged
 */
struct publication *publication_get(struct list *list,
				    const struct portfwd_publish *p);

/** publications_free() - all of @list */
void publications_free(struct list *list);
