// SPDX-License-Identifier: GPL-2.0-or-later
#include "portfwd/publication.h"

#include <errno.h>
#include <stdlib.h>

#include "netstack/base/log.h"

struct publication *publication_get(struct list *list,
				    const struct portfwd_publish *p)
{
	struct publication *pub =
		container_of(list->prev, struct publication, link);

	if (!list_empty(list) && pub->id >= p->id)
		return publication_find(list, p->id);
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

struct publication *publication_find(struct list *list, uint32_t id)
{
	list_for_each (e, list) {
		struct publication *pub =
			container_of(e, struct publication, link);

		if (pub->id == id && !pub->removed)
			return pub;
	}
	return NULL;
}

static void fill_record(const struct publication *pub, struct port_record *out)
{
	*out = (struct port_record){
		.id = pub->id,
		.n_ports = pub->n_ports,
		.flows = pub->n_flows,
		.bytes_in = pub->bytes_in + pub->live_in,
		.bytes_out = pub->bytes_out + pub->live_out,
		.errors = pub->errors,
		.lost = pub->lost,
		.lost_why = pub->lost_why,
	};
}

size_t publications_page(const struct list *list, uint32_t after,
			 struct port_record *out, size_t max)
{
	size_t n = 0;

	list_for_each (e, list) {
		const struct publication *pub =
			container_of(e, struct publication, link);

		if (pub->id <= after || pub->removed)
			continue;
		if (n == max)
			break;
		fill_record(pub, &out[n++]);
	}
	return n;
}

void publication_served(struct publication *pub, const struct source *source,
			const struct ip *client, enum source_rung rung,
			struct source_stats *stats)
{
	enum source_lost why = source_lost_at(source, &pub->spec, client, rung);

	if (rung == SOURCE_CLIENT_ADDR)
		stats->port_changed++;
	if (!why)
		return;
	stats->lost[why]++;
	pub->lost++;
	pub->lost_why = (uint8_t)why;
}

void publications_clear_live(struct list *list)
{
	list_for_each (e, list) {
		struct publication *pub =
			container_of(e, struct publication, link);

		pub->live_in = pub->live_out = 0;
	}
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
