// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NUL-terminated strings: the format, how many words and variables follow, the
 * directory, the verb, the words, the variables. The variables of agents are
 * left out: they name sockets of a session that may be over by then.
 */
#include "setup/state/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/pod/env.h"

#define FORMAT	  "podsplice 2"
#define BYTES_MAX (16U << 20) /* the kernel takes less for an execve() */

static void put(FILE *f, const char *s)
{
	(void)fwrite(s, 1, strlen(s) + 1, f); /* ferror() tells */
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static void put_all(FILE *f, const char *verb, char *const *words,
		    char *const *env, const char *cwd)
{
	put(f, FORMAT);
	(void)fprintf(f, "%zu%c%zu%c", count(words), 0, count(env), 0);
	put(f, cwd);
	put(f, verb);
	for (; *words; words++)
		put(f, *words);
	for (; *env; env++)
		put(f, *env);
}

int recipe_save(int dir, const char *verb, char *const *words)
{
	char cwd[PATH_MAX];
	char **env = env_inherit(environ);
	int fd = openat(dir, RECIPE,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int rc = 0;

	if (!f || !env || !getcwd(cwd, sizeof(cwd)))
		rc = log_errno(env ? errno : ENOMEM, "save what to start");
	else
		put_all(f, verb, words, env, cwd);
	if (f && (ferror(f) | fclose(f)) && !rc)
		rc = log_errno(errno, "save what to start");
	else if (!f)
		fd_drop(&fd);
	free(env);
	return rc;
}

/* The next string, or NULL at the end. */
static char *next(char **at, const char *end)
{
	char *s = *at;
	char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return s;
}

static int next_number(char **at, const char *end, size_t *out)
{
	uint64_t n;
	const char *s = next(at, end);

	if (!s || parse_uint(s, 0, BYTES_MAX, &n))
		return -EINVAL;
	*out = (size_t)n;
	return 0;
}

/* A NULL-terminated list of the next @n strings, or NULL. */
static char **next_list(char **at, const char *end, size_t n)
{
	char **list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; list && i < n; i++) {
		list[i] = next(at, end);
		if (!list[i]) {
			free(list);
			return NULL;
		}
	}
	return list;
}

static int parse(struct recipe *r, size_t len)
{
	const char *format, *end = r->text + len;
	char *at = r->text;
	size_t n_words, n_env;

	format = next(&at, end);
	if (!format || strcmp(format, FORMAT) != 0 ||
	    next_number(&at, end, &n_words) || next_number(&at, end, &n_env))
		return -EINVAL;
	r->cwd = next(&at, end);
	r->verb = next(&at, end);
	r->words = next_list(&at, end, n_words);
	r->env = next_list(&at, end, n_env);
	return r->cwd && r->verb && r->words && r->env ? 0 : -EINVAL;
}

int recipe_load(int dir, struct recipe *out)
{
	scoped_fd fd = openat(dir, RECIPE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;
	int rc;

	*out = (struct recipe){ 0 };
	if (fd < 0 || fstat(fd, &st))
		return log_errno(errno, "what to start");
	if ((uint64_t)st.st_size <= BYTES_MAX)
		out->text = malloc((size_t)st.st_size + 1);
	if (out->text)
		n = read(fd, out->text, (size_t)st.st_size);
	rc = n < 0 ? -EINVAL : parse(out, (size_t)n);
	if (rc) {
		log_error("what to start: can't be understood (remove it, and "
			  "run it anew)");
		recipe_drop(out);
	}
	return rc;
}

void recipe_drop(struct recipe *r)
{
	free(r->words);
	free(r->env);
	free(r->text);
	*r = (struct recipe){ 0 };
}
