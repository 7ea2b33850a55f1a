// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fields that say what goes without saying are left out. Texts are written
 * without quotes only where no reader, whatever YAML it knows, can take them
 * for something else. A failure is kept in the writer, so that nobody has to
 * ask for it at each word.
 */
#include "setup/kube/kube_write.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"

struct writer {
	yaml_emitter_t emitter;
	bool failed, not_utf8;
};

/* @made: the event could be made; it is the emitter's then */
static void emit(struct writer *w, yaml_event_t *event, int made)
{
	if (w->failed || !made || !yaml_emitter_emit(&w->emitter, event))
		w->failed = true;
}

static bool is_plain(const char *s)
{
	static const char *const taken[] = { "null", "true", "false",
					     "yes",  "no",   "on",
					     "off",  "y",    "n" };

	if (!isalpha((unsigned char)*s) && *s != '/')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcasecmp(taken[i], s) == 0)
			return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("/._-", *s))
			return false;
	return true;
}

static void scalar(struct writer *w, const char *text,
		   yaml_scalar_style_t style)
{
	yaml_event_t event;
	int made = yaml_scalar_event_initialize(&event, NULL, NULL,
						(const yaml_char_t *)text,
						(int)strlen(text), 1, 1, style);

	/* the only reason but the want of memory */
	w->not_utf8 |= !made;
	emit(w, &event, made);
}

static void text(struct writer *w, const char *s)
{
	scalar(w, s,
	       is_plain(s)	 ? YAML_PLAIN_SCALAR_STYLE
	       : strchr(s, '\n') ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
				 : YAML_SINGLE_QUOTED_SCALAR_STYLE);
}

static void key(struct writer *w, const char *name)
{
	scalar(w, name, YAML_PLAIN_SCALAR_STYLE);
}

static void map(struct writer *w)
{
	yaml_event_t event;

	emit(w, &event,
	     yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 YAML_BLOCK_MAPPING_STYLE));
}

static void end_map(struct writer *w)
{
	yaml_event_t event;

	emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

static void list(struct writer *w, const char *name,
		 yaml_sequence_style_t style)
{
	yaml_event_t event;

	key(w, name);
	emit(w, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  style));
}

static void end_list(struct writer *w)
{
	yaml_event_t event;

	emit(w, &event, yaml_sequence_end_event_initialize(&event));
}

/* ---- fields ---- */

static void field(struct writer *w, const char *name, const char *value)
{
	if (!value)
		return;
	key(w, name);
	text(w, value);
}

static void field_number(struct writer *w, const char *name, unsigned int n)
{
	char digits[16];

	if (!n)
		return;
	(void)snprintf(digits, sizeof(digits), "%u", n);
	key(w, name);
	scalar(w, digits, YAML_PLAIN_SCALAR_STYLE);
}

static void field_true(struct writer *w, const char *name, bool value)
{
	if (!value)
		return;
	key(w, name);
	scalar(w, "true", YAML_PLAIN_SCALAR_STYLE);
}

static void field_texts(struct writer *w, const char *name,
			const struct kube_texts *t)
{
	if (!t->n)
		return;
	list(w, name, YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < t->n; i++)
		text(w, t->all[i]);
	end_list(w);
}

/* ---- containers ---- */

static void write_env(struct writer *w, const struct kube_container *c)
{
	if (!c->n_env)
		return;
	list(w, "env", YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < c->n_env; i++) {
		map(w);
		field(w, "name", c->env[i].name);
		field(w, "value", c->env[i].value);
		end_map(w);
	}
	end_list(w);
}

static void write_ports(struct writer *w, const struct kube_container *c)
{
	char address[ADDR_TEXT_MAX];

	if (!c->n_ports)
		return;
	list(w, "ports", YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct kube_port *p = &c->ports[i];

		map(w);
		field_number(w, "containerPort", p->container);
		field_number(w, "hostPort", p->host);
		if (p->host_ip.family)
			field(w, "hostIP", ip_format(&p->host_ip, address));
		if (p->udp)
			field(w, "protocol", "UDP");
		end_map(w);
	}
	end_list(w);
}

static void write_mounts(struct writer *w, const struct kube_pod *pod,
			 const struct kube_container *c)
{
	if (!c->n_mounts)
		return;
	list(w, "volumeMounts", YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct kube_mount *m = &c->mounts[i];

		map(w);
		field(w, "name", pod->volumes[m->volume].name);
		field(w, "mountPath", m->path);
		field_true(w, "readOnly", m->read_only);
		end_map(w);
	}
	end_list(w);
}

static void write_containers(struct writer *w, const char *name,
			     const struct kube_pod *pod,
			     const struct kube_container *all, size_t n)
{
	if (!n)
		return;
	list(w, name, YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < n; i++) {
		const struct kube_container *c = &all[i];

		map(w);
		field(w, "name", c->name);
		field(w, "image", c->image);
		field_texts(w, "command", &c->command);
		field_texts(w, "args", &c->args);
		field(w, "workingDir", c->workdir);
		write_env(w, c);
		write_ports(w, c);
		write_mounts(w, pod, c);
		field_true(w, "stdin", c->in);
		field_true(w, "tty", c->tty);
		end_map(w);
	}
	end_list(w);
}

/* ---- the pod ---- */

static void write_volumes(struct writer *w, const struct kube_pod *pod)
{
	if (!pod->n_volumes)
		return;
	list(w, "volumes", YAML_BLOCK_SEQUENCE_STYLE);
	for (size_t i = 0; i < pod->n_volumes; i++) {
		const struct kube_volume *v = &pod->volumes[i];

		map(w);
		field(w, "name", v->name);
		key(w, v->path ? "hostPath" : "emptyDir");
		map(w);
		field(w, "path", v->path);
		if (v->type)
			field(w, "type", kube_path_words[v->type]);
		end_map(w);
		end_map(w);
	}
	end_list(w);
}

static void write_dns(struct writer *w, const struct kube_pod *pod)
{
	if (!pod->nameservers.n && !pod->searches.n)
		return;
	if (pod->nameservers.n)
		field(w, "dnsPolicy", "None");
	key(w, "dnsConfig");
	map(w);
	field_texts(w, "nameservers", &pod->nameservers);
	field_texts(w, "searches", &pod->searches);
	end_map(w);
}

static void write_pod(struct writer *w, const struct kube_pod *pod)
{
	map(w);
	field(w, "apiVersion", "v1");
	field(w, "kind", "Pod");
	key(w, "metadata");
	map(w);
	field(w, "name", pod->name);
	end_map(w);
	key(w, "spec");
	map(w);
	field(w, "hostname", pod->hostname);
	field(w, "restartPolicy", kube_restart_words[pod->restart]);
	field_true(w, "shareProcessNamespace", pod->share_pids);
	write_dns(w, pod);
	write_containers(w, "initContainers", pod, pod->init, pod->n_init);
	write_containers(w, "containers", pod, pod->containers,
			 pod->n_containers);
	write_volumes(w, pod);
	end_map(w);
	end_map(w);
}

static void write_document(struct writer *w, const struct kube_pod *pod)
{
	yaml_event_t event;

	emit(w, &event,
	     yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(w, &event,
	     yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 0));
	write_pod(w, pod);
	emit(w, &event, yaml_document_end_event_initialize(&event, 1));
	emit(w, &event, yaml_stream_end_event_initialize(&event));
}

int kube_write(FILE *f, const struct kube_pod *pod)
{
	struct writer w = { 0 };

	if (!yaml_emitter_initialize(&w.emitter))
		return log_errno(ENOMEM, "%s", pod->name);
	yaml_emitter_set_output_file(&w.emitter, f);
	yaml_emitter_set_width(&w.emitter, -1);
	yaml_emitter_set_unicode(&w.emitter, 1);
	write_document(&w, pod);
	if (!w.failed && !yaml_emitter_flush(&w.emitter))
		w.failed = true;
	yaml_emitter_delete(&w.emitter);
	if (w.not_utf8)
		return log_errno(EILSEQ, "%s: words that no file can have",
				 pod->name);
	return w.failed ? log_errno(EIO, "%s: write YAML", pod->name) : 0;
}
