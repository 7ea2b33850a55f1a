/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A capture file of what crosses the pod's veth, as a wire would have carried
 * it. The kernel moves up to 192 KiB of TCP at once and leaves checksums to
 * hardware that isn't there: a packet socket shows that, with what is missing
 * in a struct virtio_net_hdr (linux/virtio_net.h, PACKET_VNET_HDR in
 * packet(7)). Here such a packet becomes the segments that a network card would
 * have made of it.
 */

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* One packet as it comes: more than HOP_GSO_BYTES (setup/net/hop.h). */
#define PCAP_FRAME_MAX	(255 * 1024)
#define PCAP_BUFFER_LEN (256 * 1024)

struct pcap {
	int fd;				   /* borrowed */
	bool raw;			   /* packets as they come */
	uint64_t max_bytes, written_bytes; /* of the file; max 0: no end */
	uint64_t packets;		   /* records of the file */
	struct timespec last;		   /* of the last record */
	int err;   /* first errno of writing; nothing follows it */
	bool full; /* max_bytes would be passed; nothing follows it */
	size_t buf_len;
	uint8_t buf[PCAP_BUFFER_LEN];
};

/**
 * pcap_init() - begin a file: libpcap's format, Ethernet, nanoseconds
 * @fd: borrowed, for writing; what is in the file already is counted, and no
 *	header is written behind it: the capture goes on
 * @max_bytes: where it ends, 0: nowhere
 * @raw: no segments, no checksums: as the kernel has it
 *
 * Return: 0 or -errno, not logged
 */
int pcap_init(struct pcap *p, int fd, uint64_t max_bytes, bool raw);

/**
 * pcap_packet() - add one packet
 * @when:  its time of day; one a little before the last packet's is that one's
 * @hdr:   as the packet socket gave it
 * @frame: Ethernet; changed
 * @len:   at most PCAP_FRAME_MAX
 *
 * What @hdr says of the frame is checked against its length; a frame it can't
 * be true of is written as it is. Buffered: see pcap_flush().
 */
void pcap_packet(struct pcap *p, const struct timespec *when,
		 const struct virtio_net_hdr *hdr, uint8_t *frame, size_t len);

/** pcap_flush() - write what is buffered. Return: 0 or -errno, not logged */
int pcap_flush(struct pcap *p);
