/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * YAML into C structures, by tables of fields. Every message names the file,
 * the line and the field, as spec.containers[0].name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#define KUBE_YAML_PATH_MAX 256

struct kube_yaml {
	const char *file; /* what it is called in messages */
	bool lax;	  /* an unknown field gives a warning only */
	void *user;	  /* the caller's */
	/* the rest is kept here */
	yaml_document_t *doc;
	size_t n_values; /* that were read */
	size_t path_len;
	char path[KUBE_YAML_PATH_MAX]; /* of the field that is read */
};

/*
 * Return: 0 or -errno, logged. @at is the member that is to be filled, zeroed.
 */
typedef int (*kube_take_fn)(struct kube_yaml *y, const yaml_node_t *node,
			    void *at);

struct kube_field {
	const char *name;
	kube_take_fn take;
	size_t at; /* of the member, in the structure that the table is for */
	bool required;
};

/**
 * kube_yaml_refuse() - say what is wrong with @node, the field that is read
 * Return: -EINVAL
 */
int kube_yaml_refuse(const struct kube_yaml *y, const yaml_node_t *node,
		     const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * kube_yaml_get() - the value of @key in a mapping
 * Return: it, or NULL: it isn't there, is null, or @map is no mapping
 */
const yaml_node_t *kube_yaml_get(const struct kube_yaml *y,
				 const yaml_node_t *map, const char *key);

/** kube_yaml_text_of() - the text of a scalar, borrowed, or NULL: it is none */
const char *kube_yaml_text_of(const yaml_node_t *node);

/** kube_yaml_is_null() - does it say nothing: null, ~ or not a word? */
bool kube_yaml_is_null(const yaml_node_t *node);

/**
 * kube_yaml_map() - fill a structure from a mapping
 * @fields: @n of them, at most 32; they are taken in this order, whatever the
 *	    file's is
 *
 * A field that is not among them is refused, or told of if @y is lax; one that
 * is null counts as not given.
 *
 * Return: 0 or -errno, logged
 */
int kube_yaml_map(struct kube_yaml *y, const yaml_node_t *node,
		  const struct kube_field *fields, size_t n, void *target);

/** kube_yaml_list() - call @one with each value of a list, and with @at */
int kube_yaml_list(struct kube_yaml *y, const yaml_node_t *node,
		   kube_take_fn one, void *at);

/* ---- of type kube_take_fn ---- */

/** kube_yaml_text() - @at: char *, which gets a copy */
int kube_yaml_text(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_add_text() - one more; @at: struct kube_texts */
int kube_yaml_add_text(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_texts() - a list of them; @at: struct kube_texts */
int kube_yaml_texts(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_bool() - true or false */
int kube_yaml_bool(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_path() - an absolute path, as kube_yaml_text() */
int kube_yaml_path(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_any() - known, but of no meaning here: whatever it is */
int kube_yaml_any(struct kube_yaml *y, const yaml_node_t *node, void *at);

/** kube_yaml_empty() - known, but only {}, [] or "" can be served */
int kube_yaml_empty(struct kube_yaml *y, const yaml_node_t *node, void *at);

/* ---- what such functions are made of ---- */

/**
 * kube_yaml_number() - a number from @min to @max
 * Return: 0 or -EINVAL, logged
 */
int kube_yaml_number(const struct kube_yaml *y, const yaml_node_t *node,
		     uint64_t min, uint64_t max, uint64_t *out);

/**
 * kube_yaml_word() - one of @n words
 * @out: set to which
 * Return: 0 or -EINVAL, logged
 */
int kube_yaml_word(const struct kube_yaml *y, const yaml_node_t *node,
		   const char *const *words, size_t n, int *out);

/**
 * kube_yaml_each() - parse @text, and call @one with the root of each document
 * @y: file, lax and user are set, the rest is zero
 * Documents that are empty are left out.
 * Return: 0 or -errno, logged
 */
int kube_yaml_each(struct kube_yaml *y, const char *text, size_t len,
		   kube_take_fn one, void *at);
