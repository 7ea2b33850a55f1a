/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Pods as files for Kubernetes have them: of each only what makes sense for a
 * pod of ours. kube_parse.h reads them, kube_write.h writes them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"

#define KUBE_LABEL_MAX 63

/* Strings and arrays are owned by what they are in. */

struct kube_texts {
	char **all;
	size_t n;
};

struct kube_env {
	char *name, *value;
};

struct kube_port {
	uint16_t container;
	uint16_t host;	   /* 0: it isn't published */
	struct ip host_ip; /* family 0: any */
	bool udp;
};

struct kube_mount {
	size_t volume; /* its place among the pod's */
	char *path;    /* absolute */
	bool read_only;
};

struct kube_container {
	char *name;  /* a label */
	char *image; /* NULL: the user's files */
	char *workdir;
	struct kube_texts command, args;
	struct kube_env *env;
	size_t n_env;
	struct kube_port *ports;
	size_t n_ports;
	struct kube_mount *mounts;
	size_t n_mounts;
	bool in, tty; /* stdin stays open; a terminal of its own */
};

/* What has to be at a volume's path, by the words of hostPath's type. */
enum kube_path {
	KUBE_PATH_ANY,
	KUBE_PATH_DIR,
	KUBE_PATH_DIR_OR_MAKE,
	KUBE_PATH_FILE,
	KUBE_PATH_FILE_OR_MAKE,
	KUBE_PATH_SOCKET,
	KUBE_PATH_N
};

struct kube_volume {
	char *name; /* a label */
	char *path; /* of the host, absolute; NULL: an empty directory */
	enum kube_path type;
};

enum kube_restart {
	KUBE_RESTART_ALWAYS,
	KUBE_RESTART_ON_FAILURE,
	KUBE_RESTART_NEVER,
	KUBE_RESTART_N
};

struct kube_pod {
	char *name;	/* a name of ours */
	char *hostname; /* NULL: the pod's name */
	enum kube_restart restart;
	bool share_pids;
	struct kube_texts nameservers, searches;
	struct kube_volume *volumes;
	size_t n_volumes;
	struct kube_container *init; /* one after the other, before the rest */
	size_t n_init;
	struct kube_container *containers;
	size_t n_containers;
};

struct kube_file {
	struct kube_pod *pods;
	size_t n_pods;
};

/* The words of the files, by the enums above. */
extern const char *const kube_path_words[KUBE_PATH_N];
extern const char *const kube_restart_words[KUBE_RESTART_N];

/** kube_label_ok() - a DNS label: what containers and volumes are called */
bool kube_label_ok(const char *s);

/**
 * kube_texts_take() - one more
 * @text: becomes @t's, also on failure; NULL: there was no memory for it
 * Return: 0 or -ENOMEM, logged
 */
int kube_texts_take(struct kube_texts *t, char *text);

/** kube_texts_drop() - free what it owns; idempotent */
void kube_texts_drop(struct kube_texts *t);

/** kube_pod_drop() - free what it owns; idempotent */
void kube_pod_drop(struct kube_pod *pod);

/** kube_file_drop() - the same, with all its pods */
void kube_file_drop(struct kube_file *file);
