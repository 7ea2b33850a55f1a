/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* podsplice as podman's rootlessport. */

/** rootlessport_main() - Return: the exit status, as rootlessport has it */
int rootlessport_main(int argc, char **argv);
