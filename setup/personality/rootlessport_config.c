// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A mapping of several protocols becomes a SPEC for each. Every wildcard means
 * both families, also 0.0.0.0, unless the protocol says which ("tcp4").
 *
 * Checks are in the original's order, so that of several errors the same one
 * is told.
 */
#include "setup/personality/rootlessport_config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "netstack/base/list.h"
#include "setup/cli/config_net.h"

__attribute__((format(printf, 2, 3))) static int fail(char *err,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err, ROOTLESSPORT_ERR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- values: 0 or -EINVAL ---- */

/* Return: NULL: it isn't there, or null */
static json_t *member(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_null(v) ? NULL : v;
}

/* @out: borrowed from @obj */
static int get_string(const json_t *obj, const char *key, const char **out,
		      char *err)
{
	const json_t *v = member(obj, key);

	*out = v ? json_string_value(v) : "";
	return *out ? 0 : fail(err, "%s: not a string", key);
}

static int get_int(const json_t *obj, const char *key, json_int_t min,
		   json_int_t max, int *out, char *err)
{
	const json_t *v = member(obj, key);
	json_int_t n = json_integer_value(v);

	*out = 0;
	if (!v)
		return 0;
	if (!json_is_integer(v) || n < min || n > max)
		return fail(err, "%s: not a number that fits", key);
	*out = (int)n;
	return 0;
}

static int get_u16(const json_t *obj, const char *key, int *out, char *err)
{
	return get_int(obj, key, 0, UINT16_MAX, out, err);
}

static int get_fd(const json_t *obj, const char *key, int *out, char *err)
{
	return get_int(obj, key, INT_MIN, INT_MAX, out, err);
}

static int get_bool(const json_t *obj, const char *key, bool *out, char *err)
{
	const json_t *v = member(obj, key);

	*out = json_is_true(v);
	return !v || json_is_boolean(v) ? 0
					: fail(err, "%s: not a boolean", key);
}

static int copy_string(const json_t *obj, const char *key, char **out,
		       char *err)
{
	const char *s;
	int rc = get_string(obj, key, &s, err);

	if (rc)
		return rc;
	*out = strdup(s);
	return *out ? 0 : fail(err, "%s: %s", key, strerror(ENOMEM));
}

/* ---- mappings ---- */

struct mapping {
	const char *host_ip, *protocol;
	int host_port, pod_port, range;
};

static int get_mapping(const json_t *obj, struct mapping *m, char *err)
{
	int rc = json_is_object(obj) ? 0 : fail(err, "Mappings: not objects");

	if (!rc)
		rc = get_string(obj, "host_ip", &m->host_ip, err);
	if (!rc)
		rc = get_u16(obj, "container_port", &m->pod_port, err);
	if (!rc)
		rc = get_u16(obj, "host_port", &m->host_port, err);
	if (!rc)
		rc = get_u16(obj, "range", &m->range, err);
	return rc ? rc : get_string(obj, "protocol", &m->protocol, err);
}

/* Which family a protocol means: 0: that of the address, a wildcard is both. */
static int set_proto(struct rootlessport_port *p, const char *word, size_t len,
		     sa_family_t *family, char *err)
{
	static const struct {
		const char *word;
		enum spec_proto proto;
		sa_family_t family;
	} known[] = {
		{ "tcp", SPEC_TCP, 0 },		{ "tcp4", SPEC_TCP, AF_INET },
		{ "tcp6", SPEC_TCP, AF_INET6 }, { "udp", SPEC_UDP, 0 },
		{ "udp4", SPEC_UDP, AF_INET },	{ "udp6", SPEC_UDP, AF_INET6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].word) != len ||
		    strncmp(known[i].word, word, len) != 0)
			continue;
		(void)snprintf(p->proto, sizeof(p->proto), "%s", known[i].word);
		p->spec.proto = known[i].proto;
		*family = known[i].family;
		return 0;
	}
	return fail(err, "unknown proto: \"%.*s\"", len > 64 ? 64 : (int)len,
		    word);
}

static int set_parent(struct rootlessport_port *p, const char *text,
		      sa_family_t family, char *err)
{
	if (!*text)
		text = "0.0.0.0";
	if (*text == '[' || ip_parse(text, &p->parent))
		return fail(err, "invalid ParentIP: \"%.64s\"", text);
	p->parent = ip_unmap(&p->parent);
	p->spec.host_addr = p->parent;
	if (!ip_is_any(&p->parent)) {
		if (family && family != p->parent.family)
			return fail(err, "invalid ParentIP: \"%.64s\" for %s",
				    text, p->proto);
		return 0;
	}
	/* none but the family: a wildcard of it */
	p->spec.host_addr = (struct ip){ .family = family };
	return 0;
}

/* One protocol of @m, or none when its range is empty. */
static int add_port(struct rootlessport_config *cfg, const struct mapping *m,
		    const char *word, size_t len, char *err)
{
	struct rootlessport_port p = { 0 };
	struct rootlessport_port *more;
	sa_family_t family = 0;
	int rc;

	if (!m->range)
		return 0;
	rc = set_proto(&p, word, len, &family, err);
	if (!rc)
		rc = set_parent(&p, m->host_ip, family, err);
	if (rc)
		return rc;
	if (!m->host_port || m->host_port + m->range - 1 > UINT16_MAX)
		return fail(err, "invalid ParentPort: %d", m->host_port);
	if (!m->pod_port || m->pod_port + m->range - 1 > UINT16_MAX)
		return fail(err, "invalid ChildPort: %d", m->pod_port);
	p.spec.host_port = (uint16_t)m->host_port;
	p.spec.pod_port = (uint16_t)m->pod_port;
	p.spec.count = (uint16_t)m->range;
	more = config_grow(cfg->ports, cfg->n_ports, sizeof(*more));
	if (!more)
		return fail(err, "Mappings: %s", strerror(ENOMEM));
	cfg->ports = more;
	cfg->ports[cfg->n_ports++] = p;
	return 0;
}

static int add_mapping(struct rootlessport_config *cfg, const json_t *obj,
		       char *err)
{
	struct mapping m = { 0 };
	int rc = get_mapping(obj, &m, err);
	const char *word = m.protocol;

	while (!rc) {
		size_t len = strcspn(word, ",");

		rc = add_port(cfg, &m, word, len, err);
		if (!word[len])
			break;
		word += len + 1;
	}
	return rc;
}

static int add_mappings(struct rootlessport_config *cfg, const json_t *root,
			char *err)
{
	const json_t *list = member(root, "Mappings");
	int rc = 0;

	if (list && !json_is_array(list))
		return fail(err, "Mappings: not a list");
	for (size_t i = 0; i < json_array_size(list) && !rc; i++)
		rc = add_mapping(cfg, json_array_get(list, i), err);
	return rc;
}

/* ---- the whole ---- */

int rootlessport_child_parse(const char *text, struct ip *out, char *err)
{
	if (!*text)
		text = "127.0.0.1";
	if (*text == '[' || ip_parse(text, out))
		return fail(err, "invalid ChildIP: \"%.64s\"", text);
	*out = ip_unmap(out);
	return 0;
}

static int get_fds(struct rootlessport_config *cfg, const json_t *root,
		   char *err)
{
	int rc = get_fd(root, "ExitFD", &cfg->exit_fd, err);

	if (!rc)
		rc = get_fd(root, "ReadyFD", &cfg->ready_fd, err);
	if (!rc && !*cfg->netns)
		rc = fail(err, "missing NetNSPath");
	if (!rc && cfg->exit_fd <= 0)
		rc = fail(err, "missing ExitFD");
	if (!rc && cfg->ready_fd <= 0)
		rc = fail(err, "missing ReadyFD");
	return rc;
}

static int parse(struct rootlessport_config *cfg, const json_t *root, char *err)
{
	const char *child = "";
	int rc = copy_string(root, "NetNSPath", &cfg->netns, err);

	if (!rc)
		rc = copy_string(root, "TmpDir", &cfg->tmp_dir, err);
	if (!rc)
		rc = copy_string(root, "ContainerID", &cfg->container, err);
	if (!rc)
		rc = get_bool(root, "RootlessCNI", &cfg->reload, err);
	if (!rc)
		rc = get_string(root, "ChildIP", &child, err);
	if (!rc)
		rc = get_fds(cfg, root, err);
	if (!rc)
		rc = add_mappings(cfg, root, err);
	/* told for the first port there */
	return rc ? rc : rootlessport_child_parse(child, &cfg->child, err);
}

int rootlessport_config_parse(struct rootlessport_config *out, const char *text,
			      size_t len, char *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, 0, &why);
	int rc;

	*out = (struct rootlessport_config){ 0 };
	if (!root)
		return fail(err, "configuration: %s", why.text);
	rc = json_is_object(root)
		     ? parse(out, root, err)
		     : fail(err, "configuration: not a JSON object");
	json_decref(root);
	if (rc)
		rootlessport_config_free(out);
	return rc;
}

void rootlessport_config_free(struct rootlessport_config *cfg)
{
	free(cfg->netns);
	free(cfg->tmp_dir);
	free(cfg->container);
	free(cfg->ports);
	*cfg = (struct rootlessport_config){ 0 };
}
