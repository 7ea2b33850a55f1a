// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A flow: ACCEPTED → CONNECTING (in the hop, to the pod) → RELAYING. The source
 * address that the pod sees is chosen by source.h's ladder.
 *
 * When the pod refuses in both families, the client is reset at once. But where
 * it is a client that has started the pod (the listener was passed in by a
 * service manager), its connection is here before the pod's server listens: for
 * a limited time, and until the pod has taken one, what it refuses is tried
 * again. Only a few of a port do that; the others wait in the backlog.
 *
 * Listeners are edge-triggered. One that could accept more (its share of the
 * turn is used up, no descriptors, no hop sockets) is put on a waiting list
 * instead of being taken out of epoll, so that a pause costs the same with one
 * port as with ten thousand.
 *
 * A pod that takes no more connections of a port (its backlog is full) would
 * cost two descriptors for every client that tries, until none is left for the
 * other ports. So only some wait for the pod at a time; where to wait for them
 * is the listener's backlog, as it would be without us.
 *
 * Accepted sockets inherit their options (relay_socket.h) from their listener:
 * SO_OOBINLINE must be there before data comes, which may be before accept().
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/ingress_internal.h"
#include "portfwd/proxy.h"
#include "portfwd/source.h"

#define ACCEPTS_A_TURN 32
/* Clients of a port that wait for the pod; the others stay in the backlog. */
#define CONNECTING_MAX 256
#define EARLY_MAX      16 /* the same, before the pod's server is there */
/* Then a client's own address is tried again. */
#define UNANSWERED_S 60
#define RETRY_MS     100

static void resume(struct loop_job *job);
static void on_retry(struct loop_timer *t);
static void on_connected(struct loop_source *src, uint32_t revents);
static void fill_record(const struct flow_node *node, struct flow_record *out);
static void on_failed(struct pool_user *user, int err);

static void on_refilled(struct pool_user *user)
{
	struct ingress *in = container_of(user, struct ingress, sockets);

	loop_defer(in->loop, &in->resume);
}

int ingress_new(struct ingress **out, struct loop *loop, struct relay *relay,
		const struct source *source, struct pool *pool)
{
	struct ingress *in = calloc(1, sizeof(*in));

	if (!in)
		return log_errno(ENOMEM, "ingress");
	in->loop = loop;
	in->relay = relay;
	in->source = source;
	in->plan = source->plan;
	list_init(&in->publications);
	list_init(&in->ports);
	list_init(&in->waiting);
	list_init(&in->connecting);
	list_init(&in->relaying);
	list_init(&in->starved);
	list_init(&in->early);
	flow_book_init(&in->book, fill_record);
	list_init(&in->resume.link);
	in->resume.fn = resume;
	in->retry.fn = on_retry;
	in->pool = pool;
	in->sockets.type = SOCK_STREAM;
	in->sockets.refilled = on_refilled;
	in->sockets.on_demand = source->connected;
	in->sockets.failed = on_failed;
	pool_join(pool, &in->sockets);
	*out = in;
	return 0;
}

/* ---- the ladder ---- */

/*
 * What a target of `forward` sends to a client's address comes back only by the
 * grace of its network, which others may change.
 */
static bool may_be_unanswered(const struct ingress *in,
			      const struct ingress_flow *f)
{
	return in->source->direct && f->rung < SOURCE_GATEWAY;
}

static int connect_pod(const struct ingress *in, const struct ingress_flow *f,
		       int fd)
{
	static const int syn_retries = 1; /* some 3 s */

	if (may_be_unanswered(in, f) &&
	    setsockopt(fd, SOL_TCP, TCP_SYNCNT, &syn_retries,
		       sizeof(syn_retries)))
		return -errno;
	return source_connect(fd, in->plan, &f->port->pub->spec, f->rung,
			      &f->client, f->port->pod_port);
}

/*
 * Try the flow's rung: 0: under way; -EAGAIN: no socket in the pool; another
 * -errno: it failed at once.
 */
static int try_rung(struct ingress *in, struct ingress_flow *f)
{
	struct ip client = endpoint_ip(&f->client);
	int family = source_family(in->plan, f->rung, &client);
	int fd = pool_get(in->pool, &in->sockets, family);
	int rc;

	if (fd < 0)
		return fd;
	rc = in->source->connected ? 0 : connect_pod(in, f, fd);
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

static void wait_turn(struct ingress_port *p)
{
	if (!list_linked(&p->waiting))
		list_append(&p->in->waiting, &p->waiting);
}

static void retry_later(struct ingress *in)
{
	if (!in->retry.pos)
		(void)loop_timer_set(
			in->loop, &in->retry,
			mono_add(loop_now(in->loop), mono_ms(RETRY_MS)));
}

/* May the pod's server be on its way? */
static bool is_early(const struct ingress_port *p)
{
	return mono_before(loop_now(p->in->loop), p->early);
}

/* @f is relayed now, or about to be freed. */
static void not_connecting(struct ingress_flow *f)
{
	struct ingress_port *p = f->port;

	p->n_connecting--;
	if (!p->full || p->src.fd < 0)
		return;
	p->full = false;
	wait_turn(p);
	loop_defer(p->in->loop, &p->in->resume);
}

void ingress_port_unref(struct ingress_port *p)
{
	struct publication *pub = p->pub;

	if (p->src.fd >= 0 || p->n_flows)
		return;
	list_del(&p->link);
	free(p);
	if (--pub->n_ports || !pub->removed)
		return;
	list_del(&pub->link);
	free(pub);
}

void ingress_flow_free(struct ingress_flow *f)
{
	struct ingress_port *p = f->port;
	int fd = f->relay.b.src.fd;

	loop_forget(p->in->loop, &f->relay.b.src);
	fd_drop(&fd);
	f->relay.b.src.fd = -1;
	if (f->client_fd >= 0)
		not_connecting(f);
	fd_drop(&f->client_fd); /* lingers: resets the client */
	list_del(&f->link);
	list_del(&f->node.link);
	free(f);
	p->n_flows--;
	p->pub->n_flows--;
	ingress_port_unref(p);
}

static void give_up(struct ingress *in, struct ingress_flow *f, int err)
{
	char text[ADDR_TEXT_MAX];

	if (err == ECONNREFUSED)
		in->stats.refused++;
	else
		in->stats.unreachable++;
	f->port->pub->errors++;
	if (log_wants(LOG_DEBUG))
		log_debug("%s: not connected to the pod: %s",
			  endpoint_format(&f->client, text), strerror(err));
	ingress_flow_free(f);
}

static enum source_rung begin_at(const struct ingress_port *p,
				 const union endpoint *client)
{
	const struct ingress *in = p->in;
	struct ip ip = endpoint_ip(client);

	return source_why_lost(in->source, &p->pub->spec, &ip) ||
			       mono_before(loop_now(in->loop),
					   in->unanswered_until)
		       ? SOURCE_GATEWAY
		       : SOURCE_CLIENT;
}

/* No rung is left. */
static void refused(struct ingress *in, struct ingress_flow *f, int err)
{
	if (err != ECONNREFUSED || !is_early(f->port)) {
		give_up(in, f, err);
		return;
	}
	f->rung = begin_at(f->port, &f->client);
	list_del(&f->link);
	list_append(&in->early, &f->link);
	retry_later(in);
}

/* The target of `forward` takes no connections now; those behind try theirs. */
static void on_failed(struct pool_user *user, int err)
{
	struct ingress *in = container_of(user, struct ingress, sockets);

	if (!list_empty(&in->starved))
		give_up(in,
			container_of(in->starved.next, struct ingress_flow,
				     link),
			err);
	on_refilled(user);
}

/* Climb until something is under way or nothing is left. */
static void climb(struct ingress *in, struct ingress_flow *f)
{
	for (;;) {
		int rc = try_rung(in, f);

		if (rc == 0)
			return;
		if (rc == -EAGAIN) {
			/* the pool was checked before accepting, but this is
			 * a second socket, or one that is made on demand: wait
			 * for the next refill */
			list_del(&f->link);
			list_append(&in->starved, &f->link);
			(void)pool_has(
				in->pool,
				&in->sockets); /* asks for on_refilled() */
			return;
		}
		f->rung = source_next(in->plan, f->rung, -rc);
		if (f->rung == SOURCE_NONE) {
			refused(in, f, -rc);
			return;
		}
	}
}

static void on_relay_ended(struct relay_flow *rf, bool clean)
{
	struct ingress_flow *f = container_of(rf, struct ingress_flow, relay);
	struct ingress *in = f->port->in;

	(void)clean;
	f->port->pub->bytes_in += f->relay.a.bytes;
	f->port->pub->bytes_out += f->relay.b.bytes;
	ingress_flow_free(f);
	/* descriptors came free: those who wait for them may go on */
	if (!list_empty(&in->waiting))
		loop_defer(in->loop, &in->resume);
}

static void start_relay(struct ingress *in, struct ingress_flow *f)
{
	enum spec_proxy proxy = f->port->pub->spec.proxy;
	struct ip client = endpoint_ip(&f->client);
	int rc = 0;

	if (f->unanswered)
		in->unanswered_until =
			mono_add(loop_now(in->loop), mono_s(UNANSWERED_S));
	if (proxy != SPEC_PROXY_NONE)
		rc = proxy_send(proxy, f->relay.b.src.fd, f->client_fd,
				&f->client);
	if (rc) { /* the pod has reset it already */
		give_up(in, f, -rc);
		return;
	}
	f->relay.ended = on_relay_ended;
	if (relay_start(in->relay, &f->relay, f->client_fd,
			f->relay.b.src.fd)) {
		ingress_flow_free(f);
		return;
	}
	f->client_fd = -1;
	f->port->early = MONO_ZERO;
	not_connecting(f);
	publication_served(f->port->pub, in->source, &client, f->rung,
			   &in->stats.source);
	list_del(&f->link);
	list_append(&in->relaying, &f->link);
}

static void on_connected(struct loop_source *src, uint32_t revents)
{
	struct ingress_flow *f =
		container_of(src, struct ingress_flow, relay.b.src);
	struct ingress *in = f->port->in;
	int err = 0, fd = src->fd;
	socklen_t len = sizeof(err);

	/* one that came connected may have said all it has to say */
	if (in->source->connected || !(revents & (EPOLLERR | EPOLLHUP))) {
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
	f->unanswered = err == ETIMEDOUT && may_be_unanswered(in, f);
	f->rung = f->unanswered ? SOURCE_GATEWAY
				: source_next(in->plan, f->rung, err);
	if (f->rung == SOURCE_NONE)
		refused(in, f, err);
	else
		climb(in, f);
}

/* ---- accepting ---- */

static void open_flow(struct ingress_port *p, int fd,
		      const union endpoint *client)
{
	struct ingress *in = p->in;
	struct ingress_flow *f = calloc(1, sizeof(*f));

	in->stats.accepted++;
	if (!f) {
		fd_drop(&fd); /* resets the client */
		return;
	}
	f->port = p;
	f->client = *client;
	f->client_fd = fd;
	f->relay.a.src = f->relay.b.src = (struct loop_source)LOOP_SOURCE_NULL;
	f->rung = begin_at(p, client);
	list_init(&f->link);
	list_append(&in->connecting, &f->link);
	flow_book_add(&in->book, &f->node, loop_now(in->loop));
	p->n_flows++;
	p->pub->n_flows++;
	p->n_connecting++;
	climb(in, f);
}

/* No descriptors: wait for a flow to end, or look again in a while. */
static void pause_for_fds(struct ingress_port *p)
{
	struct ingress *in = p->in;

	in->stats.paused_fds++;
	pool_shrink(in->pool); /* a client is worth more than a reserve */
	wait_turn(p);
	retry_later(in);
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
static bool accept_one(struct ingress_port *p)
{
	struct ingress *in = p->in;
	union endpoint client;
	socklen_t len = sizeof(client);
	uint32_t max = p->pub->spec.max_flows;
	int fd;

	if (p->n_connecting >= (is_early(p) ? EARLY_MAX : CONNECTING_MAX)) {
		in->stats.paused_pod++;
		p->full = true;
		return false; /* not_connecting() wakes it */
	}
	if (!in->sockets.on_demand && !pool_has(in->pool, &in->sockets)) {
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
		p->pub->errors++;
		fd_drop(&fd);
		return true;
	}
	open_flow(p, fd, &client);
	return true;
}

static void accept_some(struct ingress_port *p)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++)
		if (!accept_one(p))
			return;
	wait_turn(p);
	loop_defer(p->in->loop, &p->in->resume);
}

void ingress_acceptable(struct loop_source *src, uint32_t revents)
{
	struct ingress_port *p = container_of(src, struct ingress_port, src);

	(void)revents;
	if (!list_linked(&p->waiting))
		accept_some(p);
}

static void climb_again(struct ingress *in, struct list *e)
{
	list_del(e);
	list_append(&in->connecting, e);
	climb(in, container_of(e, struct ingress_flow, link));
}

/* Those first who have waited longer: a flow that goes hungry again stays. */
static void feed_starved(struct ingress *in)
{
	while (!list_empty(&in->starved) && pool_has(in->pool, &in->sockets))
		climb_again(in, in->starved.next);
}

static void resume(struct loop_job *job)
{
	struct ingress *in = container_of(job, struct ingress, resume);
	struct list todo;

	feed_starved(in);
	list_move(&todo, &in->waiting);
	while (!list_empty(&todo)) {
		struct ingress_port *p =
			container_of(todo.next, struct ingress_port, waiting);

		list_del(&p->waiting);
		accept_some(p);
	}
}

static void on_retry(struct loop_timer *t)
{
	struct ingress *in = container_of(t, struct ingress, retry);
	struct list todo;

	list_move(&todo, &in->early);
	while (!list_empty(&todo))
		climb_again(in, todo.next);
	loop_defer(in->loop, &in->resume);
}

void ingress_retarget(struct ingress *in)
{
	in->unanswered_until = MONO_ZERO;
}

const struct ingress_stats *ingress_stats(const struct ingress *in)
{
	return &in->stats;
}

static void fill_record(const struct flow_node *node, struct flow_record *out)
{
	const struct ingress_flow *f =
		container_of(node, struct ingress_flow, node);
	const struct ingress_port *p = f->port;
	struct ip client = endpoint_ip(&f->client);
	int family = source_family(p->in->plan, f->rung, &client);

	out->direction = FLOW_INGRESS;
	if (!p->in->source->connected)
		out->pod = endpoint_make(
			source_pod_ip(p->in->plan, &p->pub->spec, family),
			p->pod_port);
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
		relay_abort(&container_of(in->relaying.next,
					  struct ingress_flow, link)
				     ->relay);
	while (!list_empty(&in->connecting))
		ingress_flow_free(container_of(in->connecting.next,
					       struct ingress_flow, link));
	while (!list_empty(&in->starved))
		ingress_flow_free(container_of(in->starved.next,
					       struct ingress_flow, link));
	while (!list_empty(&in->early))
		ingress_flow_free(container_of(in->early.next,
					       struct ingress_flow, link));
	while (!list_empty(&in->ports)) {
		struct ingress_port *p =
			container_of(in->ports.next, struct ingress_port, link);

		loop_close(in->loop, &p->src);
		list_del(&p->waiting);
		list_del(&p->link);
		free(p);
	}
	publications_free(&in->publications);
	list_del(&in->resume.link);
	loop_timer_stop(in->loop, &in->retry);
	pool_leave(in->pool, &in->sockets);
	free(in);
	return NULL;
}
