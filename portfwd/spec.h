/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A published port or range, as `-p` takes it: the SPEC of the manual. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"

enum spec_proto { SPEC_TCP, SPEC_UDP };

enum spec_source {
	SPEC_SOURCE_KEEP, /* the pod sees the client's address */
	SPEC_SOURCE_OFF,  /* the pod sees the gateway's */
};

enum spec_proxy { SPEC_PROXY_NONE, SPEC_PROXY_V1, SPEC_PROXY_V2 };

/*
 * host_addr.family 0 with an empty ifname: both families, one dual-stack
 * socket. With ifname: both families, on that interface only.
 */
struct spec {
	enum spec_proto proto;
	struct ip host_addr;
	char ifname[IFNAMSIZ];
	uint16_t host_port; /* first of the range; 0: the kernel picks */
	uint16_t pod_port;  /* first of the range, never 0 */
	struct ip pod_addr; /* family 0: the pod's own; no text has it */
	uint16_t count;	    /* ports in the range, at least 1 */
	enum spec_source source;
	enum spec_proxy proxy;
	uint32_t max_flows; /* 0: no limit */
	uint32_t idle_s;    /* UDP; 0: the default */
};

#define SPEC_ERR_MAX 160

/**
 * spec_parse() - parse one SPEC
 * @err: on failure a reason for a person, without the SPEC itself;
 *       SPEC_ERR_MAX bytes
 *
 * Return: 0 or -EINVAL, not logged
 */
int spec_parse(const char *text, struct spec *out, char *err);

/* Room for any text spec_format() writes. */
#define SPEC_TEXT_MAX 192

/**
 * spec_format() - canonical text of @spec, which spec_parse() takes back
 * @cap: of @buf; SPEC_TEXT_MAX is always enough, less truncates
 *
 * Return: @buf
 */
const char *spec_format(const struct spec *spec, char *buf, size_t cap);

/**
 * spec_conflicts() - would the kernel refuse to listen on both at once?
 *
 * True for overlapping host ports of one protocol on addresses of which one
 * includes the other. Free ports (host_port 0) never conflict.
 */
bool spec_conflicts(const struct spec *a, const struct spec *b);
