// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A flow: CONNECTING (on the host side) → WRITTEN (netstack has been told to
 * write the SYN back; the hop's kernel shakes hands with the pod) → relayed.
 *
 * accept() on the TPROXY listener gives a socket whose local address is the
 * remote's and whose peer is the application. It is paired with the pending
 * flow of exactly that 4-tuple, or reset: where the flow goes was decided when
 * its SYN was asked about, and nothing the pod does later changes it.
 *
 * A SYN asked about again while its flow is WRITTEN is written back again: the
 * first one may have found the listener's queue full. While it is CONNECTING
 * the newer question gets the answer.
 */
#include "portfwd/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/relay_socket.h"

#define BUCKETS		4096 /* a power of two */
#define ACCEPTS_A_TURN	64
#define ASKS_A_TURN	4 /* messages, of up to SYN_BATCH questions */
#define WRITE_BACKS_MAX 8 /* of one SYN */
#define RETRY_MS	100
#define FDS_RESERVED	256 /* for listeners, the pool, DNS, … */

enum state { CONNECTING, WRITTEN, RELAYED };

struct flow {
	struct relay_flow relay;
	struct flow_node node;
	struct list link;  /* on connecting, written or relayed */
	struct flow *next; /* in its bucket, until RELAYED */
	struct egress *egress;
	struct syn_ask ask;
	struct mono deadline; /* of WRITTEN */
	uint8_t state, write_backs;
};

struct listener {
	struct loop_source src;
	struct egress *egress;
};

struct egress {
	struct loop *loop;
	struct relay *relay;
	struct egress_config cfg;
	struct loop_source peer;
	struct listener listeners[2];
	struct loop_timer give_up; /* for the oldest on written */
	struct loop_timer resume;  /* accept again after a shortage */
	struct loop_job flush;
	struct list connecting, written, relayed;
	struct flow_book book; /* all of them */
	size_t n_pending, fds_max;
	uint64_t seed;
	struct syn_verdict *verdicts; /* not yet sent */
	size_t n_verdicts, cap_verdicts;
	struct flow *buckets[BUCKETS];
	struct egress_stats stats;
};

/* ---- the table of pending flows ---- */

static size_t bucket(const struct egress *e, const struct tuple *k)
{
	return tuple_hash(k, e->seed) & (BUCKETS - 1);
}

static struct flow *find(const struct egress *e, const struct tuple *k)
{
	struct flow *f = e->buckets[bucket(e, k)];

	while (f && !tuple_equal(&f->ask.flow, k))
		f = f->next;
	return f;
}

static void table_add(struct egress *e, struct flow *f)
{
	size_t b = bucket(e, &f->ask.flow);

	f->next = e->buckets[b];
	e->buckets[b] = f;
	e->n_pending++;
}

static void table_del(struct egress *e, struct flow *f)
{
	struct flow **p = &e->buckets[bucket(e, &f->ask.flow)];

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	e->n_pending--;
}

/* ---- verdicts ---- */

static void watch_room(struct egress *e, bool on)
{
	(void)loop_mod(e->loop, &e->peer,
		       EPOLLIN | (on ? (uint32_t)EPOLLOUT : 0));
}

static void flush(struct loop_job *job)
{
	struct egress *e = container_of(job, struct egress, flush);
	size_t sent = 0;

	while (sent < e->n_verdicts && e->peer.fd >= 0) {
		size_t n = e->n_verdicts - sent;
		int rc;

		if (n > SYN_BATCH)
			n = SYN_BATCH;
		rc = msg_send(e->peer.fd, SYN_VERDICT, e->verdicts + sent,
			      n * sizeof(*e->verdicts), NULL, 0);
		if (msg_again(rc)) {
			watch_room(e, true);
			break;
		}
		if (rc)
			break; /* netstack is gone: on_peer() sees it */
		sent += n;
	}
	if (sent && sent == e->n_verdicts && (e->peer.events & EPOLLOUT))
		watch_room(e, false);
	e->n_verdicts -= sent;
	memmove(e->verdicts, e->verdicts + sent,
		e->n_verdicts * sizeof(*e->verdicts));
}

/* A verdict that can't be kept is silence: the pod's TCP asks again. */
static void say(struct egress *e, uint32_t id, enum syn_what what)
{
	e->stats.verdicts[what]++;
	if (e->n_verdicts == e->cap_verdicts) {
		size_t cap = e->cap_verdicts ? e->cap_verdicts * 2 : SYN_BATCH;
		struct syn_verdict *v;

		if (cap > (size_t)EGRESS_PENDING_MAX * 4)
			return;
		v = realloc(e->verdicts, cap * sizeof(*v));
		if (!v)
			return;
		e->verdicts = v;
		e->cap_verdicts = cap;
	}
	e->verdicts[e->n_verdicts++] = (struct syn_verdict){ id, what };
	loop_defer(e->loop, &e->flush);
}

static enum syn_what verdict_of(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
		return SYN_RESET;
	case ENETUNREACH:
	case ENETDOWN:
		return SYN_NET;
	case EHOSTUNREACH:
	case ENONET:
		return SYN_HOST;
	case EHOSTDOWN:
		return SYN_DOWN;
	case ENOPROTOOPT:
	case EPROTO:
		return SYN_NO_TCP;
	case EACCES:
	case EPERM:
		return SYN_PROHIBITED;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EAFNOSUPPORT:
		return SYN_DECLINE;
	default: /* ETIMEDOUT above all: the pod's own timer tells it */
		return SYN_SILENCE;
	}
}

/* The host side's connect() failed. */
static void failed(struct egress *e, uint32_t id, int err)
{
	enum syn_what what = verdict_of(err);

	switch (what) {
	case SYN_RESET:
		e->stats.refused++;
		break;
	case SYN_SILENCE:
		e->stats.timeout++;
		break;
	case SYN_DECLINE:
		e->stats.shortage++;
		break;
	default: /* an ICMP error, or what stands for one */
		e->stats.unreachable++;
	}
	say(e, id, what);
}

/* ---- a flow's life ---- */

static void flow_free(struct flow *f)
{
	struct egress *e = f->egress;
	int fd = f->relay.a.src.fd;

	loop_forget(e->loop, &f->relay.a.src);
	fd_drop(&fd); /* lingers: resets the remote */
	if (f->state != RELAYED)
		table_del(e, f);
	list_del(&f->link);
	list_del(&f->node.link);
	free(f);
}

static void on_relay_ended(struct relay_flow *rf, bool clean)
{
	(void)clean;
	flow_free(container_of(rf, struct flow, relay));
}

static void arm_give_up(struct egress *e)
{
	struct flow *f;

	if (e->give_up.pos || list_empty(&e->written))
		return;
	f = container_of(e->written.next, struct flow, link);
	(void)loop_timer_set(e->loop, &e->give_up, f->deadline);
}

static void on_give_up(struct loop_timer *t)
{
	struct egress *e = container_of(t, struct egress, give_up);

	while (!list_empty(&e->written)) {
		struct flow *f =
			container_of(e->written.next, struct flow, link);

		if (mono_before(loop_now(e->loop), f->deadline))
			break;
		e->stats.gave_up++;
		flow_free(f);
	}
	arm_give_up(e);
}

/* Connected on the host side: the pod's handshake may begin. */
static void connected(struct flow *f)
{
	struct egress *e = f->egress;

	f->state = WRITTEN;
	f->write_backs = 1;
	f->deadline = mono_add(loop_now(e->loop), mono_s(EGRESS_GIVE_UP_S));
	list_del(&f->link);
	list_append(&e->written, &f->link);
	arm_give_up(e);
	e->stats.connected++;
	say(e, f->ask.id, SYN_WRITE_BACK);
}

static void on_host(struct loop_source *src, uint32_t revents)
{
	struct flow *f = container_of(src, struct flow, relay.a.src);
	socklen_t len = sizeof(int);
	int err = 0;

	f->relay.a.seen |= revents;
	/* once it is WRITTEN, the relay looks at what came meanwhile */
	if (f->state != CONNECTING)
		return;
	if (!(revents & (EPOLLERR | EPOLLHUP))) {
		if (revents & EPOLLOUT)
			connected(f);
		return;
	}
	/* not relayed yet: asking for the error is harmless */
	if (getsockopt(src->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	failed(f->egress, f->ask.id, err);
	flow_free(f);
}

static int bind_outbound(const struct egress *e, int fd, int family)
{
	const struct ip *ip =
		family == AF_INET ? &e->cfg.outbound4 : &e->cfg.outbound6;
	static const int one = 1;
	union endpoint ep;

	if (!ip->family)
		return 0;
	ep = endpoint_make(ip, 0);
	(void)setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one,
			 sizeof(one)); /* only saves ports */
	return bind(fd, &ep.sa, endpoint_len(&ep)) ? -errno : 0;
}

/* Return: the socket, or -errno; @done: it is connected already */
static int start_connect(const struct egress *e, const struct ip *to,
			 uint16_t port, bool *done)
{
	union endpoint ep = endpoint_make(to, port);
	scoped_fd fd = socket(to->family,
			      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = relay_socket_prepare_host(fd);
	if (!rc && !ip_is_loopback(to))
		rc = bind_outbound(e, fd, to->family);
	if (rc)
		return rc;
	rc = relay_socket_connect(fd, &ep);
	*done = !rc;
	return !rc || rc == -EINPROGRESS ? fd_take(&fd) : rc;
}

static void open_flow(struct egress *e, const struct syn_ask *ask,
		      const struct ip *to, uint16_t port)
{
	struct flow *f = calloc(1, sizeof(*f));
	bool done = false;
	int fd;

	if (!f) {
		failed(e, ask->id, ENOMEM);
		return;
	}
	fd = start_connect(e, to, port, &done);
	if (fd < 0) {
		free(f);
		failed(e, ask->id, -fd);
		return;
	}
	f->egress = e;
	f->ask = *ask;
	f->relay.ended = on_relay_ended;
	f->relay.a.src = (struct loop_source){ .fd = fd };
	list_init(&f->link);
	list_append(&e->connecting, &f->link);
	flow_book_add(&e->book, &f->node, loop_now(e->loop));
	table_add(e, f);
	if (done) {
		connected(f); /* from relay_start() on it is watched */
		return;
	}
	f->relay.a.src = (struct loop_source){ fd, RELAY_EVENTS, on_host };
	if (loop_add(e->loop, &f->relay.a.src)) {
		say(e, ask->id, SYN_DECLINE);
		flow_free(f);
	}
}

/* ---- questions ---- */

static void repeated(struct egress *e, struct flow *f, uint32_t id)
{
	e->stats.repeated++;
	f->ask.id = id;
	if (f->state == CONNECTING)
		return;
	if (f->write_backs >= WRITE_BACKS_MAX) {
		say(e, id, SYN_SILENCE);
		return;
	}
	f->write_backs++;
	say(e, id, SYN_WRITE_BACK);
}

static bool at_limit(const struct egress *e)
{
	return e->relay->n_flows * 2 + e->n_pending * 2 >= e->fds_max;
}

/*
 * The oldest flow that nobody has answered makes room for a new one: a flood
 * to where nobody answers neither keeps others out nor overflows libslirp. The
 * pod's TCP asks again.
 */
static bool make_room(struct egress *e)
{
	struct flow *f;

	if (e->n_pending < EGRESS_PENDING_MAX)
		return true;
	e->stats.over++;
	if (list_empty(&e->connecting))
		return false;
	f = container_of(e->connecting.next, struct flow, link);
	say(e, f->ask.id, SYN_SILENCE);
	flow_free(f);
	return true;
}

/* Return: the host's port behind this one of the gateway; 0: not opened */
static uint16_t open_host_port(const struct egress *e, const struct tuple *flow,
			       struct ip *to)
{
	const struct podnet *plan = e->cfg.plan;
	bool v4 = flow->dst.family == AF_INET;

	if (!e->cfg.host_ports ||
	    !ip_equal(&flow->dst, v4 ? &plan->gw4 : &plan->gw6))
		return 0;
	*to = egress_loopback(flow->dst.family);
	return hostport_find(e->cfg.host_ports, flow->dport);
}

static void take_ask(struct egress *e, const struct syn_ask *ask)
{
	enum syn_what verdict;
	struct flow *f;
	uint16_t port;
	struct ip to;

	if ((ask->flow.src.family != AF_INET &&
	     ask->flow.src.family != AF_INET6) ||
	    ask->flow.dst.family != ask->flow.src.family)
		return;
	e->stats.asked++;
	f = find(e, &ask->flow);
	if (f) {
		repeated(e, f, ask->id);
		return;
	}
	port = open_host_port(e, &ask->flow, &to);
	if (!port && !egress_policy(&e->cfg, &ask->flow.dst, &to, &verdict)) {
		e->stats.policy++;
		say(e, ask->id, verdict);
		return;
	}
	if (at_limit(e)) {
		e->stats.over++;
		say(e, ask->id, SYN_DECLINE);
		return;
	}
	if (make_room(e))
		open_flow(e, ask, &to, port ? port : ask->flow.dport);
	else
		say(e, ask->id, SYN_SILENCE);
}

static void on_peer(struct loop_source *src, uint32_t revents)
{
	struct egress *e = container_of(src, struct egress, peer);
	struct syn_ask asks[SYN_BATCH];

	if (revents & EPOLLOUT)
		loop_defer(e->loop, &e->flush);
	for (int i = 0; i < ASKS_A_TURN; i++) {
		struct msg m;
		size_t n;
		int rc = msg_recv(src->fd, &m);

		if (msg_again(rc))
			return;
		if (rc <= 0) {
			/* netstack's death is the supervisor's business; the
			 * flows that are open live on */
			loop_close(e->loop, src);
			return;
		}
		msg_drop(&m);
		if (m.type != SYN_ASK || m.len > sizeof(asks))
			continue;
		memcpy(asks, m.body, m.len);
		n = m.len / sizeof(asks[0]);
		for (size_t k = 0; k < n; k++)
			take_ask(e, &asks[k]);
		if (n < SYN_BATCH)
			return; /* hardly more behind it, and if, an event */
	}
}

/* ---- the pod's end ---- */

static void pair(struct egress *e, int fd, const union endpoint *pod)
{
	union endpoint remote;
	socklen_t len = sizeof(remote);
	struct tuple key;
	struct flow *f = NULL;
	int host;

	if (!getsockname(fd, &remote.sa, &len)) {
		key = (struct tuple){ endpoint_ip(pod), endpoint_ip(&remote),
				      endpoint_port(pod),
				      endpoint_port(&remote) };
		f = find(e, &key);
	}
	if (!f || f->state != WRITTEN) {
		e->stats.stray++;
		fd_drop(&fd); /* lingers: resets the pod */
		return;
	}
	host = f->relay.a.src.fd;
	if (relay_start(e->relay, &f->relay, host, fd)) {
		f->relay.a.src.fd = host;
		fd_drop(&fd);
		flow_free(f);
		return;
	}
	table_del(e, f);
	f->state = RELAYED;
	list_del(&f->link);
	list_append(&e->relayed, &f->link);
	e->stats.paired++;
}

static void pause_accept(struct egress *e)
{
	e->stats.shortage++;
	for (int i = 0; i < 2; i++)
		if (e->listeners[i].src.fd >= 0)
			(void)loop_mod(e->loop, &e->listeners[i].src, 0);
	(void)loop_timer_set(e->loop, &e->resume,
			     mono_add(loop_now(e->loop), mono_ms(RETRY_MS)));
}

static void on_resume(struct loop_timer *t)
{
	struct egress *e = container_of(t, struct egress, resume);

	for (int i = 0; i < 2; i++)
		if (e->listeners[i].src.fd >= 0)
			(void)loop_mod(e->loop, &e->listeners[i].src, EPOLLIN);
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS ||
	       err == ENOMEM;
}

static void on_listener(struct loop_source *src, uint32_t revents)
{
	struct listener *l = container_of(src, struct listener, src);

	(void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		union endpoint pod;
		socklen_t len = sizeof(pod);
		int fd = accept4(src->fd, &pod.sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			pair(l->egress, fd, &pod);
			/* none is expected, and if, there is an event */
			if (list_empty(&l->egress->written))
				return;
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (is_shortage(errno))
			pause_accept(l->egress);
		return;
	}
}

/* ---- telling ---- */

static void fill_record(const struct flow_node *node, struct flow_record *out)
{
	const struct flow *f = container_of(node, struct flow, node);
	const struct syn_ask *ask = &f->ask;

	out->direction = FLOW_EGRESS;
	out->pod = endpoint_make(&ask->flow.src, ask->flow.sport);
	out->remote = endpoint_make(&ask->flow.dst, ask->flow.dport);
	if (f->state == RELAYED) {
		flow_record_relay(&f->relay, out);
		return;
	}
	out->state = f->state == WRITTEN ? FLOW_WRITTEN : FLOW_CONNECTING;
	flow_record_local(f->relay.a.src.fd, out);
}

/* ---- set-up ---- */

static size_t fds_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur <= FDS_RESERVED)
		return 0;
	return rl.rlim_cur - FDS_RESERVED;
}

static int watch_all(struct egress *e, int peer, const int tproxy[2])
{
	int rc = fd_nonblock(peer);

	e->peer = (struct loop_source){ peer, EPOLLIN, on_peer };
	if (!rc)
		rc = loop_add(e->loop, &e->peer);
	for (int i = 0; i < 2; i++) {
		e->listeners[i].egress = e;
		e->listeners[i].src =
			(struct loop_source){ tproxy[i], EPOLLIN, on_listener };
		if (!rc && tproxy[i] >= 0)
			rc = loop_add(e->loop, &e->listeners[i].src);
	}
	return rc;
}

int egress_peer(struct egress *e, int peer)
{
	int rc = fd_nonblock(peer);

	loop_close(e->loop, &e->peer);
	/* verdicts for the old one mean nothing to the new: it asks again */
	e->n_verdicts = 0;
	e->peer = (struct loop_source){ peer, EPOLLIN, on_peer };
	if (!rc)
		rc = loop_add(e->loop, &e->peer);
	if (rc) {
		fd_drop(&peer);
		e->peer.fd = -1;
	}
	return rc;
}

int egress_new(struct egress **out, struct loop *loop, struct relay *relay,
	       const struct egress_config *cfg, int peer, const int tproxy[2])
{
	struct egress *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return log_errno(ENOMEM, "egress");
	e->loop = loop;
	e->relay = relay;
	e->cfg = *cfg;
	e->peer.fd = e->listeners[0].src.fd = e->listeners[1].src.fd = -1;
	e->fds_max = fds_limit();
	list_init(&e->connecting);
	list_init(&e->written);
	list_init(&e->relayed);
	flow_book_init(&e->book, fill_record);
	list_init(&e->flush.link);
	e->flush.fn = flush;
	e->give_up.fn = on_give_up;
	e->resume.fn = on_resume;
	rc = tuple_seed(&e->seed);
	if (!rc)
		rc = watch_all(e, peer, tproxy);
	if (rc) {
		egress_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

struct egress *egress_free(struct egress *e)
{
	if (!e)
		return NULL;
	while (!list_empty(&e->relayed))
		relay_abort(&container_of(e->relayed.next, struct flow, link)
				     ->relay);
	while (!list_empty(&e->written))
		flow_free(container_of(e->written.next, struct flow, link));
	while (!list_empty(&e->connecting))
		flow_free(container_of(e->connecting.next, struct flow, link));
	list_del(&e->flush.link);
	loop_timer_stop(e->loop, &e->give_up);
	loop_timer_stop(e->loop, &e->resume);
	loop_close(e->loop, &e->peer);
	for (int i = 0; i < 2; i++)
		loop_close(e->loop, &e->listeners[i].src);
	free(e->verdicts);
	free(e);
	return NULL;
}

const struct egress_stats *egress_stats(const struct egress *e)
{
	return &e->stats;
}

struct flow_book *egress_book(struct egress *e)
{
	return &e->book;
}
