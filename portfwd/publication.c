// SPDX-License-Identifier: GPL-2.0-or-later
#include "portfwd/publication.h"

#include <errno.h>
#include <stdlib.h>

#include "netstack/base/log.h"

struct publication *publication_get(struct list *list,
				    const struct portfwd_publish *p)
{
	struct publication *pub;

	list_for_each (e, list) {
		pub = container_of(e, struct publication, link);
		if (pub->id == p->id)
			return pub;
	}
	pub = calloc(1, sizeof(*pub));
	if (!pub) {
		(void)log_errno(ENOMEM, "published port");
		return NULL;
	}
	pub->spec = p->spec;
	pub->id = p->id;
	list_append(list, &pub->link);
	return pub;
}

void publications_free(struct list *list)
{
	while (!list_empty(list)) {
		struct publication *pub =
			container_of(list->next, struct publication, link);

		list_del(&pub->link);
		free(pub);
	}
}
