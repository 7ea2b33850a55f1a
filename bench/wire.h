/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What generators and their server say to each other. Both ends run on one
 * machine, from one binary: host byte order, no negotiation.
 *
 * A connection begins with one byte of the client's:
 *   WIRE_QUICK   the server answers WIRE_ANSWER, the client closes
 *   WIRE_SESSION it is the first byte of a struct wire_request; the server
 *		  answers with a struct wire_hello, then the mode begins:
 * WIRE_SINK    the client sends the pattern and ends with FIN; the server
 *		checks it and answers with a struct wire_report
 * WIRE_SOURCE  the server sends the pattern; after .bytes it ends with FIN (0:
 *		never, then the client ends it)
 * WIRE_ECHO    what comes goes back
 */

#include <assert.h>
#include <stdint.h>

#include "netstack/base/addr.h"

#define WIRE_MAGIC   UINT32_C(0x70736201)
#define WIRE_SESSION 'S'
#define WIRE_QUICK   'Q'
#define WIRE_ANSWER  'A'

enum wire_mode { WIRE_SINK = 1, WIRE_SOURCE, WIRE_ECHO };

struct wire_request {
	uint8_t kind; /* WIRE_SESSION */
	uint8_t mode; /* enum wire_mode */
	uint16_t reserved;
	uint32_t magic;
	uint64_t bytes;	  /* WIRE_SOURCE: how many, 0: until FIN */
	uint64_t warm_ns; /* WIRE_SINK: not measured */
	uint64_t run_ns;  /* WIRE_SINK: measured up to here, 0: to the end */
};

/* How the connection looks from the server: tells which path was measured. */
struct wire_hello {
	uint32_t magic;
	uint32_t mss_bytes;
	char congestion[16];
	char peer[ADDR_TEXT_MAX];
};

enum wire_status { WIRE_OK = 1, WIRE_CORRUPT };

struct wire_report {
	uint32_t magic;
	uint32_t status; /* enum wire_status */
	uint64_t bytes;
	uint64_t steady_bytes;
	int64_t steady_ns;
	uint64_t bad_offset; /* WIRE_CORRUPT */
};

static_assert(sizeof(struct wire_request) == 32, "no padding");
static_assert(sizeof(struct wire_hello) == 24 + ADDR_TEXT_MAX, "no padding");
static_assert(sizeof(struct wire_report) == 40, "no padding");
