/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The other end of the control socket: what verbs ask a running pod. */

#include <jansson.h>

/**
 * control_ask() - one request, one reply
 * @path: of the control socket
 * @verb: to execute, without arguments
 *
 * Return: what is in "return", a new reference, or NULL with one line logged
 */
json_t *control_ask(const char *path, const char *verb);
