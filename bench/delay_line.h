/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Frames under way in one direction of a delay line, and which of them never
 * arrive. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "netstack/base/mono.h"

/* A queue of frames, oldest first, in one ring of bytes. */
struct delay_line {
	uint8_t *ring;
	size_t cap, head, used; /* bytes, multiples of a record's alignment */
	size_t most_used;
};

/**
 * delay_line_init() - an empty one
 * @bytes: the most it holds; what a frame needs beyond its length counts too
 * Return: 0 or -ENOMEM, silent
 */
int delay_line_init(struct delay_line *line, size_t bytes);
void delay_line_deinit(struct delay_line *line); /* idempotent */

/**
 * delay_line_push() - a copy of a frame, to leave at @due
 * @due: not before that of the frame pushed last
 * Return: false when it is full
 */
bool delay_line_push(struct delay_line *line, struct mono due,
		     const void *frame, size_t len);

/** delay_line_next() - when the oldest has to leave; MONO_NEVER: there is none
 */
struct mono delay_line_next(const struct delay_line *line);

/**
 * delay_line_due() - the oldest frames that have to leave by @now
 * @frames: up to @max, which stay in the line until delay_line_pop()
 * Return: how many
 */
size_t delay_line_due(const struct delay_line *line, struct mono now,
		      struct iovec *frames, size_t max);

/** delay_line_pop() - forget the oldest; there is one */
void delay_line_pop(struct delay_line *line);

/**
 * delay_loses() - is frame @index of the pattern @seed one of those lost?
 * @ppm: lost per million
 * The same question has the same answer, always.
 */
bool delay_loses(uint64_t seed, uint64_t index, uint32_t ppm);
