/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the container's command and its pid 1 may do. */

/**
 * caps_command() - podman's default capabilities: permitted, effective and
 * bounding; nothing inheritable or ambient; no_new_privs
 * Return: 0 or -errno, logged
 */
int caps_command(void);

/**
 * caps_init() - what pid 1 needs once the command runs: signals to any of the
 * container's users, and mending the mount of resolv.conf
 * Return: 0 or -errno, logged
 */
int caps_init(void);
