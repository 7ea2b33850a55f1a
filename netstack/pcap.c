// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html.
 * Segments as in tcp_gso_segment() and __udp_gso_segment() of the kernel: the
 * sequence number grows, FIN and PSH are the last one's, CWR the first one's,
 * IPv4's identification counts up.
 */
#include "netstack/pcap.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/checksum.h"

#define MAGIC_NS      0xa1b23c4dU
#define FILE_HEADER   24
#define RECORD_HEADER 16
#define LINK_ETHERNET 1
#define DISORDER_NS   1000000000
#define SNAPLEN	      262144
#define TCP_FIN_PSH   0x09
#define TCP_CWR	      0x80
#define SEGMENT_MAX   (65535 + 18) /* as IP's length has it, and a VLAN tag */

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* since Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Where the headers of a packet are that is cut into segments. */
struct layout {
	size_t l3, l4, payload, len;
	bool v6, tcp;
};

static int write_all(struct pcap *p, const uint8_t *data, size_t len)
{
	while (len > 0 && !p->err) {
		ssize_t n = write(p->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			p->err = n ? errno : EIO;
			break;
		}
		data += n;
		len -= (size_t)n;
	}
	return -p->err;
}

int pcap_flush(struct pcap *p)
{
	int rc = write_all(p, p->buf, p->buf_len);

	p->buf_len = 0;
	return rc;
}

/* In host order: the magic number tells the reader which that is. */
static void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

static void put_record(struct pcap *p, const struct timespec *when,
		       const uint8_t *frame, size_t len)
{
	uint8_t *at;

	if (p->err || p->full)
		return;
	if (p->max_bytes &&
	    p->written_bytes + RECORD_HEADER + len > p->max_bytes) {
		p->full = true;
		return;
	}
	if (p->buf_len + RECORD_HEADER + len > sizeof(p->buf) && pcap_flush(p))
		return;
	at = p->buf + p->buf_len;
	put32(at, (uint32_t)when->tv_sec);
	put32(at + 4, (uint32_t)when->tv_nsec);
	put32(at + 8, (uint32_t)len);
	put32(at + 12, (uint32_t)len);
	memcpy(at + RECORD_HEADER, frame, len);
	p->buf_len += RECORD_HEADER + len;
	p->written_bytes += RECORD_HEADER + len;
	p->packets++;
}

int pcap_init(struct pcap *p, int fd, uint64_t max_bytes, bool raw)
{
	struct stat st;

	*p = (struct pcap){ .fd = fd, .max_bytes = max_bytes, .raw = raw };
	if (fstat(fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		p->written_bytes = (uint64_t)st.st_size;
		return 0;
	}
	put32(p->buf, MAGIC_NS);
	put32(p->buf + 4, 4U << 16 | 2); /* version 2.4, as two 16-bit words */
	if (p->buf[0] != (MAGIC_NS & 0xff))
		put32(p->buf + 4, 2U << 16 | 4);
	put32(p->buf + 8, 0);
	put32(p->buf + 12, 0);
	put32(p->buf + 16, SNAPLEN);
	put32(p->buf + 20, LINK_ETHERNET);
	p->buf_len = p->written_bytes = FILE_HEADER;
	return pcap_flush(p);
}

/* ---- checksums ---- */

/* The checksum that was left to hardware: RFC 1071 from @start to the end. */
static void complete(uint8_t *frame, size_t len,
		     const struct virtio_net_hdr *hdr)
{
	size_t start = hdr->csum_start, at = start + hdr->csum_offset;
	uint16_t sum;

	if (start >= len || at + 2 > len)
		return;
	/* the field holds the pseudo header's sum */
	sum = checksum_fold(checksum_add(0, frame + start, len - start));
	/* 0 would mean "none" for UDP (RFC 768); for TCP both are the same */
	store16(frame + at, sum ? sum : 0xffff);
}

static uint32_t pseudo_header(const uint8_t *ip, const struct layout *l,
			      size_t l4_len)
{
	uint32_t sum = (l->tcp ? IPPROTO_TCP : IPPROTO_UDP) + (uint32_t)l4_len;

	return l->v6 ? checksum_add(sum, ip + 8, 32)
		     : checksum_add(sum, ip + 12, 8);
}

/* ---- segments ---- */

/* The IP header; false: none that can be cut behind its layer 4. */
static bool find_ip(const uint8_t *f, size_t len, struct layout *l)
{
	uint16_t type = load16(f + 12);

	l->l3 = ETH_HLEN;
	if (type == ETH_P_8021Q && len >= ETH_HLEN + 4) {
		type = load16(f + 16);
		l->l3 += 4;
	}
	l->v6 = type == ETH_P_IPV6;
	if (type == ETH_P_IP)
		return l->l4 >= l->l3 + 20 &&
		       l->l4 == l->l3 + (size_t)(f[l->l3] & 15) * 4;
	return l->v6 && l->l4 >= l->l3 + 40;
}

static bool find_layout(const uint8_t *f, size_t len,
			const struct virtio_net_hdr *hdr, struct layout *l)
{
	unsigned int type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	size_t header;

	*l = (struct layout){ .l4 = hdr->csum_start, .len = len };
	l->tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 ||
		 type == VIRTIO_NET_HDR_GSO_TCPV6;
	if ((!l->tcp && type != VIRTIO_NET_HDR_GSO_UDP_L4) || !hdr->gso_size ||
	    !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    l->l4 + (l->tcp ? 20 : 8) > len || !find_ip(f, len, l))
		return false;
	header = l->tcp ? (size_t)(f[l->l4 + 12] >> 4) * 4 : 8;
	l->payload = l->l4 + header;
	return header >= (l->tcp ? 20 : 8) && l->payload < len &&
	       l->payload + hdr->gso_size <= SEGMENT_MAX &&
	       (!l->tcp || l->v6 == (type == VIRTIO_NET_HDR_GSO_TCPV6));
}

static void fix_ip(uint8_t *ip, const struct layout *l, size_t len, size_t nth)
{
	size_t header = l->l4 - l->l3;

	if (l->v6) {
		store16(ip + 4, len - l->l3 - 40);
		return;
	}
	store16(ip + 2, len - l->l3);
	store16(ip + 4, load16(ip + 4) + nth);
	store16(ip + 10, 0);
	store16(ip + 10, checksum_fold(checksum_add(0, ip, header)));
}

static void fix_l4(uint8_t *l4, const struct layout *l, size_t off, bool last)
{
	if (!l->tcp)
		return;
	store32(l4 + 4, load32(l4 + 4) + (uint32_t)off);
	if (!last)
		l4[13] &= (uint8_t)~TCP_FIN_PSH;
	if (off)
		l4[13] &= (uint8_t)~TCP_CWR;
}

static void sum_l4(uint8_t *frame, const struct layout *l, size_t len)
{
	uint8_t *l4 = frame + l->l4, *field = l4 + (l->tcp ? 16 : 6);
	size_t n = len - l->l4;
	uint16_t sum;

	if (!l->tcp)
		store16(l4 + 4, n);
	store16(field, 0);
	sum = checksum_fold(
		checksum_add(pseudo_header(frame + l->l3, l, n), l4, n));
	store16(field, sum ? sum : 0xffff);
}

static void cut(struct pcap *p, const struct timespec *when, const uint8_t *f,
		const struct layout *l, size_t size)
{
	uint8_t seg[SEGMENT_MAX];
	size_t total = l->len - l->payload;

	for (size_t off = 0, nth = 0; off < total; off += size, nth++) {
		size_t n = total - off < size ? total - off : size;
		size_t len = l->payload + n;

		memcpy(seg, f, l->payload);
		memcpy(seg + l->payload, f + l->payload + off, n);
		fix_ip(seg + l->l3, l, len, nth);
		fix_l4(seg + l->l4, l, off, off + n == total);
		sum_l4(seg, l, len);
		put_record(p, when, seg, len);
	}
}

/*
 * Two processors may stamp two packets in one order and queue them in the
 * other: a moment too early is no time to write. What is earlier by more means
 * that the clock was set.
 */
static void keep_order(struct pcap *p, const struct timespec *when)
{
	int64_t back_ns =
		((int64_t)p->last.tv_sec - when->tv_sec) * 1000000000 +
		p->last.tv_nsec - when->tv_nsec;

	if (back_ns <= 0 || back_ns >= DISORDER_NS)
		p->last = *when;
}

void pcap_packet(struct pcap *p, const struct timespec *when,
		 const struct virtio_net_hdr *hdr, uint8_t *frame, size_t len)
{
	struct layout l;

	if (len > PCAP_FRAME_MAX || p->err || p->full)
		return;
	keep_order(p, when);
	when = &p->last;
	if (p->raw || len < ETH_HLEN) {
		put_record(p, when, frame, len);
	} else if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE &&
		   find_layout(frame, len, hdr, &l)) {
		cut(p, when, frame, &l, hdr->gso_size);
	} else {
		if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			complete(frame, len, hdr);
		put_record(p, when, frame, len);
	}
}
