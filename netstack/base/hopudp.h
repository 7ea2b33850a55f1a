/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What portfwd's UDP sockets in the hop say to who steers the pod's packets
 * (setup/net/nft_udp.c in the kernel, netstack/switch.c in user space). A flow
 * is the hop's from its first datagram to the pod, and for so long after the
 * last one. Two datagrams, told by their time to live, don't get into the pod.
 */

#define HOP_UDP_KEEP_S	 60
#define HOP_UDP_TTL_DROP 1 /* the flow isn't the hop's any more */
#define HOP_UDP_TTL_KEEP 2 /* it still is */

/* SO_MARK of what the pod sent: not to be fragmented (DF, or IPv6). */
#define HOP_UDP_MARK_WHOLE 1
/* mark of what comes from the TAP: no flow of the relay's. */
#define HOP_UDP_MARK_TAP 2

/*
 * SO_RCVBUF of these and of the published ports' sockets: what comes while
 * others have the processor; the kernel counts its own part of each datagram,
 * too. Cut to net.core.rmem_max.
 */
#define HOP_UDP_BUFFER_BYTES (4 << 20)
