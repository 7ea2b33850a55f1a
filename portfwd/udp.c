// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host's port has one socket for all of its clients; each datagram tells who
 * sent it, and to which of the host's addresses. A client has a socket in the
 * hop, bound to the client's own address and connected to the pod: to the pod
 * it is the client.
 *
 * Nothing is queued here: what isn't read waits in the sockets' buffers. A turn
 * reads no more datagrams than there are sockets for new clients; without any,
 * the port waits until the maker has sent some. When that takes long (there are
 * no descriptors), known clients are served all the same and new ones are not.
 *
 * The ports' sockets are edge-triggered as those of ingress.c, and for the same
 * reason: one that may have more is put on a waiting list.
 *
 * One timer looks at all flows: those that were idle for too long are closed,
 * and those that have sent nothing to the pod for a while tell the steering
 * that they are still there (HOP_UDP_TTL_KEEP): the set forgets them otherwise.
 */
#include "portfwd/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/udp_internal.h"

#define TURNS	     4 /* batches of one port, before others have theirs */
#define RETRY_MS     100
#define FLOWS_MAX    16384
#define FLOWS_SHARE  4 /* one in so many descriptors may be a flow's */
#define TELL_S	     (HOP_UDP_KEEP_S / 2)
#define SWEEP_MIN_MS 1000

/* ---- to the client ---- */

/* An option of the socket: rarely do datagrams of both kinds alternate. */
static void set_whole(struct udp_port *p, const union endpoint *to, bool whole)
{
	struct ip ip = endpoint_ip(to);
	bool v6 = ip.family == AF_INET6;
	int value = whole ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;

	_Static_assert(IP_PMTUDISC_DO == IPV6_PMTUDISC_DO &&
			       IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT,
		       "the same for both families");
	if (p->whole[v6] == whole)
		return;
	if (!setsockopt(p->src.fd, v6 ? SOL_IPV6 : SOL_IP,
			v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value,
			sizeof(value)))
		p->whole[v6] = whole;
}

static void to_client(struct udp_flow *f, unsigned int n)
{
	struct udp *u = f->port->u;
	struct udp_sent sent = { 0 };
	struct udp_way way = {
		.fd = f->port->src.fd,
		.to = &f->to,
		.from = &f->node.key.local,
		.gso_max = &f->gso_out,
	};

	for (unsigned int i = 0, end; i < n; i = end) {
		bool whole = u->io.msgs[i].whole;

		for (end = i + 1; end < n && u->io.msgs[end].whole == whole;)
			end++;
		set_whole(f->port, &f->to, whole);
		udp_io_send(&u->io, &way, i, end - i, &sent);
	}
	if (sent.lost)
		udp_errors(f->port, f);
	f->bytes_out += sent.bytes;
	u->stats.bytes_out += sent.bytes;
	u->stats.packets_out += sent.packets;
	u->stats.unsent += sent.lost;
}

void udp_flow_readable(struct loop_source *src, uint32_t revents)
{
	struct udp_flow *f = container_of(src, struct udp_flow, src);
	struct udp *u = f->port->u;
	int n = udp_io_recv(&u->io, src->fd, UDP_IO_BATCH);

	(void)revents;
	if (n == -ECONNREFUSED) {
		udp_flow_refused(f);
		return;
	}
	if (n <= 0)
		return; /* other errors pass: the client asks again */
	udp_flow_answered(f);
	udp_table_touch(&u->table, &f->node, loop_now(u->loop));
	to_client(f, (unsigned int)n);
}

/* ---- to the pod ---- */

static struct mono idle_of(const struct udp_flow *f)
{
	uint32_t s = f->port->pub->spec.idle_s;

	return mono_s(s ? s : UDP_IDLE_S);
}

static struct mono due(const struct udp_flow *f)
{
	struct mono end = mono_add(f->node.used, idle_of(f));
	struct mono tell = mono_add(f->told, mono_s(TELL_S));

	return mono_before(end, tell) ? end : tell;
}

static void sweep_at(struct udp *u, struct mono at)
{
	struct mono soonest =
		mono_add(loop_now(u->loop), mono_ms(SWEEP_MIN_MS));

	if (mono_before(at, soonest))
		at = soonest;
	if (!u->sweep.pos || mono_before(at, u->sweep.at))
		(void)loop_timer_set(u->loop, &u->sweep, at);
}

static void on_sweep(struct loop_timer *t)
{
	struct udp *u = container_of(t, struct udp, sweep);
	struct mono now = loop_now(u->loop), next = MONO_NEVER;

	list_for_each_safe (e, &u->table.ages) {
		struct udp_flow *f = container_of(e, struct udp_flow, node.age);

		if (!mono_before(now, mono_add(f->node.used, idle_of(f)))) {
			udp_flow_close(f);
			continue;
		}
		if (!mono_before(now, mono_add(f->told, mono_s(TELL_S))))
			udp_flow_keep(f);
		if (mono_before(due(f), next))
			next = due(f);
	}
	if (u->table.n)
		sweep_at(u, next);
}

/* Return: the flow; NULL: this client is not served now */
static struct udp_flow *new_flow(struct udp_port *p, const struct udp_key *key,
				 const struct udp_msg *m)
{
	uint32_t max = p->pub->spec.max_flows;
	struct udp *u = p->u;
	struct udp_flow *f;

	if (max && p->pub->n_flows >= max) {
		u->stats.over_max++;
		p->pub->errors++;
		return NULL;
	}
	if (u->table.n >= u->max_flows) {
		udp_flow_close(container_of(udp_table_oldest(&u->table),
					    struct udp_flow, node));
		u->stats.evicted++;
	}
	if (udp_flow_open(&f, p, key, m)) {
		u->stats.shortage++;
		return NULL;
	}
	sweep_at(u, due(f));
	return f;
}

static struct udp_key key_of(const struct udp_port *p, const struct udp_msg *m)
{
	struct ip client = endpoint_ip(&m->from);

	return (struct udp_key){
		.port = p,
		.client = client,
		.local = m->local,
		.client_port = endpoint_port(&m->from),
		.pod_port = p->pod_port,
	};
}

static void to_pod(struct udp_port *p, const struct udp_key *key,
		   unsigned int first, unsigned int n)
{
	struct udp *u = p->u;
	struct udp_node *node = udp_table_find(&u->table, key);
	struct udp_flow *f = node ? container_of(node, struct udp_flow, node)
				  : new_flow(p, key, &u->io.msgs[first]);
	struct udp_sent sent = { 0 };
	struct udp_way way;

	if (!f)
		return;
	way = (struct udp_way){ .fd = f->src.fd, .gso_max = &f->gso_in };
	udp_io_send(&u->io, &way, first, n, &sent);
	udp_table_touch(&u->table, &f->node, loop_now(u->loop));
	f->told = f->node.used;
	f->bytes_in += sent.bytes;
	u->stats.bytes_in += sent.bytes;
	u->stats.packets_in += sent.packets;
	u->stats.unsent += sent.lost;
}

static bool same_flow(const struct udp_msg *a, const struct udp_msg *b)
{
	return ip_equal(&a->local, &b->local) &&
	       memcmp(&a->from, &b->from, endpoint_len(&a->from)) == 0;
}

static void sort_out(struct udp_port *p, unsigned int n)
{
	const struct udp_msg *msgs = p->u->io.msgs;

	for (unsigned int i = 0, end; i < n; i = end) {
		struct udp_key key = key_of(p, &msgs[i]);

		for (end = i + 1; end < n && same_flow(&msgs[i], &msgs[end]);)
			end++;
		to_pod(p, &key, i, end - i);
	}
}

static void wait_turn(struct udp_port *p)
{
	if (!list_linked(&p->waiting))
		list_append(&p->u->waiting, &p->waiting);
}

/* How many datagrams may be read: each may need a socket. */
static unsigned int budget(struct udp *u)
{
	size_t n = pool_has(u->pool, &u->sockets);

	if (n > UDP_IO_BATCH || u->short_of)
		return UDP_IO_BATCH;
	if (!n && !u->retry.pos)
		(void)loop_timer_set(
			u->loop, &u->retry,
			mono_add(loop_now(u->loop), mono_ms(RETRY_MS)));
	return (unsigned int)n;
}

static void read_some(struct udp_port *p)
{
	struct udp *u = p->u;

	for (int i = 0; i < TURNS; i++) {
		unsigned int max = budget(u);
		int n = max ? udp_io_recv(&u->io, p->src.fd, max) : 0;

		if (!max) {
			wait_turn(p);
			return;
		}
		if (n == -EAGAIN)
			return;
		if (n > 0)
			sort_out(p, (unsigned int)n);
		/* it was empty then: what comes later is another edge */
		if (n > 0 && (unsigned int)n < max)
			return;
		/* an error is that of a datagram sent: it was read now */
	}
	wait_turn(p);
	loop_defer(u->loop, &u->resume);
}

static void on_port(struct loop_source *src, uint32_t revents)
{
	struct udp_port *p = container_of(src, struct udp_port, src);

	if (revents & EPOLLERR)
		udp_errors(p, NULL);
	if (!list_linked(&p->waiting))
		read_some(p);
}

static void resume(struct loop_job *job)
{
	struct udp *u = container_of(job, struct udp, resume);
	struct list todo;

	list_move(&todo, &u->waiting);
	while (!list_empty(&todo)) {
		struct udp_port *p =
			container_of(todo.next, struct udp_port, waiting);

		list_del(&p->waiting);
		read_some(p);
	}
}

static void on_refilled(struct pool_user *user)
{
	struct udp *u = container_of(user, struct udp, sockets);

	u->short_of = false;
	loop_timer_stop(u->loop, &u->retry);
	loop_defer(u->loop, &u->resume);
}

static void on_retry(struct loop_timer *t)
{
	struct udp *u = container_of(t, struct udp, retry);

	u->short_of = true;
	loop_defer(u->loop, &u->resume);
}

/* ---- publishing ---- */

static void fill_record(const struct flow_node *node, struct flow_record *out)
{
	const struct udp_flow *f = container_of(node, struct udp_flow, book);
	const struct udp_key *key = &f->node.key;

	out->path = FLOW_UDP;
	out->direction = FLOW_INGRESS;
	out->state = FLOW_OPEN;
	out->pod = endpoint_make(source_pod_ip(f->port->u->plan,
					       &f->port->pub->spec,
					       f->as.sa.sa_family),
				 key->pod_port);
	out->remote = endpoint_make(&key->client, key->client_port);
	if (key->local.family)
		out->host = endpoint_make(&key->local, f->port->host_port);
	out->bytes_in = f->bytes_in;
	out->bytes_out = f->bytes_out;
}

/* What is left for TCP is more. */
static size_t flows_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) ||
	    files.rlim_cur / FLOWS_SHARE > FLOWS_MAX)
		return FLOWS_MAX;
	return files.rlim_cur / FLOWS_SHARE;
}

int udp_new(struct udp **out, struct loop *loop, const struct source *source,
	    struct pool *pool)
{
	struct udp *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return log_errno(ENOMEM, "published UDP ports");
	u->loop = loop;
	u->source = source;
	u->plan = source->plan;
	u->pool = pool;
	u->icmp_fds[0] = u->icmp_fds[1] = -1;
	list_init(&u->publications);
	list_init(&u->ports);
	list_init(&u->waiting);
	list_init(&u->resume.link);
	u->resume.fn = resume;
	u->retry.fn = on_retry;
	u->sweep.fn = on_sweep;
	u->max_flows = flows_max();
	flow_book_init(&u->book, fill_record);
	u->sockets = (struct pool_user){ .type = SOCK_DGRAM,
					 .refilled = on_refilled };
	u->icmp = (struct pool_user){ .type = SOCK_RAW };
	rc = udp_table_init(&u->table);
	if (!rc)
		rc = udp_io_init(&u->io);
	if (rc)
		u = udp_free(u);
	*out = u;
	return rc;
}

static struct udp_port *port_find(struct udp *u, const struct publication *pub,
				  uint16_t pod_port)
{
	list_for_each (e, &u->ports) {
		struct udp_port *p = container_of(e, struct udp_port, link);

		if (p->pub == pub && p->pod_port == pod_port)
			return p;
	}
	return NULL;
}

static struct udp_port *port_add(struct udp *u, struct publication *pub,
				 uint16_t host_port, uint16_t pod_port)
{
	struct udp_port *p = calloc(1, sizeof(*p));

	if (!p) {
		(void)log_errno(ENOMEM, "published port");
		return NULL;
	}
	p->u = u;
	p->pub = pub;
	p->host_port = host_port;
	p->pod_port = pod_port;
	p->src = (struct loop_source)LOOP_SOURCE_NULL;
	list_init(&p->waiting);
	list_append(&u->ports, &p->link);
	pub->n_ports++;
	return p;
}

/* In place of the one it has, if any: its flows go on. @fd: taken */
static int set_socket(struct udp_port *p, int *fd)
{
	union endpoint to[2] = { { .sa.sa_family = AF_INET },
				 { .sa.sa_family = AF_INET6 } };

	loop_close(p->u->loop, &p->src);
	p->src =
		(struct loop_source){ fd_take(fd), EPOLLIN | EPOLLET, on_port };
	/* whatever an earlier process has left it at */
	for (int i = 0; i < 2; i++) {
		p->whole[i] = true;
		set_whole(p, &to[i], false);
	}
	return p->u->started ? loop_add(p->u->loop, &p->src) : 0;
}

int udp_publish(struct udp *u, const struct portfwd_publish *p, int *fds)
{
	struct publication *pub = publication_get(&u->publications, p);
	int rc = 0;

	if (!pub)
		return -ENOMEM;
	/* a pod without such ports needs no sockets for them */
	if (list_empty(&u->ports)) {
		pool_join(u->pool, &u->sockets);
		if (!u->source->direct)
			pool_join(u->pool, &u->icmp);
	}
	for (uint16_t i = 0; i < p->n && !rc; i++) {
		uint16_t pod_port = (uint16_t)(p->spec.pod_port + p->first + i);
		struct udp_port *port =
			p->again ? port_find(u, pub, pod_port) : NULL;

		if (!port)
			port = port_add(u, pub, p->host_ports[i], pod_port);
		rc = port ? set_socket(port, &fds[i]) : -ENOMEM;
	}
	return rc;
}

static void port_free(struct udp_port *p)
{
	loop_close(p->u->loop, &p->src);
	list_del(&p->waiting);
	list_del(&p->link);
	free(p);
}

static void leave_pool(struct udp *u)
{
	pool_leave(u->pool, &u->sockets);
	pool_leave(u->pool, &u->icmp);
	fd_drop(&u->icmp_fds[0]);
	fd_drop(&u->icmp_fds[1]);
}

void udp_unpublish(struct udp *u, uint32_t id)
{
	struct publication *pub = publication_find(&u->publications, id);

	if (!pub)
		return;
	list_for_each_safe (e, &u->table.ages) {
		struct udp_flow *f = container_of(e, struct udp_flow, node.age);

		if (f->port->pub == pub)
			udp_flow_close(f);
	}
	list_for_each_safe (e, &u->ports) {
		struct udp_port *p = container_of(e, struct udp_port, link);

		if (p->pub == pub)
			port_free(p);
	}
	list_del(&pub->link);
	free(pub);
	/* udp_publish() joins with the first port */
	if (list_empty(&u->ports))
		leave_pool(u);
}

static void tally(struct udp *u)
{
	publications_clear_live(&u->publications);
	list_for_each (e, &u->table.ages) {
		const struct udp_flow *f =
			container_of(e, struct udp_flow, node.age);

		f->port->pub->live_in += f->bytes_in;
		f->port->pub->live_out += f->bytes_out;
	}
}

size_t udp_ports_page(struct udp *u, uint32_t after, struct port_record *out,
		      size_t max)
{
	tally(u);
	return publications_page(&u->publications, after, out, max);
}

int udp_start(struct udp *u)
{
	int rc = 0;

	u->started = true;
	if (!list_empty(&u->ports)) {
		pool_fill(u->pool, &u->sockets);
		pool_fill(u->pool, &u->icmp);
	}
	list_for_each (e, &u->ports) {
		rc = loop_add(u->loop,
			      &container_of(e, struct udp_port, link)->src);
		if (rc)
			break;
	}
	return rc;
}

const struct udp_stats *udp_stats(const struct udp *u)
{
	return &u->stats;
}

size_t udp_count(const struct udp *u)
{
	return u->table.n;
}

struct flow_book *udp_book(struct udp *u)
{
	return &u->book;
}

void udp_drop_flows(struct udp *u)
{
	struct udp_node *node;

	while ((node = udp_table_oldest(&u->table)))
		udp_flow_close(container_of(node, struct udp_flow, node));
}

struct udp *udp_free(struct udp *u)
{
	if (!u)
		return NULL;
	udp_drop_flows(u);
	while (!list_empty(&u->ports))
		port_free(container_of(u->ports.next, struct udp_port, link));
	publications_free(&u->publications);
	list_del(&u->resume.link);
	loop_timer_stop(u->loop, &u->retry);
	loop_timer_stop(u->loop, &u->sweep);
	leave_pool(u);
	udp_io_deinit(&u->io);
	free(u);
	return NULL;
}
