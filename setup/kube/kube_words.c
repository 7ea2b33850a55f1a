// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In command, args and the values of env, $(NAME) is a variable that the
 * container's env has by then, $$ is $, and what is neither stays as it is.
 */
#include "setup/kube/kube_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"
#include "portfwd/spec.h"
#include "setup/cli/config_net.h"

/* ---- lists of words ---- */

static int add(struct kube_texts *t, const char *word)
{
	return kube_texts_take(t, strdup(word));
}

static int add_option(struct kube_texts *t, const char *option,
		      const char *value)
{
	int rc = add(t, option);

	return rc ? rc : add(t, value);
}

static int add_format(struct kube_texts *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int add_format(struct kube_texts *t, const char *fmt, ...)
{
	char *word;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&word, fmt, ap);
	va_end(ap);
	return kube_texts_take(t, n < 0 ? NULL : word);
}

/* The NULL behind the last one, for who takes it for an argv. */
static int finish(struct kube_texts *t)
{
	char **all = config_grow(t->all, t->n, sizeof(*all));

	if (!all)
		return -ENOMEM;
	t->all = all;
	all[t->n] = NULL;
	return 0;
}

/* ---- variables ---- */

/* The value in the last "NAME=VALUE" of @vars, or NULL */
static const char *value_of(const struct kube_texts *vars, const char *name,
			    size_t len)
{
	for (size_t i = vars->n; i-- > 0;)
		if (strncmp(vars->all[i], name, len) == 0 &&
		    vars->all[i][len] == '=')
			return vars->all[i] + len + 1;
	return NULL;
}

/* What begins with '$' at @at, to @f. Return: what follows it */
static const char *expand_one(FILE *f, const struct kube_texts *vars,
			      const char *at)
{
	const char *end = at[1] == '(' ? strchr(at, ')') : NULL;
	const char *value =
		end ? value_of(vars, at + 2, (size_t)(end - at) - 2) : NULL;

	if (!end) {
		(void)fputc('$', f);
		return at + (at[1] == '$' ? 2 : 1);
	}
	if (value)
		(void)fputs(value, f);
	else /* whatever may be within it */
		(void)fwrite(at, 1, (size_t)(end - at) + 1, f);
	return end + 1;
}

/* Return: a new text, or NULL: no memory */
static char *expand(const struct kube_texts *vars, const char *prefix,
		    const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	(void)fputs(prefix, f);
	while (*text) {
		size_t plain = strcspn(text, "$");

		(void)fwrite(text, 1, plain, f);
		text += plain;
		if (*text)
			text = expand_one(f, vars, text);
	}
	if (fclose(f)) {
		free(out);
		out = NULL;
	}
	return out;
}

static int make_vars(struct kube_texts *vars, const struct kube_container *c)
{
	int rc = 0;

	for (size_t i = 0; i < c->n_env && !rc; i++) {
		char *name;

		if (asprintf(&name, "%s=", c->env[i].name) < 0)
			return log_errno(ENOMEM, "words of a container");
		rc = kube_texts_take(vars, expand(vars, name, c->env[i].value));
		free(name);
	}
	return rc;
}

static int add_expanded(struct kube_texts *out, const struct kube_texts *vars,
			const struct kube_texts *texts)
{
	int rc = 0;

	for (size_t i = 0; i < texts->n && !rc; i++)
		rc = kube_texts_take(out, expand(vars, "", texts->all[i]));
	return rc;
}

/* ---- pod create ---- */

static int add_all(struct kube_texts *out, const char *option,
		   const struct kube_texts *values)
{
	int rc = 0;

	for (size_t i = 0; i < values->n && !rc; i++)
		rc = add_option(out, option, values->all[i]);
	return rc;
}

int kube_words_pod(struct kube_texts *out, const struct kube_pod *pod)
{
	int rc = add_option(out, "--name", pod->name);

	if (!rc && pod->hostname)
		rc = add_option(out, "--hostname", pod->hostname);
	if (!rc && pod->share_pids)
		rc = add_option(out, "--share", "net,ipc,uts,pid");
	if (!rc)
		rc = add_all(out, "--dns", &pod->nameservers);
	if (!rc)
		rc = add_all(out, "--dns-search", &pod->searches);
	return rc ? rc : finish(out);
}

/* ---- run ---- */

static int add_life(struct kube_texts *out, const struct kube_pod *pod,
		    const struct kube_container *c, bool init)
{
	static const char *const when[KUBE_RESTART_N] = {
		[KUBE_RESTART_ALWAYS] = "always",
		[KUBE_RESTART_ON_FAILURE] = "on-failure",
		[KUBE_RESTART_NEVER] = "no",
	};
	int rc = add_option(out, "--pod", pod->name);

	if (!rc)
		rc = add(out, "--name");
	if (!rc)
		rc = add_format(out, "%s-%s", pod->name, c->name);
	if (rc || init)
		return rc;
	rc = add(out, "--detach");
	return rc ? rc : add_option(out, "--restart", when[pod->restart]);
}

static int add_files(struct kube_texts *out, const struct kube_pod *pod,
		     const struct kube_container *c,
		     const struct kube_place *place)
{
	int rc = 0;

	if (place->rootfs)
		rc = add_option(out, "--rootfs", place->rootfs);
	if (!rc && place->rootfs && c->image[0] != '/')
		rc = add_option(out, "--image", c->image);
	for (size_t i = 0; i < c->n_mounts && !rc; i++) {
		const struct kube_mount *m = &c->mounts[i];
		const struct kube_volume *v = &pod->volumes[m->volume];
		const char *mode = m->read_only ? ":ro" : "";

		rc = add(out, "--volume");
		if (!rc && v->path)
			rc = add_format(out, "%s:%s%s", v->path, m->path, mode);
		else if (!rc)
			rc = add_format(out, "%s%s:%s%s", place->scratch,
					v->name, m->path, mode);
	}
	return rc;
}

static int add_ports(struct kube_texts *out, const struct kube_container *c)
{
	char text[SPEC_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < c->n_ports && !rc; i++) {
		const struct kube_port *p = &c->ports[i];
		const struct spec spec = {
			.proto = p->udp ? SPEC_UDP : SPEC_TCP,
			.host_addr = p->host_ip,
			.host_port = p->host,
			.pod_port = p->container,
			.count = 1,
		};

		if (p->host)
			rc = add_option(out, "--publish",
					spec_format(&spec, text, sizeof(text)));
	}
	return rc;
}

static int add_command(struct kube_texts *out, const struct kube_container *c)
{
	struct kube_texts vars = { 0 };
	int rc = make_vars(&vars, c);

	if (!rc)
		rc = add_all(out, "--env", &vars);
	if (!rc && c->workdir)
		rc = add_option(out, "--workdir", c->workdir);
	if (!rc && c->in)
		rc = add(out, "--interactive");
	if (!rc && c->tty)
		rc = add(out, "--tty");
	if (!rc)
		rc = add(out, "--");
	if (!rc)
		rc = add_expanded(out, &vars, &c->command);
	if (!rc)
		rc = add_expanded(out, &vars, &c->args);
	kube_texts_drop(&vars);
	return rc;
}

int kube_words_run(struct kube_texts *out, const struct kube_pod *pod,
		   const struct kube_container *c,
		   const struct kube_place *place)
{
	int rc = add_life(out, pod, c, place->init);

	if (!rc)
		rc = add_files(out, pod, c, place);
	if (!rc)
		rc = add_ports(out, c);
	if (!rc)
		rc = add_command(out, c);
	return rc ? rc : finish(out);
}
