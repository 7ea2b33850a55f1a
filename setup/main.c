// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The only main(): from argv to a verb.
 *
 * Global options come first and end at the verb; the rest is the verb's own.
 * Nothing but main() ends the process, by returning from it.
 *
 * Descriptors 0, 1 and 2 are made sure of before anything else: a socket that
 * happened to become number 1 would be sent what is meant for stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "netstack/base/log.h"
#include "netstack/stack.h"
#include "setup/base/exit.h"
#include "setup/cli/opt.h"
#include "setup/cli/verbs.h"
#include "setup/personality/personality.h"
#include "version.h"

static int print_version(void)
{
	(void)printf("podsplice %s\nlibslirp %s\n", PODSPLICE_VERSION,
		     stack_version());
	return opt_flush(stdout) ? EXIT_OURS : 0;
}

/*
 * A standard descriptor that is closed becomes one that fails to be used, as
 * it did before: /dev/null, opened the wrong way round.
 */
static int hold_std_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* the lowest free number, so it is @fd; no CLOEXEC: like 0-2 */
		if (open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return log_errno(errno, "open /dev/null");
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool version = false;
	personality_fn as;
	char **rest;
	int rc;

	if (hold_std_fds())
		return EXIT_OURS;
	/* ignored is inherited over exec(), and loses our children's status */
	(void)signal(SIGCHLD, SIG_DFL);
	/* before any option of ours is looked at */
	as = argc > 0 ? personality_find(argv[0]) : NULL;
	if (as)
		return as(argc, argv);
	rc = argc > 0 ? verbs_globals_parse(argv + 1, &version, &rest)
		      : -EINVAL;
	if (rc)
		return rc > 0 ? 0 : EXIT_OURS;
	if (version)
		return print_version();
	if (!*rest) {
		log_error("no verb given (see podsplice --help)");
		return EXIT_OURS;
	}
	return verbs_call(rest);
}
