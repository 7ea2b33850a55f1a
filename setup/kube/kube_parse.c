// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fields, a table for each mapping. Those of which others speak come first
 * in it: a pod's volumes are known when its containers are read.
 */
#include "setup/kube/kube_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/cli/config_net.h"
#include "setup/kube/kube_yaml.h"
#include "setup/state/state.h"

/* ---- ports ---- */

static int take_port(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	uint16_t *out = at;
	uint64_t n = 0;
	int rc = kube_yaml_number(y, node, 1, UINT16_MAX, &n);

	*out = (uint16_t)n;
	return rc;
}

/* 0 means none, as it does there */
static int take_host_port(struct kube_yaml *y, const yaml_node_t *node,
			  void *at)
{
	uint16_t *out = at;
	uint64_t n = 0;
	int rc = kube_yaml_number(y, node, 0, UINT16_MAX, &n);

	*out = (uint16_t)n;
	return rc;
}

static int take_host_ip(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (!text || (*text && ip_parse(text, at)))
		return kube_yaml_refuse(y, node, "not an address");
	return 0;
}

static int take_proto(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	static const char *const words[] = { "TCP", "UDP" };
	bool *udp = at;
	int which = 0;
	int rc = kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);

	*udp = which == 1;
	return rc;
}

static const struct kube_field port_fields[] = {
	{ "containerPort", take_port, offsetof(struct kube_port, container),
	  true },
	{ "hostPort", take_host_port, offsetof(struct kube_port, host) },
	{ "hostIP", take_host_ip, offsetof(struct kube_port, host_ip) },
	{ "protocol", take_proto, offsetof(struct kube_port, udp) },
	{ "name", kube_yaml_any },
};

static int one_port(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_container *c = at;
	struct kube_port *all = config_grow(c->ports, c->n_ports, sizeof(*all));

	if (!all)
		return -ENOMEM;
	c->ports = all;
	all[c->n_ports] = (struct kube_port){ 0 };
	return kube_yaml_map(y, node, port_fields, ARRAY_SIZE(port_fields),
			     &all[c->n_ports++]);
}

static int take_ports(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, one_port, at);
}

/* ---- environment ---- */

static int take_env_name(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (!text || !*text || strchr(text, '='))
		return kube_yaml_refuse(y, node, "not a variable's name");
	return kube_yaml_text(y, node, at);
}

static const struct kube_field env_fields[] = {
	{ "name", take_env_name, offsetof(struct kube_env, name), true },
	{ "value", kube_yaml_text, offsetof(struct kube_env, value) },
};

static int one_env(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_container *c = at;
	struct kube_env *all = config_grow(c->env, c->n_env, sizeof(*all)), *e;
	int rc;

	if (!all)
		return -ENOMEM;
	c->env = all;
	e = &all[c->n_env++];
	*e = (struct kube_env){ 0 };
	rc = kube_yaml_map(y, node, env_fields, ARRAY_SIZE(env_fields), e);
	if (!rc && !e->value) {
		e->value = strdup("");
		rc = e->value ? 0 : log_errno(ENOMEM, "%s", y->file);
	}
	return rc;
}

static int take_env(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, one_env, at);
}

/* ---- volumes ---- */

static int take_label(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (!text || !kube_label_ok(text))
		return kube_yaml_refuse(
			y, node,
			"not a name (lower-case letters, digits and '-', at "
			"most %d)",
			KUBE_LABEL_MAX);
	return kube_yaml_text(y, node, at);
}

static int take_path_type(struct kube_yaml *y, const yaml_node_t *node,
			  void *at)
{
	enum kube_path *out = at;
	int which = 0;
	int rc = kube_yaml_word(y, node, kube_path_words, KUBE_PATH_N, &which);

	*out = (enum kube_path)which;
	return rc;
}

/* A path that a --volume can have in it. */
static int take_place(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (text && strchr(text, ':'))
		return kube_yaml_refuse(y, node, "a path with ':' in it");
	return kube_yaml_path(y, node, at);
}

static const struct kube_field host_path_fields[] = {
	{ "path", take_place, offsetof(struct kube_volume, path), true },
	{ "type", take_path_type, offsetof(struct kube_volume, type) },
};

static int take_host_path(struct kube_yaml *y, const yaml_node_t *node,
			  void *at)
{
	return kube_yaml_map(y, node, host_path_fields,
			     ARRAY_SIZE(host_path_fields), at);
}

/* The runtime directory, which is where they are, is in memory as a rule. */
static int take_medium(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	static const char *const words[] = { "", "Memory" };
	int which;

	(void)at;
	return kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);
}

static const struct kube_field empty_dir_fields[] = {
	{ "medium", take_medium },
};

static int take_empty_dir(struct kube_yaml *y, const yaml_node_t *node,
			  void *at)
{
	const struct kube_volume *v = at;

	if (v->path)
		return kube_yaml_refuse(y, node, "there is a hostPath, too");
	return kube_yaml_map(y, node, empty_dir_fields,
			     ARRAY_SIZE(empty_dir_fields), at);
}

/* One without a source is an empty directory, as it is there. */
static const struct kube_field volume_fields[] = {
	{ "name", take_label, offsetof(struct kube_volume, name), true },
	{ "hostPath", take_host_path, 0 },
	{ "emptyDir", take_empty_dir, 0 },
};

/* Return: the place of the volume called @name, or n_volumes */
static size_t volume_named(const struct kube_pod *pod, const char *name)
{
	size_t i = 0;

	while (i < pod->n_volumes && strcmp(pod->volumes[i].name, name) != 0)
		i++;
	return i;
}

static int one_volume(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_pod *pod = at;
	struct kube_volume *all =
		config_grow(pod->volumes, pod->n_volumes, sizeof(*all));
	struct kube_volume *v;
	int rc;

	if (!all)
		return -ENOMEM;
	pod->volumes = all;
	v = &all[pod->n_volumes++];
	*v = (struct kube_volume){ 0 };
	rc = kube_yaml_map(y, node, volume_fields, ARRAY_SIZE(volume_fields),
			   v);
	if (!rc && &all[volume_named(pod, v->name)] != v)
		rc = kube_yaml_refuse(y, node, "%s is there twice", v->name);
	return rc;
}

static int take_volumes(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, one_volume, at);
}

static int take_volume(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const struct kube_pod *pod = y->user;
	const char *text = kube_yaml_text_of(node);
	size_t *out = at;

	*out = text ? volume_named(pod, text) : pod->n_volumes;
	return *out < pod->n_volumes
		       ? 0
		       : kube_yaml_refuse(y, node,
					  "'%.64s' is no volume of the pod",
					  text ? text : "");
}

static const struct kube_field mount_fields[] = {
	{ "name", take_volume, offsetof(struct kube_mount, volume), true },
	{ "mountPath", take_place, offsetof(struct kube_mount, path), true },
	{ "readOnly", kube_yaml_bool, offsetof(struct kube_mount, read_only) },
};

static int one_mount(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_container *c = at;
	struct kube_mount *all =
		config_grow(c->mounts, c->n_mounts, sizeof(*all));

	if (!all)
		return -ENOMEM;
	c->mounts = all;
	all[c->n_mounts] = (struct kube_mount){ 0 };
	return kube_yaml_map(y, node, mount_fields, ARRAY_SIZE(mount_fields),
			     &all[c->n_mounts++]);
}

static int take_mounts(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, one_mount, at);
}

/* ---- containers ---- */

static const struct kube_field container_fields[] = {
	{ "name", take_label, offsetof(struct kube_container, name), true },
	{ "image", kube_yaml_text, offsetof(struct kube_container, image) },
	{ "command", kube_yaml_texts,
	  offsetof(struct kube_container, command) },
	{ "args", kube_yaml_texts, offsetof(struct kube_container, args) },
	{ "workingDir", kube_yaml_path,
	  offsetof(struct kube_container, workdir) },
	{ "env", take_env, 0 },
	{ "ports", take_ports, 0 },
	{ "volumeMounts", take_mounts, 0 },
	{ "stdin", kube_yaml_bool, offsetof(struct kube_container, in) },
	{ "tty", kube_yaml_bool, offsetof(struct kube_container, tty) },
	{ "resources", kube_yaml_empty },
};

static bool is_named(const struct kube_container *all, size_t n,
		     const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

/* What the fields of @c, which is among @pod's, can't tell one by one. */
static int check_container(const struct kube_yaml *y, const yaml_node_t *node,
			   const struct kube_container *c)
{
	const struct kube_pod *pod = y->user;
	size_t n_init = pod->n_init, n = pod->n_containers;

	/* the one at hand is the last of its sort */
	if (n)
		n--;
	else
		n_init--;
	if (is_named(pod->init, n_init, c->name) ||
	    is_named(pod->containers, n, c->name))
		return kube_yaml_refuse(y, node, "%s is there twice", c->name);
	if (strlen(pod->name) + 1 + strlen(c->name) > STATE_NAME_MAX)
		return kube_yaml_refuse(
			y, node, "%s-%s is too long for a name (at most %d)",
			pod->name, c->name, STATE_NAME_MAX);
	if (!c->command.n && !c->args.n)
		return kube_yaml_refuse(
			y, node,
			"no command (an image is a directory, which has none)");
	return 0;
}

/* @all: NULL-able array of @n; grown by one */
static int add_container(struct kube_yaml *y, const yaml_node_t *node,
			 struct kube_container **all, size_t *n)
{
	struct kube_container *more = config_grow(*all, *n, sizeof(*more));
	struct kube_container *c;
	int rc;

	if (!more)
		return -ENOMEM;
	*all = more;
	c = &more[(*n)++];
	*c = (struct kube_container){ 0 };
	rc = kube_yaml_map(y, node, container_fields,
			   ARRAY_SIZE(container_fields), c);
	return rc ? rc : check_container(y, node, c);
}

static int one_init(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_pod *pod = at;

	return add_container(y, node, &pod->init, &pod->n_init);
}

static int one_container(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_pod *pod = at;

	return add_container(y, node, &pod->containers, &pod->n_containers);
}

static int take_init(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, one_init, at);
}

static int take_containers(struct kube_yaml *y, const yaml_node_t *node,
			   void *at)
{
	return kube_yaml_list(y, node, one_container, at);
}

/* ---- the pod ---- */

static int take_restart(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	enum kube_restart *out = at;
	int which = 0;
	int rc = kube_yaml_word(y, node, kube_restart_words, KUBE_RESTART_N,
				&which);

	*out = (enum kube_restart)which;
	return rc;
}

static int one_address(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);
	struct ip ip;

	(void)at;
	return text && !ip_parse(text, &ip)
		       ? 0
		       : kube_yaml_refuse(y, node, "not an address");
}

static int take_nameservers(struct kube_yaml *y, const yaml_node_t *node,
			    void *at)
{
	int rc = kube_yaml_list(y, node, one_address, NULL);

	return rc ? rc : kube_yaml_texts(y, node, at);
}

static const struct kube_field dns_fields[] = {
	{ "nameservers", take_nameservers,
	  offsetof(struct kube_pod, nameservers) },
	{ "searches", kube_yaml_texts, offsetof(struct kube_pod, searches) },
};

static int take_dns(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_map(y, node, dns_fields, ARRAY_SIZE(dns_fields), at);
}

/* What dnsConfig has comes before what the host has, by whatever policy. */
static int take_dns_policy(struct kube_yaml *y, const yaml_node_t *node,
			   void *at)
{
	static const char *const words[] = { "ClusterFirst", "Default",
					     "None" };
	const struct kube_pod *pod = at;
	int which = 0;
	int rc = kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);

	if (!rc && which == 2 && !pod->nameservers.n)
		rc = kube_yaml_refuse(y, node,
				      "None, without dnsConfig.nameservers");
	return rc;
}

static const struct kube_field spec_fields[] = {
	{ "restartPolicy", take_restart, offsetof(struct kube_pod, restart) },
	{ "hostname", take_label, offsetof(struct kube_pod, hostname) },
	{ "shareProcessNamespace", kube_yaml_bool,
	  offsetof(struct kube_pod, share_pids) },
	{ "dnsConfig", take_dns, 0 },
	{ "dnsPolicy", take_dns_policy, 0 },
	{ "volumes", take_volumes, 0 },
	{ "initContainers", take_init, 0 },
	{ "containers", take_containers, 0, true },
};

static int take_spec(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	struct kube_pod *pod = at;
	int rc = kube_yaml_map(y, node, spec_fields, ARRAY_SIZE(spec_fields),
			       pod);

	if (!rc && !pod->n_containers)
		rc = kube_yaml_refuse(y, node, "no containers");
	return rc;
}

static int take_pod_name(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (!text || !state_name_ok(text))
		return kube_yaml_refuse(
			y, node,
			"not a name (lower-case letters, digits, '-' and '.', "
			"at most %d)",
			STATE_NAME_MAX);
	return kube_yaml_text(y, node, at);
}

static const struct kube_field metadata_fields[] = {
	{ "name", take_pod_name, offsetof(struct kube_pod, name), true },
	{ "labels", kube_yaml_any },
	{ "annotations", kube_yaml_any },
	{ "creationTimestamp", kube_yaml_any },
};

static int take_metadata(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_map(y, node, metadata_fields,
			     ARRAY_SIZE(metadata_fields), at);
}

static int take_version(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	static const char *const words[] = { "v1" };
	int which;

	(void)at;
	return kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);
}

/* Others are left out before, or check_kind() has refused them. */
static int take_kind(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	static const char *const words[] = { "Pod" };
	int which;

	(void)at;
	return kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);
}

static const struct kube_field pod_fields[] = {
	{ "apiVersion", take_version, 0, true }, { "kind", take_kind, 0, true },
	{ "metadata", take_metadata, 0, true },	 { "spec", take_spec, 0, true },
	{ "status", kube_yaml_empty },
};

/* ---- documents ---- */

/* Return: 0, 1: it is another one, which is left out; or -EINVAL, logged */
static int check_kind(const struct kube_yaml *y, const yaml_node_t *root)
{
	const yaml_node_t *node = kube_yaml_get(y, root, "kind");
	const char *kind = node ? kube_yaml_text_of(node) : NULL;

	if (!kind || strcmp(kind, "Pod") == 0)
		return 0; /* what is missing is said with the other fields */
	if (!y->lax)
		return kube_yaml_refuse(
			y, node,
			"kind: %.64s is not supported, only Pod (--lax leaves "
			"such documents out)",
			kind);
	log_warn("%s:%zu: kind: %.64s is not supported, left out", y->file,
		 node->start_mark.line + 1, kind);
	return 1;
}

static int one_pod(struct kube_yaml *y, const yaml_node_t *root, void *at)
{
	struct kube_file *file = at;
	struct kube_pod *all, *pod;
	int rc = check_kind(y, root);

	if (rc)
		return rc > 0 ? 0 : rc;
	all = config_grow(file->pods, file->n_pods, sizeof(*all));
	if (!all)
		return -ENOMEM;
	file->pods = all;
	y->user = pod = &all[file->n_pods++];
	*pod = (struct kube_pod){ 0 };
	rc = kube_yaml_map(y, root, pod_fields, ARRAY_SIZE(pod_fields), pod);
	for (size_t i = 0; !rc && &all[i] != pod; i++)
		if (strcmp(all[i].name, pod->name) == 0)
			rc = kube_yaml_refuse(y, root, "%s is there twice",
					      pod->name);
	return rc;
}

int kube_no_pod(const char *file)
{
	log_error("%s: no pod in it", file);
	return -EINVAL;
}

int kube_parse(struct kube_file *out, const char *text, size_t len,
	       const char *file, bool lax)
{
	struct kube_yaml y = { .file = file, .lax = lax };
	int rc;

	*out = (struct kube_file){ 0 };
	rc = kube_yaml_each(&y, text, len, one_pod, out);
	if (!rc && !out->n_pods)
		rc = kube_no_pod(file);
	return rc;
}
