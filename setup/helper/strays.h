/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Processes that outlive the first one of their container. */

/**
 * strays_kill() - SIGKILL for every process in a namespace of mounts or cgroups
 * @ns: a descriptor of it, borrowed. While it is open, no other one can get its
 *	inode number, by which it is known
 *
 * Returns when none is seen any more, or more come than can be killed. One that
 * has made such a namespace of its own isn't found: it ends with its pod.
 */
void strays_kill(int ns);
