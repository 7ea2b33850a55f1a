/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which datagrams may make libslirp open another socket. It keeps one for each
 * source port of UDP and for each unanswered echo request, for four minutes:
 * a flood must not take the descriptors of TCP and DNS.
 */

#include <stdbool.h>
#include <stddef.h>

#include "netstack/frame.h"

struct dgrams;

/**
 * dgrams_new() - @max: how many sockets libslirp may have for datagrams
 * Return: 0 or -errno, logged
 */
int dgrams_new(struct dgrams **out, size_t max);

/** dgrams_free() - NULL is fine; Return: NULL */
struct dgrams *dgrams_free(struct dgrams *d);

/**
 * dgrams_allow() - may this packet go on to libslirp?
 * @n_open: sockets it has for datagrams now
 *
 * At the limit what needs no new socket still may: UDP from where it came
 * before, and everything that is neither UDP nor ICMP over IPv4.
 */
bool dgrams_allow(struct dgrams *d, const struct frame *f, size_t n_open);
