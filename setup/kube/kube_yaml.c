// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libyaml makes a tree of each document, in which an alias is the node it
 * stands for. So there may be cycles, and few bytes may mean very many values.
 * Neither does harm: the tree is only walked where a table says so, which ends,
 * and what is read is counted.
 */
#include "setup/kube/kube_yaml.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/kube/kube.h"

#define VALUES_MAX 65536
#define FIELDS_MAX 32

/* ---- messages ---- */

int kube_yaml_refuse(const struct kube_yaml *y, const yaml_node_t *node,
		     const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("%s:%zu: %s%s%s", y->file, node->start_mark.line + 1, y->path,
		  y->path_len ? ": " : "", why);
	return -EINVAL;
}

static int no_memory(const struct kube_yaml *y)
{
	return log_errno(ENOMEM, "%s", y->file);
}

/* A field of the one that is read. Return: what path_back() takes */
static size_t path_field(struct kube_yaml *y, const char *name)
{
	size_t was = y->path_len, room = sizeof(y->path) - was;
	int n = snprintf(y->path + was, room, "%s%.64s", was ? "." : "", name);

	y->path_len += (size_t)n < room ? (size_t)n : room - 1;
	return was;
}

static size_t path_index(struct kube_yaml *y, size_t i)
{
	size_t was = y->path_len, room = sizeof(y->path) - was;
	int n = snprintf(y->path + was, room, "[%zu]", i);

	y->path_len += (size_t)n < room ? (size_t)n : room - 1;
	return was;
}

static void path_back(struct kube_yaml *y, size_t was)
{
	y->path_len = was;
	y->path[was] = '\0';
}

/* ---- the tree ---- */

static const yaml_node_t *node_at(const struct kube_yaml *y, int index)
{
	/* they count from 1, and are those of the document */
	return y->doc->nodes.start + index - 1;
}

const char *kube_yaml_text_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	/* it ends with a 0 behind its length; one within is no text of ours */
	return node->type == YAML_SCALAR_NODE &&
			       strlen(text) == node->data.scalar.length
		       ? text
		       : NULL;
}

bool kube_yaml_is_null(const yaml_node_t *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };
	const char *text = kube_yaml_text_of(node);

	if (!text || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

const yaml_node_t *kube_yaml_get(const struct kube_yaml *y,
				 const yaml_node_t *map, const char *key)
{
	if (map->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < map->data.mapping.pairs.top; p++) {
		const char *name = kube_yaml_text_of(node_at(y, p->key));
		const yaml_node_t *value = node_at(y, p->value);

		if (name && strcmp(name, key) == 0)
			return kube_yaml_is_null(value) ? NULL : value;
	}
	return NULL;
}

static int count(struct kube_yaml *y, const yaml_node_t *node)
{
	if (++y->n_values <= VALUES_MAX)
		return 0;
	return kube_yaml_refuse(y, node, "more than %d values in the file",
				VALUES_MAX);
}

/* ---- mappings and lists ---- */

static size_t field_of(const struct kube_field *fields, size_t n,
		       const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(fields[i].name, name) != 0)
		i++;
	return i;
}

static int unknown(struct kube_yaml *y, const yaml_node_t *key,
		   const char *name)
{
	size_t was = path_field(y, name);
	int rc = 0;

	if (y->lax)
		log_warn("%s:%zu: %s: unknown, left out", y->file,
			 key->start_mark.line + 1, y->path);
	else
		rc = kube_yaml_refuse(
			y, key, "not supported (--lax leaves such fields out)");
	path_back(y, was);
	return rc;
}

/* Each key is known, and is there once. */
static int check_keys(struct kube_yaml *y, const yaml_node_t *map,
		      const struct kube_field *fields, size_t n)
{
	uint32_t seen = 0;
	int rc = 0;

	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < map->data.mapping.pairs.top && !rc; p++) {
		const yaml_node_t *key = node_at(y, p->key);
		const char *name = kube_yaml_text_of(key);
		size_t i = name ? field_of(fields, n, name) : n;

		if (!name)
			return kube_yaml_refuse(y, key,
						"a key that is no word");
		rc = count(y, key);
		if (!rc && i == n)
			rc = unknown(y, key, name);
		else if (!rc && seen & 1U << i)
			rc = kube_yaml_refuse(y, key, "%s is there twice",
					      name);
		else
			seen |= i < n ? 1U << i : 0;
	}
	return rc;
}

int kube_yaml_map(struct kube_yaml *y, const yaml_node_t *node,
		  const struct kube_field *fields, size_t n, void *target)
{
	int rc;

	assert(n <= FIELDS_MAX);
	if (node->type != YAML_MAPPING_NODE)
		return kube_yaml_refuse(y, node, "not fields with values");
	rc = check_keys(y, node, fields, n);
	for (size_t i = 0; i < n && !rc; i++) {
		const yaml_node_t *value =
			kube_yaml_get(y, node, fields[i].name);
		size_t was;

		if (!value && !fields[i].required)
			continue;
		was = path_field(y, fields[i].name);
		rc = value ? fields[i].take(y, value,
					    (char *)target + fields[i].at)
			   : kube_yaml_refuse(y, node, "missing");
		path_back(y, was);
	}
	return rc;
}

int kube_yaml_list(struct kube_yaml *y, const yaml_node_t *node,
		   kube_take_fn one, void *at)
{
	const yaml_node_item_t *first;
	int rc = 0;

	if (node->type != YAML_SEQUENCE_NODE)
		return kube_yaml_refuse(y, node, "not a list");
	first = node->data.sequence.items.start;
	for (const yaml_node_item_t *i = first;
	     i < node->data.sequence.items.top && !rc; i++) {
		const yaml_node_t *value = node_at(y, *i);
		size_t was = path_index(y, (size_t)(i - first));

		rc = count(y, value);
		if (!rc)
			rc = one(y, value, at);
		path_back(y, was);
	}
	return rc;
}

/* ---- values ---- */

int kube_yaml_text(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);
	char **out = at;

	if (!text)
		return kube_yaml_refuse(y, node, "not a text");
	*out = strdup(text);
	return *out ? 0 : no_memory(y);
}

int kube_yaml_add_text(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	char *text = NULL;
	int rc = kube_yaml_text(y, node, &text);

	return rc ? rc : kube_texts_take(at, text);
}

int kube_yaml_texts(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	return kube_yaml_list(y, node, kube_yaml_add_text, at);
}

int kube_yaml_bool(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	static const char *const words[] = { "false", "true" };
	bool *out = at;
	int which = 0;
	int rc = kube_yaml_word(y, node, words, ARRAY_SIZE(words), &which);

	if (!rc)
		*out = which;
	return rc;
}

int kube_yaml_path(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	const char *text = kube_yaml_text_of(node);

	if (!text || text[0] != '/' || strlen(text) >= PATH_MAX)
		return kube_yaml_refuse(y, node, "not an absolute path");
	return kube_yaml_text(y, node, at);
}

int kube_yaml_any(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	(void)y;
	(void)node;
	(void)at;
	return 0;
}

static bool is_empty(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return node->data.mapping.pairs.start ==
		       node->data.mapping.pairs.top;
	case YAML_SEQUENCE_NODE:
		return node->data.sequence.items.start ==
		       node->data.sequence.items.top;
	case YAML_SCALAR_NODE:
		return node->data.scalar.length == 0;
	case YAML_NO_NODE:
		break;
	}
	return false;
}

int kube_yaml_empty(struct kube_yaml *y, const yaml_node_t *node, void *at)
{
	(void)at;
	if (is_empty(node))
		return 0;
	if (!y->lax)
		return kube_yaml_refuse(
			y, node,
			"not supported unless empty (--lax leaves it out)");
	log_warn("%s:%zu: %s: not supported, left out", y->file,
		 node->start_mark.line + 1, y->path);
	return 0;
}

int kube_yaml_number(const struct kube_yaml *y, const yaml_node_t *node,
		     uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = kube_yaml_text_of(node);

	if (text && !parse_uint(text, min, max, out))
		return 0;
	return kube_yaml_refuse(y, node, "not a number from %llu to %llu",
				(unsigned long long)min,
				(unsigned long long)max);
}

int kube_yaml_word(const struct kube_yaml *y, const yaml_node_t *node,
		   const char *const *words, size_t n, int *out)
{
	const char *text = kube_yaml_text_of(node);
	char list[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < n && text; i++) {
		if (strcmp(words[i], text) != 0)
			continue;
		*out = (int)i;
		return 0;
	}
	for (size_t i = 0; i < n && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
				       at ? ", " : "", words[i]);
	return kube_yaml_refuse(y, node, "'%.64s' is none of %s",
				text ? text : "", list);
}

/* ---- documents ---- */

static int broken(const struct kube_yaml *y, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(y);
	log_error("%s:%zu: no YAML: %s%s%s", y->file,
		  parser->problem_mark.line + 1,
		  parser->context ? parser->context : "",
		  parser->context ? ", " : "",
		  parser->problem ? parser->problem : "?");
	return -EINVAL;
}

/* Return: 1 at the end; else as kube_yaml_each() */
static int next(struct kube_yaml *y, yaml_parser_t *parser, kube_take_fn one,
		void *at)
{
	const yaml_node_t *root;
	yaml_document_t doc;
	int rc = 0;

	if (!yaml_parser_load(parser, &doc))
		return broken(y, parser);
	root = yaml_document_get_root_node(&doc);
	y->doc = &doc;
	if (!root)
		rc = 1;
	else if (!kube_yaml_is_null(root))
		rc = one(y, root, at);
	y->doc = NULL;
	yaml_document_delete(&doc);
	return rc;
}

int kube_yaml_each(struct kube_yaml *y, const char *text, size_t len,
		   kube_take_fn one, void *at)
{
	yaml_parser_t parser;
	int rc = 0;

	if (!yaml_parser_initialize(&parser))
		return no_memory(y);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!rc)
		rc = next(y, &parser, one, at);
	yaml_parser_delete(&parser);
	return rc > 0 ? 0 : rc;
}
