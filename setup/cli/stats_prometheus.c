// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/cli/stats_prometheus.h"

#include <string.h>

/* A family of samples, and where the reply has them. */
struct family {
	const char *name, *type, *help;
	const char *section; /* of the reply: an object */
	const char *label;   /* name of the label with the member's key */
	/* the member's own member, NULL: the member is the number */
	const char *key;
	const char *more; /* a label that is the same for all, or "" */
};

/* Those of one name stand together: the format wants it. */
static const struct family families[] = {
	{ "podsplice_flows", "gauge", "Open connections by path.", "flows",
	  "path", "open", "" },
	{ "podsplice_flows_total", "counter", "Connections since the start.",
	  "flows", "path", "total", "" },
	{ "podsplice_bytes_total", "counter",
	  "Bytes moved; in is towards the pod.", "traffic", "path", "bytes_in",
	  ",direction=\"in\"" },
	{ "podsplice_bytes_total", NULL, NULL, "traffic", "path", "bytes_out",
	  ",direction=\"out\"" },
	{ "podsplice_packets_total", "counter",
	  "Packets moved; in is towards the pod.", "traffic", "path",
	  "packets_in", ",direction=\"in\"" },
	{ "podsplice_packets_total", NULL, NULL, "traffic", "path",
	  "packets_out", ",direction=\"out\"" },
	{ "podsplice_errors_total", "counter", "Errors by cause.", "errors",
	  "cause", NULL, "" },
	{ "podsplice_dns_total", "counter", "DNS queries and failures.", "dns",
	  "kind", NULL, "" },
	{ "podsplice_restarts_total", "counter",
	  "Restarts of the helper's processes.", "restarts", "process", NULL,
	  "" },
	{ "podsplice_memory_bytes", "gauge",
	  "Memory of the helper's processes.", "memory", "process", "rss",
	  ",kind=\"rss\"" },
	{ "podsplice_memory_bytes", NULL, NULL, "memory", "process", "private",
	  ",kind=\"private\"" },
};

/* A label's value: backslash, quote and newline are escaped. */
static void put_value(FILE *f, const char *value)
{
	for (const char *c = value; *c; c++) {
		if (*c == '\n')
			(void)fputs("\\n", f);
		else if (*c == '"' || *c == '\\')
			(void)fprintf(f, "\\%c", *c);
		else
			(void)fputc(*c, f);
	}
}

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	(void)fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		      type);
}

static void print_family(FILE *f, const struct family *fam, const json_t *all,
			 const char *pod)
{
	json_t *section = json_object_get(all, fam->section);
	const char *key;
	json_t *member;

	if (fam->type)
		head(f, fam->name, fam->type, fam->help);
	json_object_foreach (section, key, member) {
		const json_t *n =
			fam->key ? json_object_get(member, fam->key) : member;

		if (!json_is_integer(n))
			continue;
		(void)fprintf(f, "%s{pod=\"", fam->name);
		put_value(f, pod);
		(void)fprintf(f, "\",%s=\"%s\"%s} %lld\n", fam->label, key,
			      fam->more, (long long)json_integer_value(n));
	}
}

void stats_prometheus(FILE *f, const json_t *all, const char *pod)
{
	const char *state = json_string_value(json_object_get(all, "state"));

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		print_family(f, &families[i], all, pod);
	head(f, "podsplice_degraded", "gauge",
	     "1: the pod's network doesn't do all it should.");
	(void)fprintf(f, "podsplice_degraded{pod=\"");
	put_value(f, pod);
	(void)fprintf(f, "\"} %d\n", state && strcmp(state, "degraded") == 0);
}
