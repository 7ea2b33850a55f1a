/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * libslirp in our loop: the user-space TCP/IP that answers whatever the pod
 * sends and the kernel doesn't relay. The only user of libslirp.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/podnet.h"
#include "netstack/loop.h"

struct stack;

/** A frame for the pod, borrowed. May be called from stack_input(). */
typedef void (*stack_send_fn)(void *arg, const void *frame, size_t len);

struct stack_config {
	const struct podnet *plan;
	bool host_loopback;
	bool serve_dns; /* DHCP and router advertisements name our DNS */
	struct ip outbound4, outbound6; /* family 0: the host's choice */
	stack_send_fn send;
	void *arg;
};

/**
 * stack_new() - @loop is borrowed and must outlive the stack
 * Return: 0 or -errno, logged
 */
int stack_new(struct stack **out, struct loop *loop,
	      const struct stack_config *cfg);

/** stack_input() - a frame from the pod, borrowed */
void stack_input(struct stack *s, const void *frame, size_t len);

/* Frames with their Ethernet header; in: towards the pod. */
struct stack_stats {
	uint64_t open;	 /* sockets it waits for now */
	uint64_t opened; /* sockets for flows of any protocol, ever */
	uint64_t packets_in, packets_out;
	uint64_t bytes_in, bytes_out;
};

struct stack_stats stack_stats(const struct stack *s);

/** stack_fds() - descriptors libslirp has open */
size_t stack_fds(const struct stack *s);

/** stack_dgrams() - those of them that are for UDP and ICMP */
size_t stack_dgrams(const struct stack *s);

/** stack_free() - closes all its sockets; NULL is fine; Return: NULL */
struct stack *stack_free(struct stack *s);

/** stack_config_max() - the newest form of configuration that libslirp takes */
unsigned int stack_config_max(void);

/** stack_version() - libslirp's version, static */
const char *stack_version(void);
