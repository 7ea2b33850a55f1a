/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How much memory this process takes. Each reports its own: a process that
 * isn't dumpable can't be looked into by another one.
 */

#include <stdbool.h>
#include <stdint.h>

#define PROCMEM_UNKNOWN UINT64_MAX

struct procmem {
	uint64_t rss_bytes;
	uint64_t private_bytes; /* not shared with any other process */
};

/**
 * procmem_open() - to be called in the process that is to be measured (not
 * before a fork), before it loses sight of /proc
 * Return: a descriptor, or -1: procmem_read() then knows nothing
 */
int procmem_open(void);

/** procmem_read() - what is not known is PROCMEM_UNKNOWN; @fd: -1 is fine */
struct procmem procmem_read(int fd);
