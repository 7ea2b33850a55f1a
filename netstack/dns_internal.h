/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the parts of the DNS service share, and what its tests reach into. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/dns.h"
#include "netstack/dns_msg.h"

#define DNS_UDP_QUERY_MAX 4096 /* longer ones are dropped: bounds memory */
#define DNS_SOCKETS_MAX	  768  /* towards servers: libslirp needs some, too */
#define DNS_KEPT_MAX	  128  /* of them, while no query waits for a reply */
#define DNS_IDS		  128  /* random ones in store */
#define DNS_INFLIGHT_MAX  16   /* of one TCP client: asked, or not yet read */
#define DNS_TCP_BYTES_MAX (8U << 20) /* of all TCP clients' messages */

/* Positive: the attempt can't begin now, and the server isn't to blame. */
#define DNS_E_STARVED 1

struct dns_times {
	struct mono attempt;   /* a server has this long before the next */
	struct mono total;     /* then the pod gets SERVFAIL */
	struct mono down;      /* a server that failed stays last this long */
	struct mono keep;      /* a UDP socket isn't used for longer */
	struct mono idle;      /* of a TCP client */
	struct mono idle_full; /* the same while others wait for its place */
	struct mono accept_pause; /* after accept() ran out of descriptors */
};

enum dns_via { DNS_UDP, DNS_TCP, DNS_N_VIA };

/* UDP and TCP are told apart: many a server does only one of them. */
struct dns_server {
	union endpoint ep;
	struct mono down_until[DNS_N_VIA];
	struct mono heard[DNS_N_VIA]; /* last reply */
};

/* Shared by the queries that began while it was current. */
struct dns_set {
	unsigned int refs;
	size_t n;
	struct dns_server server[DNS_SERVERS_MAX];
};

struct dns_query;
struct dns_attempt;

/* Its socket has something to tell: errors are what send and recv return. */
typedef void (*dns_event_fn)(struct dns_attempt *a);

/* A socket towards a server: an attempt's, or kept for the next one. */
struct dns_socket {
	struct loop_source src;
	struct dns *dns;
	struct dns_attempt *user; /* NULL: it is kept */
	dns_event_fn on_event;
	union endpoint server;
	struct mono opened;
	bool was_kept;
	/* kept only */
	struct list link;
	struct dns_peer peer; /* whose queries it is for */
};

/* One query put to one server. */
struct dns_attempt {
	struct dns_socket *socket; /* NULL: not open */
	struct dns_query *query;
	struct dns_server *server;
	struct mono sent;
	uint16_t id; /* random; the pod's is put back into the reply */
	/* TCP only */
	size_t n_written, n_read; /* length field included */
	uint8_t prefix[2];	  /* the reply's length field */
	uint8_t *reply;		  /* charged to the budget */
	size_t reply_bytes;
};

/* How an attempt is made. */
struct dns_transport {
	enum dns_via via;
	/* Return: 0 = wait for it; DNS_E_STARVED; -errno = ask another */
	int (*start)(struct dns_attempt *a);
	/* Its time is over and its turn is come again; the same results. */
	int (*again)(struct dns_attempt *a);
};

extern const struct dns_transport dns_over_udp, dns_over_tcp;

/*
 * A query under way. The owner embeds it, sets the first group, and calls
 * dns_query_begin(); @done is called once, perhaps before that returns, with a
 * reply that carries the pod's ID and is only valid during the call. The query
 * is at rest by then and may be freed. dns_query_end() ends it without a call.
 */
struct dns_query {
	struct dns *dns;
	const struct dns_transport *over;
	const uint8_t *msg; /* the owner's; checked by dns_msg_query() */
	size_t len, qend;
	void (*done)(struct dns_query *q, uint8_t *reply, size_t len);

	struct dns_set *set;
	struct loop_timer timer;
	struct mono deadline;
	size_t next; /* place in attempt[] of the server to ask next */
	struct dns_attempt *cur; /* the one that timer waits for, or NULL */
	uint8_t *kept;		 /* first error reply of a server */
	size_t kept_bytes;
	struct dns_attempt attempt[DNS_SERVERS_MAX]; /* in order of asking */
};

struct dns {
	struct loop *loop;
	dns_reply_fn reply;
	void *arg;
	struct dns_set *set;
	struct dns_times times;
	struct dns_stats stats;
	uint16_t ids[DNS_IDS]; /* for the attempts to come */
	size_t n_ids;
	size_t n_sockets; /* of all attempts, and kept */
	struct list kept; /* struct dns_socket, the one longest there first */
	size_t n_kept;
	struct loop_timer sweep; /* runs while any is kept */

	struct list pending; /* struct udp_query, oldest first */
	size_t n_pending;

	struct list listeners, clients;
	size_t n_clients, tcp_bytes;
	struct loop_timer resume; /* accept again */

	uint8_t buf[DNS_MSG_MAX]; /* the message being worked on */
};

/** dns_set_times() - shorter ones for tests */
void dns_set_times(struct dns *d, const struct dns_times *times);

struct dns_set *dns_set_ref(struct dns_set *set);
struct dns_set *dns_set_unref(struct dns_set *set); /* Return: NULL */

void dns_query_begin(struct dns_query *q);
void dns_query_end(struct dns_query *q); /* idempotent */

/* For the transports; afterwards @a and its query may be gone. */
void dns_attempt_failed(struct dns_attempt *a, int err);
void dns_attempt_answered(struct dns_attempt *a, uint8_t *msg, size_t len);

/** dns_is_starved() - does this errno mean "not now" and not "not there"? */
bool dns_is_starved(int err);

/**
 * dns_socket_open() - give @a, which has none, a socket of its own, connected
 *		       to its server or about to be
 * @type: SOCK_DGRAM or SOCK_STREAM
 * Return: 0, DNS_E_STARVED or -errno, not logged
 */
int dns_socket_open(struct dns_attempt *a, int type, uint32_t events,
		    dns_event_fn fn);

/** dns_socket_close() - @a must have one */
void dns_socket_close(struct dns_attempt *a);

void dns_kept_init(struct dns *d);

/** dns_socket_keep() - @a gives its socket up, for the next query of @peer */
void dns_socket_keep(struct dns_attempt *a, const struct dns_peer *peer);

/**
 * dns_socket_take() - @a, which has none, gets a kept socket of @peer's
 * Return: was there one?
 */
bool dns_socket_take(struct dns_attempt *a, const struct dns_peer *peer);

/** dns_kept_drop() - close all kept ones; Return: were there any? */
bool dns_kept_drop(struct dns *d);

/* Memory for TCP messages, within DNS_TCP_BYTES_MAX; NULL: no more. */
void *dns_charge(struct dns *d, size_t bytes);
void dns_uncharge(struct dns *d, void *p, size_t bytes);

void dns_udp_free(struct dns *d);
void dns_listen_init(struct dns *d);
void dns_listen_free(struct dns *d);

/** dns_listen_more() - a client's place has become free */
void dns_listen_more(struct dns *d);

static inline bool dns_tcp_full(const struct dns *d)
{
	return d->n_clients >= DNS_TCP_MAX;
}

/** dns_client_new() - serve @fd, which is taken over; Return: 0 or -errno */
int dns_client_new(struct dns *d, int fd);

/** dns_clients_hurry() - the places are taken: shorten the idle ones' time */
void dns_clients_hurry(struct dns *d);
void dns_clients_free(struct dns *d);
