/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Names for what the user gave none. */

#include <stddef.h>

/**
 * names_make() - two words, chosen by chance: "calm-otter"
 * @cap: of @buf, at least 32
 * @tries: how often the last one was taken already; a number is added from 8 on
 */
void names_make(char *buf, size_t cap, unsigned int tries);
