/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What netstack and portfwd say to each other about the pod's first SYNs, over
 * their SOCK_SEQPACKET socketpair.
 */

#include <stdint.h>

#include "netstack/base/tuple.h"

/* Questions or verdicts in one message. */
#define SYN_BATCH 64

enum syn_msg {
	SYN_ASK = 1,	  /* netstack: struct syn_ask[1..SYN_BATCH] */
	SYN_VERDICT = 64, /* portfwd: struct syn_verdict[1..SYN_BATCH] */
};

struct syn_ask {
	uint32_t id;	   /* netstack's, handed back in the verdict */
	struct tuple flow; /* src is the pod's */
};

enum syn_what {
	SYN_WRITE_BACK, /* connected: let the hop's kernel shake hands */
	SYN_RESET,	/* refused */
	SYN_NET,	/* no route to it (ENETUNREACH) */
	SYN_HOST,	/* can't get to that host (EHOSTUNREACH) */
	SYN_DOWN,	/* that host is down (EHOSTDOWN) */
	SYN_NO_TCP,	/* it has no TCP (ENOPROTOOPT) */
	SYN_PROHIBITED, /* forbidden (EACCES) */
	SYN_SILENCE,	/* no answer, or not now: TCP asks again */
	SYN_DECLINE,	/* libslirp's */
};

#define SYN_N_WHATS (SYN_DECLINE + 1)

struct syn_verdict {
	uint32_t id;
	uint32_t what;
};
