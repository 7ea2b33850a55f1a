/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How processes of ours end. */

/* the exit status when podsplice itself failed, as podman has it */
enum { EXIT_OURS = 125 };
