// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A list of "K=V" strings that aren't copied: they are the caller's own
 * environment or live as long as the configuration. The lists are short, so
 * names are searched one by one.
 *
 * Without a rootfs the command is one of the user's programs among the user's
 * files, and gets the user's environment. With one, the user's variables name
 * what isn't there, so it starts from nothing, as podman has it.
 */
#include "setup/pod/env.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "setup/pod/agents.h"

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && memcmp(a, b, len) == 0;
}

const char *env_get(char *const *env, const char *name)
{
	for (; *env; env++) {
		const char *value = strchr(*env, '=');

		if (value && same_name(*env, name))
			return value + 1;
	}
	return NULL;
}

static size_t count(char *const *env)
{
	size_t n = 0;

	while (env && env[n])
		n++;
	return n;
}

char **env_add(char **env, const char *const *add, size_t n)
{
	size_t len = count(env);
	char **out = realloc(env, (len + n + 1) * sizeof(*out));

	if (!out) {
		free(env);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		if (!strchr(add[i], '='))
			continue;
		while (at < len && !same_name(out[at], add[i]))
			at++;
		/* execve(2) wants "char *" but doesn't write to it */
		out[at] = (char *)(uintptr_t)add[i];
		if (at == len)
			len++;
	}
	out[len] = NULL;
	return out;
}

char **env_inherit(char *const *env)
{
	char **out = malloc((count(env) + 1) * sizeof(*out));
	size_t len = 0;

	if (!out)
		return NULL;
	for (; *env; env++)
		if (!agents_hides(*env))
			out[len++] = *env;
	out[len] = NULL;
	return out;
}

static char **env_clean(const struct run_config *run)
{
	static const char path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
				   "/usr/sbin:/usr/bin:/sbin:/bin";
	static const char key[] = "HOSTNAME=";
	const char *const first[] = { path, "HOME=/root",
				      "container=podsplice" };
	const char *const term = "TERM=xterm";
	char buf[sizeof(key) + HOST_NAME_MAX] = "";
	size_t len = sizeof(key) - 1;
	char **env = env_add(NULL, first, ARRAY_SIZE(first));
	const char *hostname;

	memcpy(buf, key, len);
	if (env && !gethostname(buf + len, sizeof(buf) - len)) {
		/* the list only borrows; this one lives until execution */
		hostname = strdup(buf);
		env = hostname ? env_add(env, &hostname, 1) : env;
	}
	if (env && run->tty)
		env = env_add(env, &term, 1);
	return env;
}

static char **set_home(char **env, const char *home)
{
	char *var;

	if (asprintf(&var, "HOME=%s", home) < 0) {
		free(env);
		return NULL;
	}
	/* the list only borrows; this one lives until execution */
	return env_add(env, (const char *const *)&var, 1);
}

char **env_command(const struct run_config *run, const char *home)
{
	char **env = run->rootfs ? env_clean(run) : env_inherit(environ);

	if (env && home)
		env = set_home(env, home);
	return env ? env_add(env, run->env, run->n_env) : NULL;
}
