// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole process: netstack_main() between a pod that sends any frames, a
 * portfwd that gives any verdicts, a supervisor that changes what it likes, and
 * the world of world_netstack.h. The TAP is a SOCK_SEQPACKET pair. netstack
 * sleeps in epoll_wait() only, and there the input's next step is done.
 *
 * What holds: frames that leave are whole, their checksums right, and addressed
 * to somebody the pod itself has named; nothing goes to a destination that the
 * policy forbids; sockets are bounded; when the input ends the process comes to
 * rest; and at the end everything is given back.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/base/synmsg.h"
#include "netstack/base/checksum.h"
#include "netstack/frame.h"
#include "netstack/netstack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world_netstack.h"

#define FLOWS	     16 /* of TCP, from ports PORT and on; odd ones IPv6 */
#define PORT	     40000
#define IDS	     64
#define RESTLESS_MAX 5000 /* turns until it must be at rest */
#define QUIET_SLEEPS 4
#define DATA_MAX     1400
#define SOCKETS_MAX  1100 /* half of WORLD_FDS for libslirp, and DNS */

enum {
	OP_RAW,
	OP_SUMMED,
	OP_TCP,
	OP_UDP,
	OP_ICMP,
	OP_VERDICT,
	OP_GARBAGE,
	OP_WAIT,
	OP_SERVERS,
	OP_PEER,
	OP_DEAD_PEER,
	OP_WORLD,
	OP_HOP,
	OP_STATS,
	OP_FLOOD,
	OP_N
};

struct flow {
	uint32_t seq, ack; /* the next to send, the next to expect */
};

static struct {
	struct tape tape;
	struct netstack_config cfg;
	int tap, hop, ctl, peer; /* our ends, or -1 */
	bool hop_spoke;		 /* what it sends the pod isn't ours */
	struct flow flows[FLOWS];
	uint32_t ids[IDS];
	size_t n_asked;
	unsigned int restless, quiet;
	/* every byte the pod sent: what may be named in what it gets */
	const uint8_t *input;
	size_t input_len;
} t;

static bool was_named(const void *bytes, size_t len)
{
	return memmem(t.input, t.input_len, bytes, len) != NULL;
}

/* ---- what leaves ---- */

static uint16_t l4_sum(const struct frame *f, const uint8_t *l4, size_t len)
{
	uint32_t sum = 0;

	if (f->proto != IPPROTO_ICMP) {
		sum = checksum_add(0, ip_bytes(&f->src), ip_len(&f->src));
		sum = checksum_add(sum, ip_bytes(&f->dst), ip_len(&f->dst));
		sum += f->proto + (uint32_t)len;
	}
	return checksum_fold(checksum_add(sum, l4, len));
}

/* Where the transport's header is in a frame without IPv6 extensions. */
static const uint8_t *l4_of(const struct frame *f, size_t *len)
{
	const uint8_t *ip = f->eth + FRAME_ETH_LEN;
	size_t hlen = f->src.family == AF_INET ? (size_t)(ip[0] & 15) * 4 : 40;
	size_t total = f->src.family == AF_INET ? load16(ip + 2)
						: 40U + load16(ip + 4);

	*len = total - hlen;
	return ip + hlen;
}

static void follow(const struct frame *f, const uint8_t *tcp, size_t len)
{
	size_t head = (size_t)(tcp[12] >> 4) * 4;

	if (f->dport < PORT || f->dport >= PORT + FLOWS)
		return;
	check(head >= 20 && head <= len);
	t.flows[f->dport - PORT].ack =
		load32(tcp + 4) + (uint32_t)(len - head) +
		!!(f->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_FIN));
}

static void check_ip(const struct frame *f)
{
	const uint8_t *ip = f->eth + FRAME_ETH_LEN, *l4;
	size_t len;

	if (f->src.family == AF_INET)
		check(checksum_fold(checksum_add(0, ip, (ip[0] & 15) * 4U)) ==
		      0);
	if (f->is_fragment)
		return;
	l4 = l4_of(f, &len);
	check(len >= 8);
	/* a UDP checksum of 0 is none */
	if (f->proto != IPPROTO_UDP || load16(l4 + 6))
		check(l4_sum(f, l4, len) == 0);
	if (f->proto == IPPROTO_TCP && f->has_ports)
		follow(f, l4, len);
}

static void check_out(const uint8_t *buf, size_t len)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const struct podnet *plan = &t.cfg.plan;
	bool gw = len >= 12 && memcmp(buf + 6, plan->gw_mac, 6) == 0;
	struct frame f;

	check(frame_parse(buf, len, &f));
	if (f.is_ip)
		check_ip(&f);
	else
		check(f.ethertype == ETH_P_ARP && len >= 42);
	/* a SYN that is written back is the hop's */
	if (frame_is_first_syn(&f) && !gw) {
		check(memcmp(buf, plan->gw_mac, 6) == 0 &&
		      memcmp(buf + 6, plan->pod_mac, 6) == 0);
		return;
	}
	check(memcmp(buf, plan->pod_mac, 6) == 0 || memcmp(buf, all, 6) == 0 ||
	      (buf[0] == 0x33 && buf[1] == 0x33) || was_named(buf, 6));
}

static void drain(int fd, bool checked)
{
	static uint8_t buf[FRAME_MAX];
	ssize_t n;

	while (fd >= 0 && (n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (checked)
			check_out(buf, (size_t)n);
}

/* An address the pod may have taken, not one of ours in its network. */
static bool may_be_pods(const struct ip *ip)
{
	const struct podnet *plan = &t.cfg.plan;

	if (ip->family == AF_INET)
		return ip_in_net(ip, &plan->net4, 24) &&
		       !ip_equal(ip, &plan->gw4) && !ip_equal(ip, &plan->dns4);
	return ip_in_net(ip, &plan->net6, 64) && !ip_equal(ip, &plan->gw6) &&
	       !ip_equal(ip, &plan->dns6);
}

static void drain_peer(void)
{
	struct msg m;

	while (t.peer >= 0 && msg_recv(t.peer, &m) > 0) {
		struct syn_ask ask;

		for (size_t at = 0; at < m.len; at += sizeof(ask)) {
			memcpy(&ask, m.body + at, sizeof(ask));
			check(may_be_pods(&ask.flow.src));
			t.ids[t.n_asked++ % IDS] = ask.id;
		}
		msg_drop(&m);
	}
}

/* What connect() and sendto() of the host would take for the host itself. */
static void check_dst(const union endpoint *ep, int type)
{
	struct ip ip = endpoint_ip(ep);
	const struct podnet *plan = &t.cfg.plan;
	bool v4 = ip.family == AF_INET;

	if (ip_is_loopback(&ip)) {
		unsigned int port = endpoint_port(ep);
		bool open = t.cfg.host_loopback;

		for (size_t i = 0; i < t.cfg.host_ports.n; i++)
			open |= t.cfg.host_ports.list[i].host == port;
		check(open);
		return;
	}
	check(!ip_is_any(&ip) && ip_unmap(&ip).family == ip.family);
	check(!ip_in_net(&ip, v4 ? &plan->net4 : &plan->net6, v4 ? 24 : 64));
	check(type != SOCK_STREAM || !ip_is_multicast(&ip));
	check(!v4 || (ip_bytes(&ip)[0] != 0 && ip_bytes(&ip)[0] < 0xf0));
}

/* ---- what comes in ---- */

static void put_frame(int fd, const uint8_t *buf, size_t len)
{
	/* a full TAP loses frames, as it does in life */
	if (fd >= 0 && len)
		(void)send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Right checksums: behind wrong ones little can be reached. */
static void sum_up(uint8_t *buf, size_t len)
{
	uint8_t *ip = buf + FRAME_ETH_LEN, *l4;
	struct frame f;
	size_t n, at;

	if (len < FRAME_ETH_LEN + 20 || !frame_parse(buf, len, &f) || !f.is_ip)
		return;
	if (f.src.family == AF_INET) {
		store16(ip + 10, 0);
		store16(ip + 10,
			checksum_fold(checksum_add(0, ip, (ip[0] & 15) * 4U)));
	} else if (ip[6] != f.proto) {
		return;
	}
	at = f.proto == IPPROTO_TCP ? 16 : f.proto == IPPROTO_UDP ? 6 : 2;
	l4 = ip + (l4_of(&f, &n) - ip);
	if (f.is_fragment || n < at + 2)
		return;
	store16(l4 + at, 0);
	store16(l4 + at, l4_sum(&f, l4, n));
}

static size_t put_head(uint8_t *buf, bool v6, uint8_t proto, size_t len,
		       const struct ip *dst)
{
	const struct podnet *plan = &t.cfg.plan;
	uint8_t *ip = buf + FRAME_ETH_LEN;

	memcpy(buf, plan->gw_mac, 6);
	memcpy(buf + 6, plan->pod_mac, 6);
	store16(buf + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (v6) {
		ip[0] = 0x60;
		store16(ip + 4, len);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, &plan->pod6.v6, 16);
		memcpy(ip + 24, &dst->v6, 16);
		return FRAME_ETH_LEN + 40;
	}
	ip[0] = 0x45;
	store16(ip + 2, 20 + len);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, &plan->pod4.v4, 4);
	memcpy(ip + 16, &dst->v4, 4);
	return FRAME_ETH_LEN + 20;
}

static struct ip far_ip(bool v6, uint8_t which)
{
	static const char *const v4s[] = { "198.51.100.7", "10.0.2.2",
					   "10.0.2.3",	   "255.255.255.255",
					   "127.0.0.1",	   "169.254.1.1",
					   "224.0.0.251",  "10.0.2.77" };
	static const char *const v6s[] = {
		"2001:db8::7",	    "fd00::2", "fd00::3", "ff02::2",
		"::ffff:127.0.0.1", "fe80::2", "::1",	  "fd00::77"
	};

	return fuzz_ip((v6 ? v6s : v4s)[which % 8]);
}

static void tcp(unsigned int which, uint8_t flags, uint16_t dport, size_t n,
		int off)
{
	uint8_t buf[FRAME_ETH_LEN + 60 + DATA_MAX] = { 0 }, *l4;
	struct flow *flow = &t.flows[which % FLOWS];
	bool v6 = which & 1;
	struct ip dst = far_ip(v6, 0);
	size_t at = put_head(buf, v6, IPPROTO_TCP, 20 + n, &dst);

	l4 = buf + at;
	store16(l4, PORT + which);
	store16(l4 + 2, dport);
	store32(l4 + 4, flow->seq + (uint32_t)off);
	store32(l4 + 8, flow->ack);
	l4[12] = 5 << 4;
	l4[13] = flags;
	store16(l4 + 14, 0x8000);
	memset(l4 + 20, 'x', n);
	sum_up(buf, at + 20 + n);
	put_frame(t.tap, buf, at + 20 + n);
	if (off == 0)
		flow->seq += (uint32_t)n +
			     !!(flags & (FRAME_TCP_SYN | FRAME_TCP_FIN));
}

static void op_tcp(struct tape *in)
{
	uint8_t which = tape_u8(in), flags = tape_u8(in);
	size_t n = tape_u16(in) % DATA_MAX;
	int off = tape_u8(in);

	/* the port tells how the connect() ends */
	tcp(which % FLOWS, flags, (uint16_t)(80 + (which >> 4)), n,
	    off > 16 ? 0 : off);
}

/* UDP, or ICMP whose header the tape has */
static void op_datagram(struct tape *in, bool icmp)
{
	uint8_t buf[FRAME_ETH_LEN + 40 + 8 + 255] = { 0 }, *l4;
	uint8_t where = tape_u8(in);
	bool v6 = where & 0x80;
	struct ip dst = far_ip(v6, where);
	uint16_t sport = tape_u16(in), dport = tape_u16(in);
	size_t n = tape_u8(in), at;
	uint8_t *data = tape_bytes(in, &n);
	uint8_t icmp_proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	at = put_head(buf, v6, icmp ? icmp_proto : IPPROTO_UDP, 8 + n, &dst);
	l4 = buf + at;
	store16(l4, sport);
	store16(l4 + 2, dport);
	store16(l4 + 4, 8 + n);
	memcpy(l4 + 8, data, n);
	free(data);
	sum_up(buf, at + 8 + n);
	put_frame(t.tap, buf, at + 8 + n);
}

static void op_raw(struct tape *in, int fd, bool summed)
{
	size_t len = tape_u16(in);
	uint8_t *frame = tape_bytes(in, &len);

	if (summed)
		sum_up(frame, len);
	put_frame(fd, frame, len);
	free(frame);
}

static void op_verdict(struct tape *in)
{
	uint8_t which = tape_u8(in);
	struct syn_verdict v = { t.ids[which % IDS] + (which >> 6 == 3),
				 tape_u8(in) % (SYN_N_WHATS + 1U) };

	/* at most the last 64 that were asked */
	if (which & 0x40 && t.n_asked)
		v.id = t.ids[(t.n_asked - 1) % IDS];
	if (t.peer >= 0)
		(void)msg_send(t.peer, SYN_VERDICT, &v, sizeof(v), NULL, 0);
}

static void op_garbage(struct tape *in)
{
	uint32_t type = tape_u8(in);
	size_t len = tape_u8(in);
	uint8_t *body = tape_bytes(in, &len);

	if (t.peer >= 0)
		(void)msg_send(t.peer, type, body, len, NULL, 0);
	free(body);
}

static void op_servers(struct tape *in)
{
	struct netstack_servers s = { .n = tape_u8(in) % 4 };
	struct ip ip = fuzz_ip("192.0.2.53"), ip6 = fuzz_ip("2001:db8::53");

	for (uint32_t i = 0; i < s.n; i++)
		s.servers[i] =
			endpoint_make(i == 2 ? &ip6 : &ip, (uint16_t)(53 + i));
	(void)msg_send(t.ctl, NETSTACK_SERVERS, &s, sizeof(s), NULL, 0);
}

static void op_peer(void)
{
	int ends[2];

	check(msg_pair(ends) == 0 && fd_nonblock(ends[1]) == 0);
	fd_drop(&t.peer);
	t.peer = ends[1];
	(void)msg_send(t.ctl, NETSTACK_PEER, NULL, 0, &ends[0], 1);
	fd_drop(&ends[0]);
}

static void op_world(struct tape *in)
{
	uint8_t which = tape_u8(in), act = tape_u8(in);
	size_t len = (act / WORLD_N_ACTS) * 4U;
	uint8_t *data = tape_bytes(in, &len);

	world_act(which, (enum world_act)(act % WORLD_N_ACTS), data, len);
	free(data);
}

/* Many at once: SYNs of different ports, or datagrams. */
static void op_flood(struct tape *in)
{
	uint8_t how = tape_u8(in);
	uint8_t buf[FRAME_ETH_LEN + 40 + 20] = { 0 };
	unsigned int n = tape_u8(in) + 1U;
	bool v6 = how & 1, udp = how & 2;
	struct ip dst = far_ip(v6, 0);
	size_t l4_len = udp ? 8 : 20, at;

	at = put_head(buf, v6, udp ? IPPROTO_UDP : IPPROTO_TCP, l4_len, &dst);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *l4 = buf + at;

		store16(l4, (how & 0xf0U) * 64 + i);
		store16(l4 + 2, 7);
		if (udp) {
			store16(l4 + 4, 8);
		} else {
			l4[12] = 5 << 4;
			l4[13] = FRAME_TCP_SYN;
		}
		sum_up(buf, at + l4_len);
		put_frame(t.tap, buf, at + l4_len);
	}
}

static void step(struct tape *in)
{
	uint32_t cookie = 7;

	switch (tape_u8(in) % OP_N) {
	case OP_RAW:
		op_raw(in, t.tap, false);
		break;
	case OP_SUMMED:
		op_raw(in, t.tap, true);
		break;
	case OP_TCP:
		op_tcp(in);
		break;
	case OP_UDP:
		op_datagram(in, false);
		break;
	case OP_ICMP:
		op_datagram(in, true);
		break;
	case OP_VERDICT:
		op_verdict(in);
		break;
	case OP_GARBAGE:
		op_garbage(in);
		break;
	case OP_WAIT:
		world_wait(mono_ms(tape_u16(in)));
		break;
	case OP_SERVERS:
		op_servers(in);
		break;
	case OP_PEER:
		op_peer();
		break;
	case OP_DEAD_PEER:
		fd_drop(&t.peer);
		break;
	case OP_WORLD:
		op_world(in);
		break;
	case OP_HOP:
		t.hop_spoke = true;
		op_raw(in, t.hop, true);
		break;
	case OP_STATS:
		(void)msg_send(t.ctl, NETSTACK_STATS, &cookie, sizeof(cookie),
			       NULL, 0);
		break;
	case OP_FLOOD:
		op_flood(in);
		break;
	}
}

static void on_sleep(int events, int timeout_ms)
{
	world_wait(mono_ms(1));
	drain(t.tap, !t.hop_spoke);
	drain(t.hop, false);
	drain(t.ctl, false);
	drain_peer();
	check(world_count() <= SOCKETS_MAX);
	if (t.tape.left) {
		step(&t.tape);
		return;
	}
	check(++t.restless < RESTLESS_MAX);
	if (events || timeout_ms == 0)
		return;
	world_wait(timeout_ms < 0 ? mono_s(60) : mono_ms(timeout_ms));
	if (++t.quiet == QUIET_SLEEPS)
		fd_drop(&t.ctl);
}

static int locked(void *arg)
{
	(void)arg;
	return 0;
}

/* The first byte chooses among the ways podsplice can be started. */
static void configure(uint8_t how)
{
	struct netstack_config *c = &t.cfg;
	int tap[2], hop[2], fds[2];

	*c = (struct netstack_config){
		.plan = fuzz_plan(),
		.host_loopback = (how & 3) == 1,
		.serve_dns = !(how & 4),
		.splice = !(how & 8),
		.has_tap_hop = how & 16,
	};
	if ((how & 3) == 2) {
		c->host_ports.n = 1;
		c->host_ports.list[0] = (struct hostport){ 5432, 5432 };
	}
	check(msg_pair(tap) == 0 && msg_pair(hop) == 0);
	check(fd_nonblock(tap[1]) == 0 && fd_nonblock(hop[1]) == 0);
	t.tap = tap[0];
	t.hop = hop[0];
	fds[0] = tap[1];
	fds[1] = hop[1];
	check(msg_send(t.ctl, NETSTACK_CONFIG, c, sizeof(*c), fds,
		       c->has_tap_hop ? 2 : 1) == 0);
	fd_drop(&tap[1]);
	fd_drop(&hop[1]);
}

static void prepare(void)
{
	struct rlimit rl;

	check(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	rl.rlim_cur = WORLD_FDS;
	check(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	(void)signal(SIGPIPE, SIG_IGN); /* as in every child */
	/* what a stranger can cause isn't worth a line each */
	log_init(LOG_ERROR, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct world_ops ops = { check_dst, on_sleep };
	int ctl[2], peer[2];

	prepare();
	memset(&t, 0, sizeof(t));
	t.tape = (struct tape){ data, size };
	t.input = data;
	t.input_len = size;
	for (uint32_t i = 0; i < FLOWS; i++)
		t.flows[i].seq = i * 100000;
	check(msg_pair(ctl) == 0 && msg_pair(peer) == 0);
	check(fd_nonblock(peer[1]) == 0);
	t.ctl = ctl[1];
	t.peer = peer[1];
	configure(tape_u8(&t.tape));
	world_begin(&ops);
	check(netstack_main(ctl[0], peer[0], locked, NULL) == 0);
	world_end();
	fd_drop(&t.tap);
	fd_drop(&t.hop);
	fd_drop(&t.ctl);
	fd_drop(&t.peer);
	return 0;
}
