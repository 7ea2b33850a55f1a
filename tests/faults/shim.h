// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
/*
 * The page that the shim shares with faults.py, which knows this layout, too:
 * a file that is mapped before the first fork, so that processes in an empty
 * root and behind a seccomp list have it as well.
 */
#include <stdint.h>

#define SHIM_SITES  4096 /* a power of two */
#define SHIM_FRAMES 3
#define SHIM_NAME   24

/* A place in the code, in a process that was made at a certain place. */
struct shim_site {
	uint64_t key;	 /* 0: free */
	uint64_t parent; /* key of the fork that made the process; 0: none */
	/* return addresses: of the call, as an offset in @object; then of the
	 * program's own functions around it, as offsets in the program */
	uint64_t frames[SHIM_FRAMES];
	char call[SHIM_NAME];
	char object[SHIM_NAME]; /* "": the program */
	uint32_t hits;
	uint32_t pad;
};

struct shim_page {
	/* written by faults.py */
	uint64_t armed; /* the site to fail; 0: none, or it has been failed */
	uint32_t err;	/* with this */
	uint32_t skip;	/* after this many calls that go through */
	/* written by the shim */
	uint32_t fired;	  /* calls failed */
	uint32_t overrun; /* sites that found no room */
	uint32_t pad[2];
	struct shim_site sites[SHIM_SITES];
};
