// SPDX-License-Identifier: GPL-2.0-or-later
/* See personality.h. */
#include "setup/personality/personality.h"

#include <string.h>

#include "netstack/base/list.h"
#include "setup/personality/rootlessport.h"
#include "setup/personality/slirp4netns.h"

static const struct {
	const char *name;
	personality_fn fn;
} personalities[] = {
	{ "rootlessport", rootlessport_main },
	{ "slirp4netns", slirp4netns_main },
};

personality_fn personality_find(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		if (strcmp(personalities[i].name, name) == 0)
			return personalities[i].fn;
	return NULL;
}
