// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP_SEGMENT sends one buffer as datagrams of one size, the last of which may
 * be shorter; UDP_GRO receives them so. Both cost one walk through the stack
 * instead of one for each datagram.
 *
 * The kernel refuses segments that don't fit in the path's MTU, and devices
 * without checksums (udp_send_skb() in net/ipv4/udp.c): then the datagrams are
 * sent one by one, and from then on all that are as large.
 *
 * The first try of a send may report what became of an earlier one (an ICMP
 * error), and sends nothing then: an error counts when it is there twice.
 */
#include "portfwd/udp_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/hopudp.h"
#include "netstack/base/log.h"

/* UDP_MAX_SEGMENTS of Linux 4.18; and what fits in a packet of each family. */
#define SEGMENTS_MAX   64
#define TOGETHER_BYTES 65487

int udp_io_init(struct udp_io *io)
{
	/* untouched until there is traffic */
	io->data = calloc(UDP_IO_BATCH, UDP_IO_BYTES);
	return io->data ? 0 : log_errno(ENOMEM, "UDP buffers");
}

void udp_io_deinit(struct udp_io *io)
{
	free(io->data);
	io->data = NULL;
}

/* ---- receiving ---- */

static void note_local4(struct udp_msg *m, const struct cmsghdr *c)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	/* the address of ours, where the packet's is a broadcast */
	m->local = (struct ip){ .family = AF_INET, .v4 = info.ipi_spec_dst };
}

static void note_local6(struct udp_msg *m, const struct cmsghdr *c)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
		return; /* IP_PKTINFO knows better */
	m->local = (struct ip){ .family = AF_INET6, .v6 = info.ipi6_addr };
	if (ip_is_multicast(&m->local))
		m->local.family = 0;
}

static void note(struct udp_msg *m, const struct cmsghdr *c)
{
	uint32_t mark;
	int seg;

	if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
		note_local4(m, c);
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		note_local6(m, c);
	} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&seg, CMSG_DATA(c), sizeof(seg));
		if (seg > 0 && (size_t)seg < m->len)
			m->seg = (size_t)seg;
	} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK) {
		memcpy(&mark, CMSG_DATA(c), sizeof(mark));
		m->whole = mark == HOP_UDP_MARK_WHOLE;
	}
}

int udp_io_recv(struct udp_io *io, int fd, unsigned int max)
{
	int n;

	for (unsigned int i = 0; i < max; i++) {
		io->iov[i] =
			(struct iovec){ io->data + (size_t)i * UDP_IO_BYTES,
					UDP_IO_BYTES };
		io->hdrs[i].msg_hdr = (struct msghdr){
			.msg_name = &io->msgs[i].from,
			.msg_namelen = sizeof(io->msgs[i].from),
			.msg_iov = &io->iov[i],
			.msg_iovlen = 1,
			.msg_control = io->ctl[i],
			.msg_controllen = sizeof(io->ctl[i]),
		};
	}
	n = recvmmsg(fd, io->hdrs, max, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct msghdr *h = &io->hdrs[i].msg_hdr;
		struct udp_msg *m = &io->msgs[i];

		m->data = io->iov[i].iov_base;
		m->len = io->hdrs[i].msg_len;
		m->seg = 0;
		m->local.family = 0;
		m->whole = false;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c;
		     c = CMSG_NXTHDR(h, c))
			note(m, c);
	}
	return n;
}

/* ---- sending ---- */

static void *add_ctl(struct msghdr *h, int level, int type, size_t len)
{
	struct cmsghdr *c =
		(void *)((uint8_t *)h->msg_control + h->msg_controllen);

	memset(c, 0, CMSG_SPACE(len));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	h->msg_controllen += CMSG_SPACE(len);
	return CMSG_DATA(c);
}

void udp_io_from(struct msghdr *h, const struct ip *from)
{
	if (from->family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = from->v4 };

		memcpy(add_ctl(h, SOL_IP, IP_PKTINFO, sizeof(info)), &info,
		       sizeof(info));
	} else if (from->family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_addr = from->v6 };

		memcpy(add_ctl(h, SOL_IPV6, IPV6_PKTINFO, sizeof(info)), &info,
		       sizeof(info));
	}
}

/* What goes into one sendmsg(): datagrams of size @seg, @segs of them. */
struct group {
	unsigned int first, n; /* messages */
	size_t seg, segs, bytes;
};

static size_t segments(size_t len, size_t seg)
{
	return seg ? (len + seg - 1) / seg : 1;
}

/* Can @m go behind those in @g, none of which is short? */
static bool fits(const struct group *g, const struct udp_msg *m)
{
	size_t seg = m->seg ? m->seg : m->len;

	if (m->seg ? seg != g->seg : seg > g->seg || seg == 0)
		return false;
	return g->bytes + m->len <= TOGETHER_BYTES &&
	       g->segs + segments(m->len, g->seg) <= SEGMENTS_MAX;
}

static struct group make_group(const struct udp_msg *msgs, unsigned int first,
			       unsigned int end, size_t gso_max)
{
	const struct udp_msg *m = &msgs[first];
	struct group g = { first, 1, m->seg ? m->seg : m->len, 0, m->len };

	g.segs = segments(g.bytes, g.seg);
	if (g.seg == 0 || g.seg > gso_max)
		return g;
	for (unsigned int i = first + 1;
	     i < end && g.bytes % g.seg == 0 && fits(&g, &msgs[i]); i++) {
		g.segs += segments(msgs[i].len, g.seg);
		g.bytes += msgs[i].len;
		g.n++;
	}
	return g;
}

static void head(struct udp_io *io, unsigned int i, const struct udp_way *way,
		 const struct group *g)
{
	struct msghdr *h = &io->hdrs[i].msg_hdr;

	*h = (struct msghdr){
		.msg_iov = &io->iov[g->first],
		.msg_iovlen = g->n,
		.msg_control = io->ctl[i],
	};
	if (way->to) {
		h->msg_name = (void *)(uintptr_t)way->to;
		h->msg_namelen = endpoint_len(way->to);
	}
	if (way->from)
		udp_io_from(h, way->from);
	if (g->segs > 1) {
		uint16_t seg = (uint16_t)g->seg;

		memcpy(add_ctl(h, SOL_UDP, UDP_SEGMENT, sizeof(seg)), &seg,
		       sizeof(seg));
	}
}

/* Return: 0 or -errno */
static int send_one(const struct udp_way *way, const struct msghdr *h)
{
	return sendmsg(way->fd, h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno
								    : 0;
}

/* The datagrams of a group, each by itself. */
static void send_singly(struct udp_io *io, unsigned int i,
			const struct udp_way *way, const struct group *g,
			struct udp_sent *sent)
{
	struct group one = { .n = 1, .segs = 1 };
	struct iovec iov;
	struct msghdr *h = &io->hdrs[i].msg_hdr;

	head(io, i, way, &one);
	h->msg_iov = &iov;
	for (unsigned int k = g->first; k < g->first + g->n; k++) {
		const struct udp_msg *m = &io->msgs[k];

		for (size_t at = 0; at < m->len; at += iov.iov_len) {
			size_t left = m->len - at;
			int rc;

			iov.iov_base = m->data + at;
			iov.iov_len = left < g->seg ? left : g->seg;
			rc = send_one(way, h);
			if (rc)
				rc = send_one(way, h);
			if (rc) {
				sent->lost++;
				continue;
			}
			sent->packets++;
			sent->bytes += iov.iov_len;
		}
	}
}

/* Group @i could not be sent, or an error of earlier ones was in the way. */
static void second_try(struct udp_io *io, unsigned int i,
		       const struct udp_way *way, const struct group *g,
		       struct udp_sent *sent)
{
	int rc = send_one(way, &io->hdrs[i].msg_hdr);

	if (!rc) {
		sent->packets += g->segs;
		sent->bytes += g->bytes;
	} else if (g->segs > 1 &&
		   (rc == -EINVAL || rc == -EMSGSIZE || rc == -EIO)) {
		*way->gso_max = rc == -EIO ? 0 : g->seg - 1;
		send_singly(io, i, way, g, sent);
	} else {
		sent->lost += g->segs;
	}
}

static void send_groups(struct udp_io *io, const struct udp_way *way,
			const struct group *groups, unsigned int n,
			struct udp_sent *sent)
{
	for (unsigned int i = 0; i < n;) {
		int done = sendmmsg(way->fd, io->hdrs + i, n - i,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (done < 0) {
			second_try(io, i, way, &groups[i], sent);
			i++;
		}
		for (int k = 0; k < done; k++, i++) {
			sent->packets += groups[i].segs;
			sent->bytes += groups[i].bytes;
		}
	}
}

void udp_io_send(struct udp_io *io, const struct udp_way *way,
		 unsigned int first, unsigned int n, struct udp_sent *sent)
{
	struct group groups[UDP_IO_BATCH];
	unsigned int end = first + n, n_groups = 0;

	for (unsigned int i = first; i < end; i++)
		io->iov[i] =
			(struct iovec){ io->msgs[i].data, io->msgs[i].len };
	for (unsigned int i = first; i < end;) {
		struct group g = make_group(io->msgs, i, end, *way->gso_max);

		i += g.n;
		if (g.segs > 1 && g.seg > *way->gso_max) {
			send_groups(io, way, groups, n_groups, sent);
			n_groups = 0;
			send_singly(io, 0, way, &g, sent);
			continue;
		}
		groups[n_groups] = g;
		head(io, n_groups++, way, &g);
	}
	send_groups(io, way, groups, n_groups, sent);
}
