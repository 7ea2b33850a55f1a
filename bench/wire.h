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
 * WIRE_DGRAM_SINK, WIRE_DGRAM_SOURCE: the same by UDP, on the port of the same
 *		number. The session names the run; the client begins it with
 *		datagrams WIRE_DGRAM_START until one came back, which tells the
 *		server where it is. FIN ends the run, and the server answers
 *		with a struct wire_dgram_report
 *
 * A datagram begins with a struct wire_dgram; the pattern from byte .seq * (its
 * length) on follows. WIRE_DGRAM_ECHO needs no session.
 */

#include <assert.h>
#include <stdint.h>

#include "netstack/base/addr.h"

#define WIRE_MAGIC   UINT32_C(0x70736201)
#define WIRE_SESSION 'S'
#define WIRE_QUICK   'Q'
#define WIRE_ANSWER  'A'

enum wire_mode {
	WIRE_SINK = 1,
	WIRE_SOURCE,
	WIRE_ECHO,
	WIRE_DGRAM_SINK,
	WIRE_DGRAM_SOURCE
};

struct wire_request {
	uint8_t kind;	     /* WIRE_SESSION */
	uint8_t mode;	     /* enum wire_mode */
	uint16_t size_bytes; /* WIRE_DGRAM_…: of a datagram */
	uint32_t magic;
	uint64_t bytes;	  /* WIRE_SOURCE: how many, 0: until FIN */
	uint64_t warm_ns; /* WIRE_…SINK: not measured */
	uint64_t run_ns;  /* WIRE_…SINK: measured up to here, 0: to the end */
	uint64_t run;	  /* WIRE_DGRAM_…: its name */
	uint64_t gap_ns;  /* WIRE_DGRAM_SOURCE: between datagrams */
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

enum wire_dgram_kind {
	WIRE_DGRAM_ECHO = 1, /* goes back as it came */
	WIRE_DGRAM_START,    /* likewise, of a run */
	WIRE_DGRAM_DATA,     /* counts for a run */
};

struct wire_dgram {
	uint32_t magic;
	uint32_t kind; /* enum wire_dgram_kind */
	uint64_t run;
	uint64_t seq; /* from 0 */
};

struct wire_dgram_report {
	uint32_t magic;
	uint32_t status; /* enum wire_status */
	uint64_t sent;	 /* WIRE_DGRAM_SOURCE */
	/* the others: WIRE_DGRAM_SINK */
	uint64_t received, twice, late;
	uint64_t steady_bytes;
	int64_t steady_ns;
	char peer[ADDR_TEXT_MAX]; /* the client, as the server sees it */
};

static_assert(sizeof(struct wire_request) == 48, "no padding");
static_assert(sizeof(struct wire_hello) == 24 + ADDR_TEXT_MAX, "no padding");
static_assert(sizeof(struct wire_report) == 40, "no padding");
static_assert(sizeof(struct wire_dgram) == 24, "no padding");
static_assert(sizeof(struct wire_dgram_report) == 56 + ADDR_TEXT_MAX,
	      "no padding");
