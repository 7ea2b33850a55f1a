/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A DNS service between a pretended pod and pretended servers, which are real
 * sockets on 127.0.0.1; all of them are driven by one loop.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "netstack/dns_internal.h"

#define FX_SERVERS 3
#define FX_CONNS   96

enum fx_mode {
	FX_ANSWER,
	FX_SILENT,
	FX_RCODE,      /* an error reply, .rcode */
	FX_BARE_RCODE, /* the same, without the question */
	FX_FORGED,     /* wrong ones of many sorts, then the right one */
	FX_BIG,	       /* .big bytes, with OPT at the end */
	FX_CLOSE,      /* TCP: end of file instead of a reply */
	FX_TRICKLE,    /* TCP: the reply byte by byte */
};

struct fx;
struct fx_server;

struct fx_conn {
	struct loop_source src;
	struct fx_server *server;
	uint8_t in[DNS_MSG_MAX + 2], out[DNS_MSG_MAX + 2];
	size_t n_in, n_out, n_sent;
};

struct fx_server {
	struct fx *fx;
	struct loop_source udp, tcp;
	union endpoint ep;
	enum fx_mode mode, tcp_mode;
	enum dns_rcode rcode;
	size_t big;
	size_t n_udp, n_tcp; /* queries seen */
	/* the last UDP query */
	uint8_t query[DNS_UDP_QUERY_MAX];
	size_t query_len;
	union endpoint from;
	struct fx_conn *conn[FX_CONNS];
	size_t n_conns;
};

struct fx {
	struct loop loop;
	struct dns *dns;
	struct loop_timer guard;
	struct fx_server server[FX_SERVERS];
	/* the pod's side */
	size_t n_replies, want;
	bool timed_out;
	uint8_t reply[DNS_MSG_MAX];
	size_t reply_len;
	struct dns_peer reply_peer;
};

/** fx_setup() - attempts of 40 ms, 200 ms in all; FX_SERVERS that answer */
int fx_setup(void **state);
int fx_teardown(void **state);

/** fx_use() - these servers are asked, in this order */
void fx_use(struct fx *f, size_t n);

/** fx_close() - nothing listens at that server any more */
void fx_close(struct fx_server *s);

/** fx_reopen() - that closed server listens again, for UDP */
void fx_reopen(struct fx_server *s);

/** fx_query() - build a query; Return: its length */
size_t fx_query(uint8_t *out, uint16_t id, const char *name, uint16_t qtype);

/** fx_ask() - by UDP, as peer @peer */
void fx_ask(struct fx *f, uint8_t peer, uint16_t id, const char *name);

/** fx_run() - until @replies UDP replies came in all, or @ms went by */
void fx_run(struct fx *f, size_t replies, int ms);

/** fx_done() - end fx_run() */
void fx_done(struct fx *f);

/** fx_answer() - build a reply; Return: its length */
size_t fx_answer(uint8_t *out, const uint8_t *query, size_t len, size_t size);

/** fx_answer_now() - a late answer to the last UDP query of @s */
void fx_answer_now(struct fx_server *s);

/** fx_count_fds() - open descriptors of this process */
size_t fx_count_fds(void);
