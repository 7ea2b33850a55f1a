// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was asked for is known from the words; most options have a field that
 * says the same. The others are found by going over the words once more.
 */
#include "setup/kube/kube_describe.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/cli/config_files.h"
#include "setup/cli/config_net.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"

static int no_memory(const struct kube_pod *pod)
{
	return log_errno(ENOMEM, "%s", pod->name ? pod->name : "pod");
}

/* ---- what a file can't say ---- */

/* Options that have a field, and those that mean nothing there. */
static const char *const said[] = {
	"detach",      "dns",	   "dns-search", "env",	 "hostname", "image",
	"interactive", "log-file", "log-level",	 "name", "pod",	     "publish",
	"restart",     "rootfs",   "share",	 "tty",	 "volume",   "workdir",
};

static bool is_said(const struct opt *opt)
{
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (strcmp(said[i], opt->name) == 0)
			return true;
	return false;
}

struct unsaid {
	char list[256];
	size_t len;
};

static void add_unsaid(struct unsaid *u, const char *option)
{
	char word[48];

	(void)snprintf(word, sizeof(word), " --%s", option);
	if (u->len + strlen(word) < sizeof(u->list) && !strstr(u->list, word))
		u->len += (size_t)snprintf(
			u->list + u->len, sizeof(u->list) - u->len, "%s", word);
}

static void on_option(void *arg, const struct opt *opt)
{
	if (!is_said(opt))
		add_unsaid(arg, opt->name);
}

/* All options of the words that have made it, by whatever verb. */
static void add_options(struct unsaid *u, const struct run_config *cfg)
{
	bool is_run = strcmp(cfg->verb, "run") == 0;
	const struct opt_group groups[] = {
		{ is_run ? &config_run_opts : &config_pod_opts, NULL },
		{ &config_net_opts, NULL },
		{ &config_global_opts, NULL },
		{ &config_files_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = cfg->verb,
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups) - !is_run,
		.first_ends = is_run,
		.seen = on_option,
		.seen_arg = u,
	};
	char **rest;

	/* they were parsed before, so they can be, and stay as they are */
	(void)opt_parse(&cmd, (char **)(uintptr_t)cfg->words, &rest);
}

static void tell_unsaid(const struct unsaid *u, const char *name)
{
	if (u->len)
		log_warn("%s: not in the file:%s", name, u->list);
}

/* ---- the pod ---- */

static int describe_dns(struct kube_pod *out, const struct net_config *net)
{
	char text[ADDR_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < net->n_dns && !rc; i++)
		rc = kube_texts_take(&out->nameservers,
				     strdup(ip_format(&net->dns[i], text)));
	for (size_t i = 0; i < net->n_search && !rc; i++)
		rc = kube_texts_take(&out->searches, strdup(net->search[i]));
	return rc;
}

int kube_describe_pod(struct kube_pod *out, const struct kube_made *pod)
{
	static const int shared = CLONE_NEWIPC | CLONE_NEWUTS;
	const struct run_config *cfg = pod->cfg;
	struct unsaid u = { 0 };

	*out = (struct kube_pod){ .share_pids = cfg->share & CLONE_NEWPID };
	out->name = strdup(pod->name);
	if (!out->name)
		return no_memory(out);
	/* a file's has no dots, and is in lower case */
	if (cfg->hostname && !kube_label_ok(cfg->hostname)) {
		add_unsaid(&u, "hostname");
	} else if (cfg->hostname) {
		out->hostname = strdup(cfg->hostname);
		if (!out->hostname)
			return no_memory(out);
	}
	/* `run --pod new:` is its container's, which tells of them */
	if (strcmp(cfg->verb, "run") != 0)
		add_options(&u, cfg);
	if ((cfg->share & shared) != shared)
		add_unsaid(&u, "share");
	tell_unsaid(&u, pod->name);
	return describe_dns(out, &cfg->net);
}

/* ---- containers ---- */

/* What $( and $$ are in the words of a file. Return: to be freed, or NULL */
static char *escape(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *to = out;

	for (; out && *text; text++) {
		*to++ = *text;
		if (*text == '$' && (text[1] == '(' || text[1] == '$'))
			*to++ = '$';
	}
	if (out)
		*to = '\0';
	return out;
}

/* Without the pod's name before it, and as a label. */
static int describe_name(const struct kube_pod *pod, struct kube_container *c,
			 const char *name)
{
	size_t len = strlen(pod->name);

	if (strncmp(name, pod->name, len) == 0 && name[len] == '-')
		name += len + 1;
	c->name = strdup(name);
	if (!c->name)
		return no_memory(pod);
	for (char *p = c->name; *p; p++)
		if (*p == '_' || *p == '.')
			*p = '-';
	for (size_t i = 0; &pod->containers[i] != c; i++) {
		if (strcmp(pod->containers[i].name, c->name) != 0)
			continue;
		log_error("%s: there are two containers that a file calls %s",
			  pod->name, c->name);
		return -EEXIST;
	}
	if (kube_label_ok(c->name))
		return 0;
	log_error("%s: no name for a container in a file", name);
	return -EINVAL;
}

static int describe_image(const struct kube_pod *pod, struct kube_container *c,
			  const struct kube_made *made, struct unsaid *u)
{
	const struct run_config *cfg = made->cfg;
	const char *dir = cfg->rootfs;
	int n;

	if (!dir)
		return 0;
	if (cfg->image)
		n = asprintf(&c->image, "%s", cfg->image);
	else
		n = asprintf(&c->image, "%s%s%s", *dir == '/' ? "" : made->cwd,
			     *dir == '/' ? "" : "/", dir);
	if (n < 0) {
		c->image = NULL;
		return no_memory(pod);
	}
	if (!cfg->image && cfg->root_mode != ROOT_PLAIN)
		add_unsaid(u, "rootfs :ro, :O");
	return 0;
}

static int describe_command(const struct kube_pod *pod,
			    struct kube_container *c,
			    const struct kube_made *made)
{
	const struct run_config *cfg = made->cfg;
	/* without a root of its own it starts where it was said */
	const char *dir = cfg->workdir	? cfg->workdir
			  : cfg->rootfs ? NULL
					: made->cwd;
	int rc = 0;

	if (dir) {
		c->workdir = strdup(dir);
		rc = c->workdir ? 0 : no_memory(pod);
	}
	for (char *const *word = cfg->argv; *word && !rc; word++)
		rc = kube_texts_take(&c->command, escape(*word));
	c->in = cfg->interactive;
	c->tty = cfg->tty;
	return rc;
}

static int describe_env(const struct kube_pod *pod, struct kube_container *c,
			const struct run_config *cfg)
{
	for (size_t i = 0; i < cfg->n_env; i++) {
		const char *value = strchr(cfg->env[i], '=');
		struct kube_env *all =
			config_grow(c->env, c->n_env, sizeof(*all));
		struct kube_env *e;

		if (!all)
			return -ENOMEM;
		c->env = all;
		e = &all[c->n_env++];
		e->name = strndup(cfg->env[i], (size_t)(value - cfg->env[i]));
		e->value = escape(value + 1);
		if (!e->name || !e->value)
			return no_memory(pod);
	}
	return 0;
}

/* ---- ports ---- */

static int add_port(struct kube_container *c, const struct spec *s,
		    uint16_t nth)
{
	struct kube_port *all = config_grow(c->ports, c->n_ports, sizeof(*all));

	if (!all)
		return -ENOMEM;
	c->ports = all;
	all[c->n_ports++] = (struct kube_port){
		.container = (uint16_t)(s->pod_port + nth),
		.host = s->host_port ? (uint16_t)(s->host_port + nth) : 0,
		.host_ip = s->host_addr,
		.udp = s->proto == SPEC_UDP,
	};
	return 0;
}

static bool has_more(const struct spec *s)
{
	return !s->host_port || s->ifname[0] || s->source || s->proxy ||
	       s->max_flows || s->idle_s;
}

static int describe_ports(struct kube_container *c,
			  const struct net_config *net, const char *name)
{
	char text[SPEC_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < net->n_specs && !rc; i++) {
		const struct spec *s = &net->specs[i];

		if (has_more(s))
			log_warn("%s: --publish %s: not all of it is in the "
				 "file",
				 name, spec_format(s, text, sizeof(text)));
		for (uint16_t nth = 0; nth < s->count && !rc; nth++)
			rc = add_port(c, s, nth);
	}
	return rc;
}

/* ---- volumes ---- */

static bool is_volume(const struct kube_volume *v, const struct volume *src,
		      const char *scratch)
{
	size_t len = strlen(scratch);

	if (v->path)
		return strcmp(v->path, src->src) == 0;
	return strncmp(src->src, scratch, len) == 0 &&
	       strcmp(src->src + len, v->name) == 0;
}

static bool is_taken(const struct kube_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->n_volumes; i++)
		if (strcmp(pod->volumes[i].name, name) == 0)
			return true;
	return false;
}

/* Return: 0 or -errno, logged */
static int add_volume(struct kube_pod *pod, const struct volume *src,
		      const char *scratch)
{
	struct kube_volume *all =
		config_grow(pod->volumes, pod->n_volumes, sizeof(*all));
	size_t len = strlen(scratch), n = pod->n_volumes;
	bool empty = strncmp(src->src, scratch, len) == 0 &&
		     kube_label_ok(src->src + len);
	struct kube_volume v = { 0 };
	char name[32];

	if (!all)
		return -ENOMEM;
	pod->volumes = all;
	do
		(void)snprintf(name, sizeof(name), "host-%zu", n++);
	while (is_taken(pod, name));
	v.name = strdup(empty ? src->src + len : name);
	v.path = empty ? NULL : strdup(src->src);
	all[pod->n_volumes++] = v;
	return v.name && (v.path || empty) ? 0 : no_memory(pod);
}

static int add_mount(struct kube_pod *pod, struct kube_container *c,
		     const struct volume *src, const char *scratch)
{
	struct kube_mount *all =
		config_grow(c->mounts, c->n_mounts, sizeof(*all));
	size_t i = 0;
	int rc = 0;

	if (!all)
		return -ENOMEM;
	c->mounts = all;
	while (i < pod->n_volumes && !is_volume(&pod->volumes[i], src, scratch))
		i++;
	if (i == pod->n_volumes)
		rc = add_volume(pod, src, scratch);
	if (rc)
		return rc;
	all[c->n_mounts] = (struct kube_mount){ .volume = i,
						.path = strdup(src->dst),
						.read_only = src->read_only };
	return all[c->n_mounts++].path ? 0 : no_memory(pod);
}

/* ---- one of them ---- */

/* The pod's is what the first one has. */
static void describe_restart(struct kube_pod *pod, const struct run_config *cfg,
			     struct unsaid *u)
{
	static const enum kube_restart when[] = {
		[RESTART_NO] = KUBE_RESTART_NEVER,
		[RESTART_ON_FAILURE] = KUBE_RESTART_ON_FAILURE,
		[RESTART_ALWAYS] = KUBE_RESTART_ALWAYS,
	};

	if (pod->n_containers == 1)
		pod->restart = when[cfg->restart];
	else if (pod->restart != when[cfg->restart])
		add_unsaid(u, "restart");
}

int kube_describe_container(struct kube_pod *out, const struct kube_made *pod,
			    const struct kube_made *made, const char *scratch)
{
	struct unsaid u = { 0 };
	struct kube_container *all, *c;
	int rc;

	if (made->cfg->bundle_dir) {
		log_error("%s: is made of a bundle, which no file can say "
			  "(--bundle)",
			  made->name);
		return -EINVAL;
	}
	all = config_grow(out->containers, out->n_containers, sizeof(*all));
	if (!all)
		return -ENOMEM;
	out->containers = all;
	c = &all[out->n_containers++];
	*c = (struct kube_container){ 0 };
	rc = describe_name(out, c, made->name);
	if (!rc)
		rc = describe_image(out, c, made, &u);
	if (!rc)
		rc = describe_command(out, c, made);
	if (!rc)
		rc = describe_env(out, c, made->cfg);
	if (!rc && out->n_containers == 1)
		rc = describe_ports(c, &pod->cfg->net, pod->name);
	/* in a pod that was made for it they were the pod's */
	if (!rc && !made->cfg->new_pod)
		rc = describe_ports(c, &made->cfg->net, made->name);
	if (!made->cfg->new_pod && made->cfg->hostname)
		add_unsaid(&u, "hostname");
	for (size_t i = 0; i < made->cfg->n_volumes && !rc; i++)
		rc = add_mount(out, c, &made->cfg->volumes[i], scratch);
	describe_restart(out, made->cfg, &u);
	add_options(&u, made->cfg);
	if (!rc)
		tell_unsaid(&u, made->name);
	return rc;
}
