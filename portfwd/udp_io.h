/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Datagrams in batches, with what belongs to them but isn't in them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "netstack/base/addr.h"

#define UDP_IO_BATCH 16
/* Room for any datagram, and for what the kernel puts together. */
#define UDP_IO_BYTES 65536
#define UDP_IO_CTL   192

/* One that was received; or several of one sender, all of one size. */
struct udp_msg {
	uint8_t *data;
	size_t len;
	size_t seg;	     /* several: of each but the last; 0: it is one */
	union endpoint from; /* as the socket has it, perhaps IPv4-mapped */
	struct ip local;     /* where it was sent to; family 0: not told */
	bool whole;	     /* must not be fragmented */
};

struct udp_io {
	struct udp_msg msgs[UDP_IO_BATCH];
	uint8_t *data;
	/* scratch */
	struct mmsghdr hdrs[UDP_IO_BATCH];
	struct iovec iov[UDP_IO_BATCH];
	_Alignas(16) uint8_t ctl[UDP_IO_BATCH][UDP_IO_CTL];
};

/* Where datagrams are sent. */
struct udp_way {
	int fd;
	const union endpoint *to; /* NULL: the socket is connected */
	const struct ip *from;	  /* NULL, or family 0: the kernel's choice */
	/* Owned by the flow: larger ones are sent one by one. Starts with
	 * UDP_GSO_ANY, and falls where the way takes less. */
	size_t *gso_max;
};

#define UDP_GSO_ANY SIZE_MAX

/* Counted up. */
struct udp_sent {
	uint64_t packets, bytes, lost;
};

/** udp_io_from() - let @h, with room for UDP_IO_CTL, leave from that address */
void udp_io_from(struct msghdr *h, const struct ip *from);

/** udp_io_init() - Return: 0 or -ENOMEM, logged */
int udp_io_init(struct udp_io *io);
void udp_io_deinit(struct udp_io *io);

/**
 * udp_io_recv() - up to @max (at most UDP_IO_BATCH) messages, into @io->msgs
 * Return: how many, or -errno, not logged
 */
int udp_io_recv(struct udp_io *io, int fd, unsigned int max);

/**
 * udp_io_send() - send @n of @io->msgs, from @first on
 *
 * Each datagram leaves as it came. Neighbours of one size are given to the
 * kernel together (UDP_SEGMENT). What can't be sent is lost, as in any network.
 */
void udp_io_send(struct udp_io *io, const struct udp_way *way,
		 unsigned int first, unsigned int n, struct udp_sent *sent);
