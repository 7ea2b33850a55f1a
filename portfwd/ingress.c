// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A flow: ACCEPTED → CONNECTING (in the hop, to the pod) → RELAYING.
 *
 * The source address the pod sees is chosen by a ladder: the client's address
 * and port; its address with another port; the gateway. Clients whose address
 * means something else inside the pod (loopback, link-local, the pod's own
 * subnets) start at the last step: the pod would answer itself or its link.
 * When the pod refuses in the client's family, the other family is tried from
 * the gateway; when that is refused, too, the client is reset at once.
 *
 * Listeners are edge-triggered. One that could accept more (its share of the
 * turn is used up, no descriptors, no hop sockets) is put on a waiting list
 * instead of being taken out of epoll, so that a pause costs the same with one
 * port as with ten thousand.
 *
 * Accepted sockets inherit their options (relay_socket.h) from their listener:
 * SO_OOBINLINE must be there before data comes, which may be before accept().
 */
#include "portfwd/ingress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/relay_socket.h"

#define ACCEPTS_A_TURN 32
#define RETRY_MS       100

enum rung {
	RUNG_CLIENT,	  /* the client's address and port */
	RUNG_CLIENT_ADDR, /* the client's address, any port */
	RUNG_GATEWAY,	  /* the gateway's address, the client's family */
	RUNG_OTHER,	  /* the gateway's address, the other family */
	RUNG_NONE,
};

/* All ports of one SPEC. */
struct publication {
	struct list link;
	struct spec spec;
	uint32_t id;
	size_t n_flows;
};

struct port {
	struct loop_source src; /* the listener */
	struct list link;	/* on in->ports */
	struct list waiting;	/* on in->waiting: may have more to accept */
	struct ingress *in;
	struct publication *pub;
	uint16_t index; /* in the range */
};

struct flow {
	struct relay_flow relay;
	struct flow_node node;
	struct list link; /* on in->connecting or in->relaying */
	struct port *port;
	union endpoint client;
	int client_fd;
	enum rung rung;
};

struct ingress {
	struct loop *loop;
	struct relay *relay;
	const struct podnet *plan;
	struct pool *pool;
	struct list publications, ports;
	struct list waiting; /* ports that may have more to accept */
	struct list connecting, relaying;
	struct list starved;   /* flows that wait for a hop socket */
	struct flow_book book; /* all of them */
	struct loop_job resume;
	struct loop_timer retry;
	bool started;
	bool no_route6; /* ingress_route6() */
	struct ingress_stats stats;
};

static void resume(struct loop_job *job);
static void on_retry(struct loop_timer *t);
static void on_connected(struct loop_source *src, uint32_t revents);
static void fill_record(const struct flow_node *node, struct flow_record *out);

static void on_refilled(void *arg)
{
	struct ingress *in = arg;

	loop_defer(in->loop, &in->resume);
}

int ingress_new(struct ingress **out, struct loop *loop, struct relay *relay,
		const struct podnet *plan, int maker)
{
	struct ingress *in = calloc(1, sizeof(*in));
	int rc;

	if (!in)
		return log_errno(ENOMEM, "ingress");
	in->loop = loop;
	in->relay = relay;
	in->plan = plan;
	list_init(&in->publications);
	list_init(&in->ports);
	list_init(&in->waiting);
	list_init(&in->connecting);
	list_init(&in->relaying);
	list_init(&in->starved);
	flow_book_init(&in->book, fill_record);
	list_init(&in->resume.link);
	in->resume.fn = resume;
	in->retry.fn = on_retry;
	rc = pool_new(&in->pool, loop, maker, plan->has_ipv6, on_refilled, in);
	if (rc) {
		free(in);
		return rc;
	}
	*out = in;
	return 0;
}

/* ---- the ladder ---- */

static const struct ip *pod_ip(const struct podnet *plan, int family)
{
	return family == AF_INET ? &plan->pod4 : &plan->pod6;
}

static const struct ip *gw_ip(const struct podnet *plan, int family)
{
	return family == AF_INET ? &plan->gw4 : &plan->gw6;
}

static bool in_pod_nets(const struct podnet *plan, const struct ip *ip)
{
	return ip_in_net(ip, &plan->net4, plan->prefix4) ||
	       (plan->has_ipv6 && ip_in_net(ip, &plan->net6, plan->prefix6));
}

/* Why this client starts at the gateway, if it does. */
static enum ingress_lost why_lost(const struct ingress *in,
				  const struct spec *spec,
				  const struct ip *client)
{
	if (spec->source == SPEC_SOURCE_OFF)
		return INGRESS_LOST_OFF;
	if (ip_is_loopback(client) || ip_is_linklocal(client))
		return INGRESS_LOST_LOCAL;
	if (in_pod_nets(in->plan, client))
		return INGRESS_LOST_POD;
	if (client->family == AF_INET6 && !in->plan->has_ipv6)
		return INGRESS_LOST_FAMILY;
	if (client->family == AF_INET6 && in->no_route6)
		return INGRESS_LOST_ROUTE;
	return INGRESS_LOST_NONE;
}

static bool bind_to(int fd, const struct ip *ip, uint16_t port)
{
	union endpoint ep = endpoint_make(ip, port);
	static const int one = 1;

	/* a free port is then chosen by connect(), for this peer alone */
	if (!port)
		(void)setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one,
				 sizeof(one));
	return bind(fd, &ep.sa, endpoint_len(&ep)) == 0;
}

/* The family a rung speaks to the pod. */
static int rung_family(const struct flow *f, const struct podnet *plan)
{
	struct ip client = endpoint_ip(&f->client);

	if (f->rung != RUNG_OTHER && client.family == AF_INET6 &&
	    plan->has_ipv6)
		return AF_INET6;
	if (f->rung == RUNG_OTHER && client.family == AF_INET)
		return AF_INET6;
	return AF_INET;
}

/*
 * Try the flow's rung: 0: under way; -EAGAIN: no socket in the pool; another
 * -errno: it failed at once.
 */
static int try_rung(struct ingress *in, struct flow *f)
{
	const struct spec *spec = &f->port->pub->spec;
	struct ip client = endpoint_ip(&f->client);
	int family = rung_family(f, in->plan);
	union endpoint to =
		endpoint_make(pod_ip(in->plan, family),
			      (uint16_t)(spec->pod_port + f->port->index));
	int fd = pool_get(in->pool, family);
	bool bound;
	int rc = 0;

	if (fd < 0)
		return fd;
	if (f->rung == RUNG_CLIENT)
		bound = bind_to(fd, &client, endpoint_port(&f->client));
	else if (f->rung == RUNG_CLIENT_ADDR)
		bound = bind_to(fd, &client, 0);
	else
		bound = bind_to(fd, gw_ip(in->plan, family), 0);
	if (!bound ||
	    (connect(fd, &to.sa, endpoint_len(&to)) && errno != EINPROGRESS))
		/* EAGAIN (connect(2): a table of the kernel's is full) would
		 * say that the pool is empty */
		rc = errno == EAGAIN ? -EADDRNOTAVAIL : -errno;
	if (!rc) {
		f->relay.b.src =
			(struct loop_source){ fd, RELAY_EVENTS, on_connected };
		rc = loop_add(in->loop, &f->relay.b.src);
	}
	if (rc) {
		f->relay.b.src = (struct loop_source)LOOP_SOURCE_NULL;
		fd_drop(&fd);
	}
	return rc;
}

static bool other_family_left(const struct ingress *in, const struct flow *f)
{
	return f->rung != RUNG_OTHER && in->plan->has_ipv6;
}

/* After a failure: the next rung, or RUNG_NONE. */
static enum rung next_rung(const struct ingress *in, const struct flow *f,
			   int err)
{
	bool address = err == EADDRINUSE || err == EADDRNOTAVAIL ||
		       err == EACCES || err == EINVAL;

	if (address && f->rung == RUNG_CLIENT)
		return RUNG_CLIENT_ADDR;
	if (address && f->rung == RUNG_CLIENT_ADDR)
		return RUNG_GATEWAY;
	if (err == ECONNREFUSED && other_family_left(in, f))
		return RUNG_OTHER;
	return RUNG_NONE;
}

static void flow_free(struct flow *f)
{
	int fd = f->relay.b.src.fd;

	loop_forget(f->port->in->loop, &f->relay.b.src);
	fd_drop(&fd);
	f->relay.b.src.fd = -1;
	fd_drop(&f->client_fd); /* lingers: resets the client */
	list_del(&f->link);
	list_del(&f->node.link);
	f->port->pub->n_flows--;
	free(f);
}

static void give_up(struct ingress *in, struct flow *f, int err)
{
	char text[ADDR_TEXT_MAX];

	if (err == ECONNREFUSED)
		in->stats.refused++;
	else
		in->stats.unreachable++;
	if (log_wants(LOG_DEBUG))
		log_debug("%s: not connected to the pod: %s",
			  endpoint_format(&f->client, text), strerror(err));
	flow_free(f);
}

/* Climb until something is under way or nothing is left. */
static void climb(struct ingress *in, struct flow *f)
{
	for (;;) {
		int rc = try_rung(in, f);

		if (rc == 0)
			return;
		if (rc == -EAGAIN) {
			/* the pool was checked before accepting, but this is
			 * a second socket: wait for the next refill */
			list_del(&f->link);
			list_append(&in->starved, &f->link);
			(void)pool_has(in->pool); /* asks for on_refilled() */
			return;
		}
		f->rung = next_rung(in, f, -rc);
		if (f->rung == RUNG_NONE) {
			give_up(in, f, -rc);
			return;
		}
	}
}

static void on_relay_ended(struct relay_flow *rf, bool clean)
{
	struct flow *f = container_of(rf, struct flow, relay);
	struct ingress *in = f->port->in;

	(void)clean;
	flow_free(f);
	/* descriptors came free: those who wait for them may go on */
	if (!list_empty(&in->waiting))
		loop_defer(in->loop, &in->resume);
}

static void count_source(struct ingress *in, const struct flow *f)
{
	struct ip client = endpoint_ip(&f->client);
	enum ingress_lost why = why_lost(in, &f->port->pub->spec, &client);

	if (f->rung == RUNG_CLIENT_ADDR)
		in->stats.port_changed++;
	else if (f->rung == RUNG_OTHER)
		in->stats.lost[INGRESS_LOST_FAMILY]++;
	else if (f->rung == RUNG_GATEWAY)
		in->stats.lost[why ? why : INGRESS_LOST_ADDRESS]++;
}

static void start_relay(struct ingress *in, struct flow *f)
{
	f->relay.ended = on_relay_ended;
	if (relay_start(in->relay, &f->relay, f->client_fd,
			f->relay.b.src.fd)) {
		flow_free(f);
		return;
	}
	f->client_fd = -1;
	count_source(in, f);
	list_del(&f->link);
	list_append(&in->relaying, &f->link);
}

static void on_connected(struct loop_source *src, uint32_t revents)
{
	struct flow *f = container_of(src, struct flow, relay.b.src);
	struct ingress *in = f->port->in;
	int err = 0, fd = src->fd;
	socklen_t len = sizeof(err);

	if (!(revents & (EPOLLERR | EPOLLHUP))) {
		f->relay.b.seen |= revents;
		if (f->relay.b.seen & EPOLLOUT)
			start_relay(in, f);
		return;
	}
	/* not relayed yet: asking for the error is harmless */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	loop_forget(in->loop, src);
	fd_drop(&fd);
	f->relay.b.seen = 0;
	f->rung = next_rung(in, f, err);
	if (f->rung == RUNG_NONE)
		give_up(in, f, err);
	else
		climb(in, f);
}

/* ---- accepting ---- */

static void open_flow(struct port *p, int fd, const union endpoint *client)
{
	struct ingress *in = p->in;
	struct flow *f = calloc(1, sizeof(*f));
	struct ip ip = endpoint_ip(client);

	in->stats.accepted++;
	if (!f) {
		fd_drop(&fd); /* resets the client */
		return;
	}
	f->port = p;
	f->client = *client;
	f->client_fd = fd;
	f->relay.a.src = f->relay.b.src = (struct loop_source)LOOP_SOURCE_NULL;
	f->rung = why_lost(in, &p->pub->spec, &ip) ? RUNG_GATEWAY : RUNG_CLIENT;
	list_init(&f->link);
	list_append(&in->connecting, &f->link);
	flow_book_add(&in->book, &f->node, loop_now(in->loop));
	p->pub->n_flows++;
	climb(in, f);
}

static void wait_turn(struct port *p)
{
	if (!list_linked(&p->waiting))
		list_append(&p->in->waiting, &p->waiting);
}

/* No descriptors: wait for a flow to end, or look again in a while. */
static void pause_for_fds(struct port *p)
{
	struct ingress *in = p->in;

	in->stats.paused_fds++;
	pool_shrink(in->pool); /* a client is worth more than a reserve */
	wait_turn(p);
	if (!in->retry.pos)
		(void)loop_timer_set(
			in->loop, &in->retry,
			mono_add(loop_now(in->loop), mono_ms(RETRY_MS)));
}

static bool transient(int err)
{
	/* accept(2): errors of the new connection, already gone */
	return err == ECONNABORTED || err == EINTR || err == EPROTO ||
	       err == ENETDOWN || err == ENOPROTOOPT || err == EHOSTDOWN ||
	       err == ENONET || err == EHOSTUNREACH || err == EOPNOTSUPP ||
	       err == ENETUNREACH || err == EPERM;
}

/* Return: false when no more can be accepted now. */
static bool accept_one(struct port *p)
{
	struct ingress *in = p->in;
	union endpoint client;
	socklen_t len = sizeof(client);
	uint32_t max = p->pub->spec.max_flows;
	int fd;

	if (!pool_has(in->pool)) {
		in->stats.paused_pool++;
		wait_turn(p); /* on_refilled() wakes it */
		return false;
	}
	fd = accept4(p->src.fd, &client.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno == EAGAIN)
		return false;
	if (fd < 0 && transient(errno))
		return true;
	if (fd < 0) {
		pause_for_fds(p); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
		return false;
	}
	if (max && p->pub->n_flows >= max) {
		in->stats.over_max++;
		fd_drop(&fd);
		return true;
	}
	open_flow(p, fd, &client);
	return true;
}

static void accept_some(struct port *p)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++)
		if (!accept_one(p))
			return;
	wait_turn(p);
	loop_defer(p->in->loop, &p->in->resume);
}

static void on_listener(struct loop_source *src, uint32_t revents)
{
	struct port *p = container_of(src, struct port, src);

	(void)revents;
	if (!list_linked(&p->waiting))
		accept_some(p);
}

/* Those first who have waited longer: a flow that goes hungry again stays. */
static void feed_starved(struct ingress *in)
{
	while (!list_empty(&in->starved) && pool_has(in->pool)) {
		struct flow *f =
			container_of(in->starved.next, struct flow, link);

		list_del(&f->link);
		list_append(&in->connecting, &f->link);
		climb(in, f);
	}
}

static void resume(struct loop_job *job)
{
	struct ingress *in = container_of(job, struct ingress, resume);
	struct list todo;

	feed_starved(in);
	list_move(&todo, &in->waiting);
	while (!list_empty(&todo)) {
		struct port *p = container_of(todo.next, struct port, waiting);

		list_del(&p->waiting);
		accept_some(p);
	}
}

static void on_retry(struct loop_timer *t)
{
	struct ingress *in = container_of(t, struct ingress, retry);

	loop_defer(in->loop, &in->resume);
}

/* ---- publishing ---- */

static struct publication *publication_get(struct ingress *in,
					   const struct portfwd_publish *p)
{
	struct publication *pub;

	list_for_each (e, &in->publications) {
		pub = container_of(e, struct publication, link);
		if (pub->id == p->id)
			return pub;
	}
	pub = calloc(1, sizeof(*pub));
	if (!pub)
		return NULL;
	pub->spec = p->spec;
	pub->id = p->id;
	list_append(&in->publications, &pub->link);
	return pub;
}

static int port_add(struct ingress *in, struct publication *pub, int fd,
		    uint16_t index)
{
	struct port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return log_errno(ENOMEM, "published port");
	rc = relay_socket_prepare_host(fd);
	if (rc) {
		free(p);
		return log_errno(-rc, "listener: socket options");
	}
	p->in = in;
	p->pub = pub;
	p->index = index;
	p->src = (struct loop_source){ fd, EPOLLIN | EPOLLET, on_listener };
	list_init(&p->waiting);
	list_append(&in->ports, &p->link);
	return in->started ? loop_add(in->loop, &p->src) : 0;
}

void ingress_route6(struct ingress *in, bool has)
{
	in->no_route6 = !has;
}

int ingress_publish(struct ingress *in, const struct portfwd_publish *p,
		    const int *fds)
{
	struct publication *pub = publication_get(in, p);
	int rc = 0;

	if (!pub)
		return log_errno(ENOMEM, "published port");
	for (uint16_t i = 0; i < p->n && !rc; i++)
		rc = port_add(in, pub, fds[i], (uint16_t)(p->first + i));
	return rc;
}

int ingress_maker(struct ingress *in, int maker)
{
	return pool_attach(in->pool, maker);
}

int ingress_start(struct ingress *in)
{
	int rc = 0;

	in->started = true;
	if (!list_empty(&in->ports))
		pool_fill(in->pool);
	list_for_each (e, &in->ports) {
		struct port *p = container_of(e, struct port, link);

		rc = loop_add(in->loop, &p->src);
		if (rc)
			break;
	}
	return rc;
}

const struct ingress_stats *ingress_stats(const struct ingress *in)
{
	return &in->stats;
}

static void fill_record(const struct flow_node *node, struct flow_record *out)
{
	const struct flow *f = container_of(node, struct flow, node);
	const struct port *p = f->port;
	struct ip client = endpoint_ip(&f->client);
	int family = rung_family(f, p->in->plan);

	out->direction = FLOW_INGRESS;
	out->pod = endpoint_make(pod_ip(p->in->plan, family),
				 (uint16_t)(p->pub->spec.pod_port + p->index));
	out->remote = endpoint_make(&client, endpoint_port(&f->client));
	if (f->client_fd < 0) {
		flow_record_relay(&f->relay, out);
		return;
	}
	out->state = FLOW_CONNECTING;
	flow_record_local(f->client_fd, out);
}

struct flow_book *ingress_book(struct ingress *in)
{
	return &in->book;
}

struct ingress *ingress_free(struct ingress *in)
{
	if (!in)
		return NULL;
	while (!list_empty(&in->relaying))
		relay_abort(&container_of(in->relaying.next, struct flow, link)
				     ->relay);
	while (!list_empty(&in->connecting))
		flow_free(container_of(in->connecting.next, struct flow, link));
	while (!list_empty(&in->starved))
		flow_free(container_of(in->starved.next, struct flow, link));
	while (!list_empty(&in->ports)) {
		struct port *p =
			container_of(in->ports.next, struct port, link);

		loop_close(in->loop, &p->src);
		list_del(&p->waiting);
		list_del(&p->link);
		free(p);
	}
	while (!list_empty(&in->publications)) {
		struct publication *pub = container_of(
			in->publications.next, struct publication, link);

		list_del(&pub->link);
		free(pub);
	}
	list_del(&in->resume.link);
	loop_timer_stop(in->loop, &in->retry);
	pool_free(in->pool);
	free(in);
	return NULL;
}
