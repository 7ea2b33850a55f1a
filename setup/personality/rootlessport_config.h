/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The JSON that podman gives rootlessport. */

#include <stdbool.h>
#include <stddef.h>

#include "portfwd/spec.h"

/* A mapping, of one protocol. */
struct rootlessport_port {
	struct spec spec;
	/* for messages, as the original has them */
	struct ip parent; /* 0.0.0.0 when none was named */
	char proto[8];
};

struct rootlessport_config {
	char *netns, *tmp_dir, *container;
	struct ip child; /* to connect to; 127.0.0.1 when none was named */
	bool reload;	 /* a socket for that is wanted */
	int exit_fd, ready_fd;
	struct rootlessport_port *ports;
	size_t n_ports;
};

#define ROOTLESSPORT_ERR_MAX 256

/**
 * rootlessport_config_parse() - parse the whole of it
 * @err: on failure the original's words for it, or ours where it has Go's;
 *	 ROOTLESSPORT_ERR_MAX bytes
 *
 * What isn't known is ignored, what is missing or null is zero, as there.
 *
 * Return: 0: release with rootlessport_config_free(); or -errno, not logged
 */
int rootlessport_config_parse(struct rootlessport_config *out, const char *text,
			      size_t len, char *err);

/**
 * rootlessport_child_parse() - the address to connect to
 * @text: "": 127.0.0.1
 * @err: as above
 * Return: 0 or -EINVAL, not logged
 */
int rootlessport_child_parse(const char *text, struct ip *out, char *err);

/** rootlessport_config_free() - idempotent */
void rootlessport_config_free(struct rootlessport_config *cfg);
