// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames come from the TAP in batches and go to one of: our DNS (UDP to the
 * DNS address), the hop's TAP (only where the kernel doesn't steer, switch.h),
 * the table of first SYNs that portfwd is asked about (syn.h), libslirp.
 * Answers go straight into the TAP. What policy.h refuses, and what can't be
 * parsed, is dropped and counted.
 *
 * A TAP that was deleted reports EPOLLERR for ever; that ends the process with
 * a status of its own, and the supervisor tells.
 */
#include "netstack/netstack.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "netstack/answer.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/dgrams.h"
#include "netstack/dns.h"
#include "netstack/frame.h"
#include "netstack/loop.h"
#include "netstack/policy.h"
#include "netstack/reass.h"
#include "netstack/stack.h"
#include "netstack/switch.h"
#include "netstack/syn.h"

#define FRAMES_A_TURN 64
#define PORT_DHCP     67
#define FDS_RESERVED  1024
/* libslirp looks at all its sockets each time it has work; and see dgrams.h */
#define DGRAMS_MAX    4096
#define UDP_OVERHEAD4 28
#define UDP_OVERHEAD6 48

struct netstack_stats {
	uint64_t frames_in, frames_out;
	uint64_t malformed, refused, shed, write_errors;
};

struct netstack {
	struct loop loop;
	struct netstack_config cfg;
	struct loop_source ctl, tap, tap_hop;
	int mem_fd;
	int (*lock)(void *arg);
	void *lock_arg;
	int peer; /* until it is given to syn */
	struct stack *stack;
	struct dns *dns;
	struct reass *reass;
	struct dgrams *dgrams;
	struct flow_switch *sw; /* NULL where the kernel steers */
	struct syn_table *syn;	/* NULL: every SYN is libslirp's */
	struct netstack_stats stats;
	size_t fds_max; /* libslirp's; the rest is DNS' and our own */
	struct netstack_servers servers;
	uint8_t buf[FRAME_MAX], out[FRAME_MAX];
};

/* How a DNS reply gets back: fits in struct dns_peer. */
struct dns_return {
	struct frame_udp udp;
};
_Static_assert(sizeof(struct dns_return) <= sizeof(struct dns_peer),
	       "struct dns_peer is too small");

static void write_frame(struct netstack *ns, int fd, const void *frame,
			size_t len)
{
	/* a full or vanished device loses packets, as a wire does */
	if (write(fd, frame, len) < 0)
		ns->stats.write_errors++;
	else
		ns->stats.frames_out++;
}

static void send_to_pod(void *arg, const void *frame, size_t len)
{
	struct netstack *ns = arg;

	write_frame(ns, ns->tap.fd, frame, len);
}

static void dns_reply(void *arg, const struct dns_peer *peer, const void *msg,
		      size_t len)
{
	struct netstack *ns = arg;
	struct dns_return ret;
	size_t n;

	memcpy(&ret, peer->opaque, sizeof(ret));
	n = frame_build_udp(ns->out, &ret.udp, msg, len);
	if (n)
		write_frame(ns, ns->tap.fd, ns->out, n);
}

static bool is_dns(const struct netstack *ns, const struct frame *f)
{
	const struct podnet *plan = &ns->cfg.plan;

	if (!ns->dns || !f->has_ports || f->dport != 53 ||
	    f->proto != IPPROTO_UDP)
		return false;
	return ip_equal(&f->dst, &plan->dns4) ||
	       (plan->has_ipv6 && ip_equal(&f->dst, &plan->dns6));
}

static void dns_query(struct netstack *ns, const struct frame *f)
{
	struct dns_return ret = {
		.udp = { .src = f->dst,
			 .dst = f->src,
			 .sport = f->dport,
			 .dport = f->sport },
	};
	size_t over = f->src.family == AF_INET ? UDP_OVERHEAD4 : UDP_OVERHEAD6;
	struct dns_peer peer = { 0 };

	memcpy(ret.udp.dst_mac, f->eth + 6, 6);
	memcpy(ret.udp.src_mac, f->eth, 6);
	memcpy(peer.opaque, &ret, sizeof(ret));
	dns_udp_query(ns->dns, &peer, f->payload, f->payload_len,
		      ns->cfg.plan.mtu_bytes - over);
}

/*
 * With --host-port libslirp would let everything through to the host's
 * loopback: only those ports may pass, and only as the same number there.
 */
static bool gateway_shut(const struct netstack *ns, const struct frame *f)
{
	const struct podnet *plan = &ns->cfg.plan;
	bool to_gw = ip_equal(&f->dst, &plan->gw4) ||
		     (plan->has_ipv6 && ip_equal(&f->dst, &plan->gw6));

	if (ns->cfg.host_loopback || !ns->cfg.host_ports.n || !f->has_ports ||
	    !to_gw || (f->proto == IPPROTO_UDP && f->dport == PORT_DHCP))
		return false;
	/* 0 is no port that could be open, and what isn't found */
	return !f->dport ||
	       hostport_find(&ns->cfg.host_ports, f->dport) != f->dport;
}

/* What policy refuses is dropped, but a connect() needn't wait for nothing. */
static void refuse(struct netstack *ns, const struct frame *f)
{
	uint8_t out[ANSWER_MAX];

	ns->stats.refused++;
	if (frame_is_first_syn(f))
		send_to_pod(
			ns, out,
			answer_unreachable(out, f, &ns->cfg.plan, ANSWER_NET));
}

/*
 * libslirp acknowledges data in a SYN and then loses it; without it the pod's
 * TCP sends it again behind the handshake.
 */
static void stack_frame(struct netstack *ns, const struct frame *f)
{
	size_t len = frame_bare_syn(ns->out, f);

	if (len)
		stack_input(ns->stack, ns->out, len);
	else
		stack_input(ns->stack, f->eth, f->len);
}

/* libslirp answers DHCP and pings of the gateway without a socket. */
static bool is_for_gateway(const struct netstack *ns, const struct frame *f)
{
	bool dhcp = f->proto == IPPROTO_UDP && f->dport == PORT_DHCP;
	struct ip all = { .family = AF_INET, .v4.s_addr = INADDR_BROADCAST };

	return (ip_equal(&f->dst, &ns->cfg.plan.gw4) &&
		(dhcp || f->proto == IPPROTO_ICMP)) ||
	       (ip_equal(&f->dst, &all) && dhcp);
}

/* Would it take a descriptor that others need more? */
static bool is_too_much(struct netstack *ns, const struct frame *f)
{
	if (frame_is_first_syn(f))
		return stack_fds(ns->stack) >= ns->fds_max;
	return !is_for_gateway(ns, f) &&
	       !dgrams_allow(ns->dgrams, f, stack_dgrams(ns->stack));
}

static void to_stack(struct netstack *ns, const struct frame *f)
{
	if (!policy_allows(f, &ns->cfg.plan, ns->cfg.host_loopback) ||
	    gateway_shut(ns, f))
		refuse(ns, f);
	else if (is_too_much(ns, f))
		ns->stats.shed++; /* a flood; who means it asks again */
	else
		stack_frame(ns, f);
}

static void syn_to_stack(void *arg, const void *frame, size_t len)
{
	struct frame f;

	if (frame_parse(frame, len, &f))
		to_stack(arg, &f);
}

/* In the pod's own networks, but not one of ours there. */
static bool is_pods(const struct podnet *plan, const struct ip *ip)
{
	return podnet_has(plan, ip) && !ip_equal(ip, &plan->gw4) &&
	       !ip_equal(ip, &plan->dns4) && !ip_equal(ip, &plan->gw6) &&
	       !ip_equal(ip, &plan->dns6);
}

/*
 * A SYN that may be relayed: from the pod's MAC and an address that it may have
 * by a lease, a router advertisement, or because others set it. What a pod
 * bridges or forges under other names is libslirp's, or refused by policy.
 */
static bool is_ours(const struct netstack *ns, const struct frame *f)
{
	const struct podnet *plan = &ns->cfg.plan;

	return ns->syn && frame_is_first_syn(f) &&
	       memcmp(f->eth + 6, plan->pod_mac, 6) == 0 &&
	       is_pods(plan, &f->src);
}

/*
 * A frame of the pod, its packet whole. libslirp's own reassembly (4.7) writes
 * to wild addresses when fragments overlap.
 *
 * Return: false when there is nothing to go on with
 */
static bool take_apart(struct netstack *ns, size_t len, struct frame *f)
{
	const uint8_t *whole = ns->buf;
	bool ok = frame_parse(whole, len, f);

	if (ok && f->is_fragment && f->src.family == AF_INET) {
		whole = reass_take(ns->reass, f, &len);
		if (!whole)
			return false;
		ok = frame_parse(whole, len, f);
	}
	if (!ok)
		ns->stats.malformed++;
	return ok;
}

static void from_pod(struct netstack *ns, size_t len)
{
	struct frame f;

	ns->stats.frames_in++;
	if (!take_apart(ns, len, &f))
		return;
	if (is_dns(ns, &f)) {
		dns_query(ns, &f);
	} else if (ns->sw && switch_from_pod(ns->sw, &f, loop_now(&ns->loop))) {
		write_frame(ns, ns->tap_hop.fd, f.eth, f.len);
	} else if (is_ours(ns, &f) && syn_take(ns->syn, &f)) {
		return; /* until portfwd's verdict */
	} else {
		to_stack(ns, &f);
	}
}

static void from_hop(struct netstack *ns, size_t len)
{
	struct frame f;

	/* the hop's kernel also sends what the pod has no use for */
	if (!frame_parse(ns->buf, len, &f) || !f.is_ip)
		return;
	if (switch_from_hop(ns->sw, &f, loop_now(&ns->loop)))
		write_frame(ns, ns->tap.fd, ns->buf, len);
}

/* Read one batch; the rest waits a turn, so that timers and sockets live. */
static void drain(struct netstack *ns, struct loop_source *src,
		  uint32_t revents, void (*fn)(struct netstack *ns, size_t len))
{
	if (revents & (EPOLLERR | EPOLLHUP)) {
		loop_stop(&ns->loop, NETSTACK_EXIT_TAP);
		return;
	}
	for (int i = 0; i < FRAMES_A_TURN; i++) {
		ssize_t n = read(src->fd, ns->buf, sizeof(ns->buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EBADFD) { /* deleted, drivers/net/tun.c */
			loop_stop(&ns->loop, NETSTACK_EXIT_TAP);
			return;
		}
		if (n <= 0) {
			(void)log_errno(n ? errno : EIO, "TAP device %s: read",
					ns->cfg.plan.tap);
			loop_stop(&ns->loop, 1);
			return;
		}
		fn(ns, (size_t)n);
	}
}

static void on_tap(struct loop_source *src, uint32_t revents)
{
	struct netstack *ns = container_of(src, struct netstack, tap);

	drain(ns, src, revents, from_pod);
	if (ns->syn)
		syn_flush(ns->syn);
}

static void on_tap_hop(struct loop_source *src, uint32_t revents)
{
	drain(container_of(src, struct netstack, tap_hop), src, revents,
	      from_hop);
}

static int watch(struct netstack *ns, struct loop_source *src, int fd,
		 loop_source_fn fn)
{
	*src = (struct loop_source){ .fd = fd, .events = EPOLLIN, .fn = fn };
	return loop_add(&ns->loop, src);
}

static int start_dns(struct netstack *ns, struct msg *m, size_t next)
{
	int rc = dns_new(&ns->dns, &ns->loop, dns_reply, ns);

	if (rc)
		return rc;
	rc = dns_set_servers(ns->dns, ns->servers.servers, ns->servers.n);
	for (int i = 0; i < 2 && !rc; i++)
		if (ns->cfg.has_dns[i])
			rc = dns_tcp_listen(ns->dns, msg_take_fd(m, next++));
	return rc;
}

static int start_syn(struct netstack *ns)
{
	struct syn_ops ops = { send_to_pod, syn_to_stack, ns };

	return syn_new(&ns->syn, &ns->loop, &ns->cfg.plan, fd_take(&ns->peer),
		       &ops);
}

static int configure(struct netstack *ns, struct msg *m)
{
	struct stack_config sc = { .plan = &ns->cfg.plan,
				   .send = send_to_pod,
				   .arg = ns };
	size_t next = 0;
	int rc;

	if (m->len != sizeof(ns->cfg) || m->n_fds < 1 || ns->stack)
		return log_errno(EPROTO, "netstack: configuration");
	memcpy(&ns->cfg, m->body, sizeof(ns->cfg));
	sc.host_loopback = ns->cfg.host_loopback || ns->cfg.host_ports.n > 0;
	sc.serve_dns = ns->cfg.serve_dns;
	sc.outbound4 = ns->cfg.outbound4;
	sc.outbound6 = ns->cfg.outbound6;
	rc = stack_new(&ns->stack, &ns->loop, &sc);
	if (!rc)
		rc = reass_new(&ns->reass, &ns->loop);
	if (!rc)
		rc = dgrams_new(&ns->dgrams, ns->fds_max / 4 < DGRAMS_MAX
						     ? ns->fds_max / 4
						     : DGRAMS_MAX);
	if (!rc)
		rc = watch(ns, &ns->tap, msg_take_fd(m, next++), on_tap);
	if (!rc && ns->cfg.has_tap_hop) {
		rc = switch_new(&ns->sw, &ns->cfg.plan, ns->cfg.serve_dns);
		if (!rc)
			rc = watch(ns, &ns->tap_hop, msg_take_fd(m, next++),
				   on_tap_hop);
	}
	if (!rc && ns->cfg.serve_dns)
		rc = start_dns(ns, m, next);
	if (!rc && ns->cfg.splice)
		rc = start_syn(ns);
	if (!rc)
		rc = ns->lock(ns->lock_arg);
	if (!rc)
		rc = msg_must_send(ns->ctl.fd, "the supervisor", NETSTACK_READY,
				   NULL, 0, NULL, 0);
	return rc;
}

static void set_servers(struct netstack *ns, const struct msg *m)
{
	if (m->len != sizeof(ns->servers))
		return;
	memcpy(&ns->servers, m->body, sizeof(ns->servers));
	if (ns->servers.n > NETSTACK_SERVERS_MAX)
		ns->servers.n = NETSTACK_SERVERS_MAX;
	if (ns->dns) /* logged; the old servers are better than none */
		(void)dns_set_servers(ns->dns, ns->servers.servers,
				      ns->servers.n);
}

static void tell_stats(struct netstack *ns, const struct msg *m)
{
	struct netstack_totals t = { .mem = procmem_read(ns->mem_fd),
				     .parse = ns->stats.malformed,
				     .refused = ns->stats.refused,
				     .shed = ns->stats.shed };

	if (m->len != sizeof(t.cookie))
		return;
	memcpy(&t.cookie, m->body, sizeof(t.cookie));
	if (ns->stack)
		t.stack = stack_stats(ns->stack);
	if (ns->syn)
		t.shed += syn_stats(ns->syn)->full;
	if (ns->reass)
		t.parse += reass_stats(ns->reass)->dropped;
	if (ns->dns)
		t.dns = *dns_stats(ns->dns);
	/* no room: many questions were asked, and nobody reads the answers */
	(void)msg_send(ns->ctl.fd, NETSTACK_STATS_ARE, &t, sizeof(t), NULL, 0);
}

/* Return: 0 or -errno, which ends the process: the next one gets it all again
 */
static int take(struct netstack *ns, struct msg *m)
{
	switch (m->type) {
	case NETSTACK_CONFIG:
		return configure(ns, m);
	case NETSTACK_SERVERS:
		set_servers(ns, m);
		return 0;
	case NETSTACK_PEER:
		return m->n_fds == 1 && ns->syn
			       ? syn_attach(ns->syn, msg_take_fd(m, 0))
			       : 0;
	case NETSTACK_STATS:
		tell_stats(ns, m);
		return 0;
	default:
		return 0;
	}
}

static void on_ctl(struct loop_source *src, uint32_t revents)
{
	struct netstack *ns = container_of(src, struct netstack, ctl);
	struct msg m;
	int rc = msg_recv(src->fd, &m);

	(void)revents;
	if (msg_again(rc))
		return;
	if (rc < 0)
		(void)log_errno(-rc, "netstack: message of the supervisor");
	if (rc <= 0) {
		loop_stop(&ns->loop, rc ? 1 : 0);
		return;
	}
	if (take(ns, &m))
		loop_stop(&ns->loop, 1);
	msg_drop(&m);
}

static void close_all(struct netstack *ns)
{
	struct loop_source *all[] = { &ns->ctl, &ns->tap, &ns->tap_hop };

	ns->stack = stack_free(ns->stack);
	ns->dns = dns_free(ns->dns);
	ns->reass = reass_free(ns->reass);
	ns->dgrams = dgrams_free(ns->dgrams);
	ns->sw = switch_free(ns->sw);
	ns->syn = syn_free(ns->syn);
	fd_drop(&ns->peer);
	fd_drop(&ns->mem_fd);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		loop_close(&ns->loop, all[i]);
	loop_deinit(&ns->loop);
}

static size_t fds_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return FDS_RESERVED;
	if (rl.rlim_cur <= FDS_RESERVED * 2)
		return rl.rlim_cur / 2;
	return rl.rlim_cur - FDS_RESERVED;
}

int netstack_main(int ctl, int peer, int (*lock)(void *arg), void *lock_arg)
{
	struct netstack *ns = calloc(1, sizeof(*ns));
	int rc;

	if (!ns)
		return log_errno(ENOMEM, "netstack") ? 1 : 0;
	ns->ctl.fd = ns->tap.fd = ns->tap_hop.fd = -1;
	ns->peer = peer;
	ns->lock = lock;
	ns->lock_arg = lock_arg;
	ns->fds_max = fds_limit();
	/* libslirp has two buffers of 128 KiB for each TCP connection: they go
	 * back to the kernel when freed only if they are mapped, and malloc()
	 * stops mapping them after the first free() unless told not to */
	(void)mallopt(M_MMAP_THRESHOLD, 65536);
	ns->mem_fd = procmem_open();
	rc = loop_init(&ns->loop);
	if (!rc)
		/* answers must not wait for a supervisor that doesn't read */
		rc = fd_nonblock(ctl);
	if (!rc)
		rc = watch(ns, &ns->ctl, ctl, on_ctl);
	if (!rc)
		rc = loop_run(&ns->loop);
	log_debug("frames in %llu, out %llu, malformed %llu, refused %llu",
		  (unsigned long long)ns->stats.frames_in,
		  (unsigned long long)ns->stats.frames_out,
		  (unsigned long long)ns->stats.malformed,
		  (unsigned long long)ns->stats.refused);
	close_all(ns);
	free(ns);
	return rc < 0 ? 1 : rc;
}
