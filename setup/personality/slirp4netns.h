/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* podsplice as slirp4netns, for engines that call that. */

/** slirp4netns_main() - Return: the exit status, as slirp4netns has it */
int slirp4netns_main(int argc, char **argv);
