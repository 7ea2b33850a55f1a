/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The hop: the network namespace between the pod and the host, and the pod's
 * own device. Everything the data path needs is made here and handed over as
 * descriptors.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "setup/base/config.h"

/* The TPROXY listeners' port on the gateway's addresses, inside the hop. */
#define HOP_TPROXY_PORT 1

/*
 * IPv4 TCP's packets between hop and pod: three times the usual 64 KiB, so that
 * the rules, the routes and the veth have a third of the work. Where the pod
 * hands them on to other devices (containers behind a bridge), which take no
 * more than the usual, the processor would cut each into segments, which costs
 * far more: there they stay as they are, see poddev_alone().
 */
#define HOP_GSO_BYTES 196608

struct hop_config {
	struct podnet *plan; /* completed by hop_setup() */
	enum datapath datapath;
	bool serve_dns;
	bool route6;  /* the host has an IPv6 default route now */
	int ns_pod;   /* the pod's network namespace; hop_setup() takes it */
	bool joined;  /* somebody else made it: the device may be there */
	bool unheld;  /* make no socket in the pod: it holds the namespace */
	bool capture; /* make hop.capture */
	bool bare;    /* others set addresses, routes and the device's state */
	bool plain;   /* no sysctl is set, and no IPv6 address: router
		       * advertisements do that */
	int tap; /* of the device that is there, from its maker; -1: none */
	bool own_mtu, own_mac; /* the plan's were asked for, so are no default:
				* a device that is there gets them */
};

/* What hop_setup() made; -1 where there is none. Owned by the caller. */
struct hop {
	int tap;       /* libslirp's device */
	int tap_hop;   /* only without veth and nftables: the hop's device */
	int tproxy[2]; /* listeners for written-back SYNs: IPv4, IPv6 */
	int dns[2];    /* listeners on the DNS addresses, TCP */
	int links;     /* rtnl_alarm.h: devices of the hop change */
	int devices;   /* ... or of the pod, while poddev_alone() */
	int capture; /* recorder.h: packets of p0, as the pod's veth has them */
	int sockets; /* sockdiag.h: the pod's */
	/* the helper's user namespace, the hop's and the pod's network ones */
	int ns_user, ns_hop, ns_pod;
	bool no_route6; /* the pod's root has removed it: it stays away */
};

#define HOP_NULL                                                               \
	{                                                                      \
		-1, -1, { -1, -1 }, { -1, -1 }, -1, -1, -1, -1, -1, -1, -1,    \
			false,                                                 \
	}

/**
 * hop_setup() - make the hop and configure the pod's network
 * @cfg:    the caller is root of the helper's user namespace, which owns the
 *          current network namespace and is the parent of the pod's, or, where
 *          somebody else made the pod, the one that owns it
 * @out:    set on success
 *
 * The caller is in the hop afterwards, which may be another network namespace
 * than before: where veth or nftables are missing and @cfg->datapath is not
 * DATAPATH_SPLICE, what was made is undone and user space takes the kernel's
 * part (netstack/switch.h); one warning says why.
 *
 * A TAP that is there already moves into the hop, and the veth takes its name,
 * MAC, MTU, addresses and routes. When what follows fails it moves back. It
 * ends with the hop.
 *
 * Return: 0 or -errno, logged
 */
int hop_setup(const struct hop_config *cfg, struct hop *out);

/**
 * hop_cut_off() - has the pod deleted its device?
 * @fd: a socket of the hop, as hop.links is; the caller may be elsewhere
 */
bool hop_cut_off(int fd);

/**
 * hop_small_packets() - the pod isn't alone any more: TCP's packets to it have
 *			 the usual 64 KiB at most, those of new flows
 * Forks; the child enters @hop's namespaces. Return: 0 or -errno, logged
 */
int hop_small_packets(const struct hop *hop);

/** hop_close() - close what is left in @hop; idempotent */
void hop_close(struct hop *hop);

/**
 * hop_transparent() - a socket that may be bound to any address
 * @type: SOCK_STREAM; SOCK_DGRAM: UDP, which tells SO_MARK, takes datagrams
 *	  together (UDP_GRO) and lets the kernel fragment what it sends;
 *	  SOCK_RAW: ICMP of the family, to send with
 *
 * It is non-blocking and CLOEXEC, with SO_REUSEADDR.
 *
 * Needs CAP_NET_RAW or CAP_NET_ADMIN over the network namespace; using the
 * socket needs nothing (ip(7), IP_TRANSPARENT).
 *
 * Return: descriptor or -errno, not logged
 */
int hop_transparent(int family, int type);

/** hop_prepare_udp() - what a relayed UDP socket wants; Return: 0 or -errno */
int hop_prepare_udp(int fd, int family);

/**
 * hop_route6() - add or remove the pod's IPv6 default route
 *
 * For a live change. One that others made stays, and one of ours that they
 * have removed doesn't come back. Forks; the child enters @hop's namespaces.
 *
 * Return: 0 or -errno, logged
 */
int hop_route6(struct hop *hop, const struct podnet *plan, bool add);

/**
 * hop_remove() - take the veth away now
 *
 * Without it the kernel does so a while after the hop's last holder has gone.
 *
 * Return: 0 or -errno, logged
 */
int hop_remove(const struct hop *hop);

/**
 * hop_forget_slow() - no flow is libslirp's any more: netstack died
 *
 * What the pod still sends on them, the hop's kernel answers with a RST. Forks;
 * the child enters @hop's namespaces. Not for a hop without nftables.
 *
 * Return: 0 or -errno, logged
 */
int hop_forget_slow(const struct hop *hop);
