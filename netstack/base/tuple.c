// SPDX-License-Identifier: GPL-2.0-or-later
#include "netstack/base/tuple.h"

#include <errno.h>
#include <sys/random.h>

#include "netstack/base/log.h"

int tuple_seed(uint64_t *out)
{
	/* never cut short for so few bytes: getrandom(2) */
	return getrandom(out, sizeof(*out), 0) < 0
		       ? log_errno(errno, "getrandom")
		       : 0;
}
