// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As user 0 of its namespace the command gets from execve(2) what is in the
 * bounding set; under no_new_privs it gains nothing that isn't permitted
 * already, so both sets hold the same list. Another user keeps only what is
 * ambient. User namespaces the command makes are full again inside, whatever
 * the bounding set here.
 *
 * pid 1 isn't dumpable, which alone forbids the command to trace it or to take
 * its descriptors, whatever --cap-add gives it: the capability needed for that
 * is one over the namespace podsplice was started in (__ptrace_may_access(),
 * kernel/ptrace.c).
 */
#include "setup/pod/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <strings.h>
#include <sys/prctl.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"

#define BIT(cap) (1ULL << (cap))

/* podman 4's default list */
static const uint64_t defaults =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) |
	BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_NET_BIND_SERVICE) |
	BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) |
	BIT(CAP_SETUID) | BIT(CAP_SYS_CHROOT);

int caps_parse(const char *name, uint64_t *out)
{
	int cap;

	if (strcasecmp(name, "all") == 0) {
		*out = CAPS_ALL;
		return 0;
	}
	if (strncasecmp(name, "cap_", 4) == 0)
		name += 4;
	cap = capng_name_to_capability(name);
	if (cap < 0)
		return -EINVAL;
	*out = BIT(cap);
	return 0;
}

uint64_t caps_choose(const struct caps *caps)
{
	uint64_t set = defaults;

	if (caps->drop & CAPS_ALL)
		set = 0;
	else if (caps->add & CAPS_ALL)
		set = ~0ULL;
	return ((set & ~caps->drop) | caps->add) & ~CAPS_ALL;
}

static int add(uint64_t set, capng_type_t sets)
{
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		/* what this kernel doesn't know, nobody has */
		if ((set & BIT(cap)) && prctl(PR_CAPBSET_READ, cap) >= 0 &&
		    capng_update(CAPNG_ADD, sets, cap))
			return log_errno(EINVAL, "capability %u", cap);
	return 0;
}

static int apply_state(capng_select_t what)
{
	/* its result says which step failed, errno isn't always set */
	errno = 0;
	if (capng_apply(what))
		return log_errno(errno ? errno : EPERM, "set capabilities");
	return 0;
}

static int apply(uint64_t set, capng_type_t sets, capng_select_t what)
{
	int rc;

	capng_clear(CAPNG_SELECT_ALL);
	rc = add(set, sets);
	return rc ? rc : apply_state(what);
}

int caps_bound(uint64_t set)
{
	return apply(set, CAPNG_BOUNDING_SET, CAPNG_SELECT_BOUNDS);
}

int caps_command(const struct caps *caps, uint64_t set, bool root)
{
	uint64_t named = caps->add & CAPS_ALL ? ~0ULL : caps->add;
	int rc;

	if (root)
		rc = apply(set, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			   CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	else
		rc = apply(set & named,
			   CAPNG_EFFECTIVE | CAPNG_PERMITTED |
				   CAPNG_INHERITABLE | CAPNG_AMBIENT,
			   CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	if (rc)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_errno(errno, "no_new_privs");
	return 0;
}

int caps_init(void)
{
	int rc;

	capng_clear(CAPNG_SELECT_ALL);
	rc = add(~0ULL, CAPNG_PERMITTED);
	if (!rc)
		rc = add(BIT(CAP_SYS_ADMIN) | BIT(CAP_KILL) |
				 BIT(CAP_DAC_OVERRIDE),
			 CAPNG_EFFECTIVE);
	return rc ? rc : apply_state(CAPNG_SELECT_CAPS);
}

int caps_raise(void)
{
	return apply(~0ULL, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
		     CAPNG_SELECT_CAPS);
}
