// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command runs as user 0 of its namespace, so execve(2) gives it what is
 * in the bounding set; under no_new_privs it gains nothing that isn't
 * permitted already, so both sets hold the same list. User namespaces the
 * command makes are full again inside, whatever the bounding set here.
 *
 * pid 1 keeps capabilities the command doesn't have: that alone forbids the
 * command to trace it, or to take its descriptors (ptrace_may_access(),
 * security/commoncap.c).
 */
#include "setup/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"

static int apply(const unsigned int *list, size_t n, capng_type_t sets,
		 capng_select_t what)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < n; i++)
		if (capng_update(CAPNG_ADD, sets, list[i]))
			return log_errno(EINVAL, "capability %u", list[i]);
	/* its result says which step failed, errno isn't always set */
	errno = 0;
	if (capng_apply(what))
		return log_errno(errno ? errno : EPERM, "set capabilities");
	return 0;
}

int caps_command(void)
{
	/* podman 4's default list */
	static const unsigned int list[] = {
		CAP_CHOWN,   CAP_DAC_OVERRIDE,	   CAP_FOWNER,	   CAP_FSETID,
		CAP_KILL,    CAP_NET_BIND_SERVICE, CAP_SETFCAP,	   CAP_SETGID,
		CAP_SETPCAP, CAP_SETUID,	   CAP_SYS_CHROOT,
	};
	int rc = apply(list, ARRAY_SIZE(list),
		       CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
		       CAPNG_SELECT_ALL);

	if (rc)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_errno(errno, "no_new_privs");
	return 0;
}

int caps_init(void)
{
	static const unsigned int list[] = {
		CAP_SYS_ADMIN,
		CAP_KILL,
		CAP_DAC_OVERRIDE,
	};

	return apply(list, ARRAY_SIZE(list), CAPNG_EFFECTIVE | CAPNG_PERMITTED,
		     CAPNG_SELECT_CAPS);
}
