// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sandbox_probe netstack|portfwd|maker: which system calls does the sandbox let
 * through, whatever their arguments? Every number there is is tried, each in a
 * process of its own that has locked itself up as the product does, with
 * arguments that no call can do anything with (-1). The survivors are printed,
 * a name (or number) a line.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "netstack/base/list.h"
#include "setup/helper/sandbox.h"

#define NUMBERS_MAX 600

static _Noreturn void in_child(enum sandbox_role role, int nr)
{
	struct sandbox box;

	if (sandbox_1_namespaces(&box, role) || sandbox_2_lock(&box))
		_exit(2);
	(void)syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
	_exit(0);
}

/* Return: 1 it is let through, 0 it kills, or -1 */
static int probe(enum sandbox_role role, int nr)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (pid == 0)
		in_child(role, nr);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 2 ? -1 : 1;
}

static int probe_all(enum sandbox_role role)
{
	for (int nr = 0; nr < NUMBERS_MAX; nr++) {
		char *name =
			seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		int rc = probe(role, nr);

		if (rc && name)
			printf("%s%s\n", name, rc < 0 ? ": failed" : "");
		else if (rc)
			printf("%d%s\n", nr, rc < 0 ? ": failed" : "");
		(void)fflush(stdout); /* children inherit what is left */
		free(name);
		if (rc < 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const roles[] = {
		[SANDBOX_NETSTACK] = "netstack",
		[SANDBOX_PORTFWD] = "portfwd",
		[SANDBOX_MAKER] = "maker",
	};

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(roles); i++)
		if (strcmp(argv[1], roles[i]) == 0)
			return probe_all((enum sandbox_role)i);
	(void)fprintf(stderr, "usage: sandbox_probe netstack|portfwd|maker\n");
	return 2;
}
