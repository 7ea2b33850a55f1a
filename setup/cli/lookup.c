// SPDX-License-Identifier: GPL-2.0-or-later
/* See lookup.h. */
#include "setup/cli/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

int lookup_quietly(const char *name, enum state_kind kind,
		   struct state_record *rec)
{
	int rc = lookup_try(name, rec);

	if (rc || rec->kind == kind)
		return rc;
	log_error("%s: is a %s", name,
		  rec->kind == STATE_POD ? "pod (podsplice pod ls)"
					 : "container (podsplice ps -a)");
	state_drop(rec);
	return -EINVAL;
}

int lookup_none(const char *name, enum state_kind kind)
{
	log_error("%.80s: no such %s", name,
		  kind == STATE_POD ? "pod (podsplice pod ls)"
				    : "container (podsplice ps -a)");
	return -ENOENT;
}

int lookup_find(const char *name, enum state_kind kind,
		struct state_record *rec)
{
	int rc = lookup_quietly(name, kind, rec);

	return rc == -ENOENT ? lookup_none(name, kind) : rc;
}

int lookup_must_run(struct state_record *rec)
{
	if (rec->phase != STATE_EXITED)
		return 0;
	log_error("%s: not running (podsplice %s %s)", rec->name,
		  rec->kind == STATE_POD ? "pod start" : "start", rec->name);
	state_drop(rec);
	return -ESRCH;
}

int lookup_running(const char *name, enum state_kind kind,
		   struct state_record *rec)
{
	int rc = lookup_find(name, kind, rec);

	return rc ? rc : lookup_must_run(rec);
}

/* ---- whose network ---- */

static int to_its_pod(struct state_record *rec)
{
	char pod[STATE_NAME_MAX + 1];

	memcpy(pod, rec->pod, sizeof(pod));
	state_drop(rec);
	return lookup_running(pod, STATE_POD, rec);
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
	rc = lookup_try(*rest, rec);
	if (rc == -ENOENT)
		rc = lookup_none(*rest, STATE_CONTAINER);
	if (!rc)
		rc = lookup_must_run(rec);
	if (!rc && rec->pod[0])
		rc = to_its_pod(rec);
	if (!rc)
		*out = (struct control_peer){ *rest, rec->dir, STATE_CONTROL };
	return rc;
}
