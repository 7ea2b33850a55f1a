// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICMP errors, and the kernel's own EMSGSIZE, come back to the port's socket
 * and name the client (IP_RECVERR). The pod is told as if it had sent the
 * datagram itself: an ICMP error from the client's address, with the head of a
 * packet that only needs to be the pod's: its stack looks for the socket by
 * addresses and ports, and for nothing else (icmp_unreach(), udp_err()).
 *
 * "Port unreachable" and "too big" are what a server can act on. Without a raw
 * socket, which the host's side has not, nothing can be told to the client.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/errqueue.h> /* wants <time.h> */

#include "netstack/base/checksum.h"
#include "portfwd/udp_internal.h"

#define ERRORS_A_TURN 16

/* Types and codes of RFC 792 and RFC 4443; the headers have a struct ip, too.
 */
#define UNREACH4      3
#define UNREACH4_PORT 3
#define UNREACH4_FRAG 4
#define UNREACH6      1
#define UNREACH6_PORT 4
#define TOO_BIG6      2

#define ICMP_BYTES   8
#define IP4_BYTES    20
#define IP6_BYTES    40
#define UDP_BYTES    8
#define PACKET_BYTES (ICMP_BYTES + IP6_BYTES + UDP_BYTES)

/* Of one kind; the MTU of a path, or 0: nobody has the port. */
struct error {
	uint32_t mtu;
	union endpoint to; /* whom the datagram was for, unmapped */
};

static void put_udp(uint8_t *p, const struct udp_flow *f)
{
	store16(p, f->node.key.pod_port);
	store16(p + 2, endpoint_port(&f->as));
	store16(p + 4, UDP_BYTES);
}

static size_t packet4(uint8_t *p, const struct udp_flow *f,
		      const struct error *e)
{
	uint8_t *ip = p + ICMP_BYTES;
	const struct ip *pod =
		source_pod_ip(f->port->u->plan, &f->port->pub->spec, AF_INET);
	size_t len = ICMP_BYTES + IP4_BYTES + UDP_BYTES;

	p[0] = UNREACH4;
	p[1] = e->mtu ? UNREACH4_FRAG : UNREACH4_PORT;
	store16(p + 6, e->mtu);
	ip[0] = 0x45;
	store16(ip + 2, IP4_BYTES + UDP_BYTES);
	store16(ip + 6, 0x4000); /* DF */
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, ip_bytes(pod), 4);
	memcpy(ip + 16, &f->as.v4.sin_addr, 4);
	store16(ip + 10, checksum_fold(checksum_add(0, ip, IP4_BYTES)));
	put_udp(ip + IP4_BYTES, f);
	store16(p + 2, checksum_fold(checksum_add(0, p, len)));
	return len;
}

/* The kernel computes the checksum of ICMPv6: it knows the source. */
static size_t packet6(uint8_t *p, const struct udp_flow *f,
		      const struct error *e)
{
	uint8_t *ip = p + ICMP_BYTES;
	const struct ip *pod =
		source_pod_ip(f->port->u->plan, &f->port->pub->spec, AF_INET6);

	p[0] = e->mtu ? TOO_BIG6 : UNREACH6;
	p[1] = e->mtu ? 0 : UNREACH6_PORT;
	store32(p + 4, e->mtu);
	ip[0] = 0x60;
	store16(ip + 4, UDP_BYTES);
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	memcpy(ip + 8, ip_bytes(pod), 16);
	memcpy(ip + 24, &f->as.v6.sin6_addr, 16);
	put_udp(ip + IP6_BYTES, f);
	return ICMP_BYTES + IP6_BYTES + UDP_BYTES;
}

/* The hop's ICMP socket; it comes from the maker, sooner or later. */
static int icmp_socket(struct udp *u, int family)
{
	int *fd = &u->icmp_fds[family == AF_INET6];

	if (*fd < 0)
		*fd = pool_get(u->pool, &u->icmp, family);
	return *fd;
}

static void tell_pod(const struct udp_flow *f, const struct error *e)
{
	struct udp *u = f->port->u;
	bool v4 = f->as.sa.sa_family == AF_INET;
	struct ip as = endpoint_ip(&f->as);
	union endpoint to = endpoint_make(
		source_pod_ip(u->plan, &f->port->pub->spec, f->as.sa.sa_family),
		0);
	uint8_t packet[PACKET_BYTES] = { 0 };
	struct iovec iov = { packet, 0 };
	_Alignas(struct cmsghdr) uint8_t ctl[UDP_IO_CTL] = { 0 };
	struct msghdr h = {
		.msg_name = &to,
		.msg_namelen = endpoint_len(&to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl,
	};
	int fd = icmp_socket(u, f->as.sa.sa_family);

	if (fd < 0)
		return; /* the next datagram brings the next error */
	iov.iov_len = v4 ? packet4(packet, f, e) : packet6(packet, f, e);
	udp_io_from(&h, &as);
	/* as ICMP is: it may be lost */
	(void)sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Return: is it one of those that are passed on? */
static bool understand(const struct sock_extended_err *ee, struct error *out)
{
	if (ee->ee_errno == EMSGSIZE && ee->ee_info >= 68) {
		out->mtu = ee->ee_info;
		return true;
	}
	out->mtu = 0;
	return ee->ee_errno == ECONNREFUSED;
}

/* Return: false when there are no more */
static bool next_error(int fd, struct error *out, bool *known)
{
	_Alignas(struct cmsghdr) uint8_t ctl[512];
	uint8_t data[1];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr h = {
		.msg_name = &out->to,
		.msg_namelen = sizeof(out->to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl,
		.msg_controllen = sizeof(ctl),
	};

	*known = false;
	if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		struct sock_extended_err ee;

		if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == SOL_IPV6 &&
		      c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		*known = understand(&ee, out);
	}
	return true;
}

static void tell_flows(struct udp_port *port, const struct error *e)
{
	struct udp *u = port->u;
	struct udp_key key = { .port = port,
			       .client = endpoint_ip(&e->to),
			       .client_port = endpoint_port(&e->to),
			       .pod_port = port->pod_port };

	for (struct udp_node *n = udp_table_next(&u->table, &key, NULL); n;
	     n = udp_table_next(&u->table, &key, n))
		tell_pod(container_of(n, struct udp_flow, node), e);
}

void udp_errors(struct udp_port *port, const struct udp_flow *sender)
{
	struct error e;
	bool known;

	/* those left over make an event of their own, also edge-triggered: see
	 * sock_dequeue_err_skb() */
	for (int i = 0; i < ERRORS_A_TURN; i++) {
		if (!next_error(port->src.fd, &e, &known))
			return;
		/* the kernel's own is without a port: see ip_local_error() */
		if (known && endpoint_port(&e.to))
			tell_flows(port, &e);
		else if (known && sender)
			tell_pod(sender, &e);
	}
}
