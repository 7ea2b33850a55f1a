// SPDX-License-Identifier: GPL-2.0-or-later
/* See lookup.h. */
#include "setup/cli/lookup.h"

#include <errno.h>
#include <fcntl.h>

#include "netstack/base/log.h"

int lookup_try(const char *name, struct state_record *rec)
{
	struct state s;
	int rc;

	*rec = (struct state_record){ .dir = -1 };
	rc = state_open(&s);
	if (rc)
		return rc;
	rc = state_find(&s, name, rec);
	state_close(&s);
	return rc;
}

int lookup_none(const char *name)
{
	log_error("%.80s: no such container (podsplice ps -a)", name);
	return -ENOENT;
}

int lookup_find(const char *name, struct state_record *rec)
{
	int rc = lookup_try(name, rec);

	return rc == -ENOENT ? lookup_none(name) : rc;
}

int lookup_running(const char *name, struct state_record *rec)
{
	int rc = lookup_find(name, rec);

	if (rc || rec->phase != STATE_EXITED)
		return rc;
	log_error("%s: not running (podsplice start %s)", name, name);
	state_drop(rec);
	return -ESRCH;
}

int lookup_peer(const char *verb, const char *control, char *const *rest,
		struct state_record *rec, struct control_peer *out)
{
	int rc;

	*rec = (struct state_record){ .dir = -1 };
	if (!*rest && !control) {
		log_error("%s: which pod? (its NAME, as podsplice ps has it, "
			  "or --control PATH)",
			  verb);
		return -EINVAL;
	}
	if (*rest && (rest[1] || control)) {
		log_error("%s %.64s: one pod at a time", verb,
			  control ? rest[0] : rest[1]);
		return -EINVAL;
	}
	if (control) {
		*out = (struct control_peer){ control, AT_FDCWD, control };
		return 0;
	}
	rc = lookup_running(*rest, rec);
	if (!rc)
		*out = (struct control_peer){ *rest, rec->dir, STATE_CONTROL };
	return rc;
}
