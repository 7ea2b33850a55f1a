/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Generators in processes of their own, as in real use. Behind cmocka.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/load.h"

#define ARGS_MAX   12
#define OUTPUT_MAX 4096

/* Runs a generator in a child; Return: the read end of its stdout. */
static inline int start(const char *const *args, pid_t *pid)
{
	static char verb[] = "bench-load";
	char *argv[ARGS_MAX + 2] = { verb };
	int out[2], argc = 1;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	assert_int_equal(pipe(out), 0);
	(void)fflush(NULL);
	*pid = fork();
	assert_true(*pid >= 0);
	if (*pid == 0) {
		/* lost when the parent ends before this; the guards remain */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)close(out[0]);
		(void)close(out[1]);
		_exit(bench_load_main(argc, argv));
	}
	(void)close(out[1]);
	return out[0];
}

/* To its end; Return: its exit status */
static inline int run(char *output, const char *const *args)
{
	size_t len = 0;
	ssize_t n;
	int status = 0;
	pid_t pid;
	int fd = start(args, &pid);

	while ((n = read(fd, output + len, OUTPUT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	output[len] = '\0';
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(output, ...) run(output, (const char *const[]){ __VA_ARGS__, NULL })

static inline double number(const char *json, const char *key)
{
	const char *at = strstr(json, key);

	assert_non_null(at);
	return strtod(at + strlen(key), NULL);
}
