/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * --pcap: what crosses the pod's veth, in a file. A packet socket in the hop
 * (recorder_socket(), by who has CAP_NET_RAW there) is read by a process of its
 * own, which has nothing but that socket and the file.
 */

#include <stdbool.h>
#include <stdint.h>

#include "setup/helper/child.h"

struct recorder_config {
	char *path;	    /* owned; NULL: no capture */
	uint64_t max_bytes; /* of the file; 0: no end */
	bool raw;	    /* packets as the kernel has them */
};

/**
 * recorder_parse() - FILE[,max=SIZE][,raw]
 * @out: free @out->path, also of an earlier call
 * Return: 0 or -errno, logged
 */
int recorder_parse(const char *value, struct recorder_config *out);

/**
 * recorder_socket() - packets of one device of the caller's network namespace
 * Return: descriptor or -errno, logged
 */
int recorder_socket(const char *dev);

/**
 * recorder_file() - create or empty the file, as the calling user
 * Doesn't wait for a FIFO's reader: without one it fails.
 * Return: descriptor or -errno, logged
 */
int recorder_file(const struct recorder_config *cfg);

/* The process; its control socket is a pipe, whose hang-up ends it. */
struct recorder {
	struct child child;
	struct loop *loop; /* NULL: not watched yet */
};

#define RECORDER_NULL                                                          \
	{                                                                      \
		.child = CHILD_NULL                                            \
	}

/**
 * recorder_start() - fork the process; it has copies of @sock and @file
 * @c:   RECORDER_NULL; recorder_stop() is fine from here on
 * @cfg: read in the child only
 * Return: 0 or -errno, logged
 */
int recorder_start(struct recorder *c, const struct recorder_config *cfg,
		   int sock, int file);

/**
 * recorder_watch() - reap it when it ends before its time; why, it logs itself
 * Return: 0 or -errno, logged
 */
int recorder_watch(struct recorder *c, struct loop *loop);

/** recorder_stop() - let it write what there is, and reap it; idempotent */
void recorder_stop(struct recorder *c);
