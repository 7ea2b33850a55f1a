// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel works off a request within send(), and a long answer within the
 * recv() calls that follow: whatever there is to read is there at once, so the
 * socket never blocks and nobody waits for it.
 *
 * A netlink socket can be sent to by who has CAP_NET_ADMIN over its network
 * namespace, the root of a pod for example, unless it is connected: then only
 * by its peer, the kernel (netlink_getsockbyportid() in af_netlink.c).
 */
#include "setup/net/sockdiag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"

#define ANSWER_BYTES 32768 /* the kernel makes its pieces that large */

int sockdiag_socket(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	scoped_fd fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_SOCK_DIAG);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)))
		return log_errno(errno, "sock_diag");
	return fd_take(&fd);
}

static int request(struct sockdiag *sd, uint16_t flags,
		   const struct inet_diag_req_v2 *req)
{
	char buf[MNL_ALIGN(sizeof(struct nlmsghdr)) + sizeof(*req)]
		__attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *body =
		mnl_nlmsg_put_extra_header(h, sizeof(*body));

	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++sd->seq;
	*body = *req;
	return send(sd->fd, h, h->nlmsg_len, 0) < 0 ? -errno : 0;
}

typedef void (*message_fn)(void *arg, const struct inet_diag_msg *m);

static bool is_socket(const struct nlmsghdr *h)
{
	return h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	       mnl_nlmsg_get_payload_len(h) >= sizeof(struct inet_diag_msg);
}

/* Return: 1: there is more to come, 0: that was all, -errno: refused */
static int piece(const struct sockdiag *sd, const char *buf, int len,
		 message_fn fn, void *arg)
{
	const struct nlmsghdr *h = (const void *)buf;

	for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
		const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);

		if (h->nlmsg_seq != sd->seq)
			continue; /* of a question that was given up */
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return err->error ? err->error : -EPROTO;
		if (!is_socket(h))
			continue;
		fn(arg, mnl_nlmsg_get_payload(h));
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

static int answer(const struct sockdiag *sd, message_fn fn, void *arg)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
	int rc = 1;

	while (rc > 0) {
		ssize_t n = recv(sd->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		rc = n < 0 ? -errno : piece(sd, buf, (int)n, fn, arg);
	}
	return rc;
}

/* ---- one ---- */

/*
 * A socket that no process holds (it waits for accept(), or for the end of its
 * connection) has no inode; whose it was, the kernel doesn't know for sure.
 */
static void take_owner(void *arg, const struct inet_diag_msg *m)
{
	int32_t *uid = arg;

	if (m->idiag_inode)
		*uid = (int32_t)m->idiag_uid;
}

static void put(const union endpoint *ep, __be32 addr[4], __be16 *port)
{
	struct ip ip = endpoint_ip(ep);

	memcpy(addr, ip_bytes(&ip), ip_len(&ip));
	*port = htons(endpoint_port(ep));
}

int32_t sockdiag_owner(struct sockdiag *sd, int proto,
		       const union endpoint *local,
		       const union endpoint *remote)
{
	struct inet_diag_req_v2 req = {
		.sdiag_protocol = (uint8_t)proto,
		.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
	};
	struct ip l, r;
	int32_t uid = -1;

	if (sd->fd < 0 || !local->sa.sa_family || !remote->sa.sa_family)
		return -1;
	l = endpoint_ip(local);
	r = endpoint_ip(remote);
	if (l.family != r.family)
		return -1;
	req.sdiag_family = (uint8_t)l.family;
	/* UDP has them the other way round, "for historical reasons" */
	if (proto == IPPROTO_UDP) {
		const union endpoint *swap = local;

		local = remote;
		remote = swap;
	}
	put(local, req.id.idiag_src, &req.id.idiag_sport);
	put(remote, req.id.idiag_dst, &req.id.idiag_dport);
	/* any error means that there is none */
	if (!request(sd, 0, &req))
		(void)answer(sd, take_owner, &uid);
	return uid;
}

/* ---- all ---- */

struct listing {
	sockdiag_fn fn;
	void *arg;
};

static void take_local(void *arg, const struct inet_diag_msg *m)
{
	const struct listing *l = arg;
	struct ip ip = { .family = m->idiag_family };
	union endpoint local;

	if (ip.family == AF_INET)
		memcpy(&ip.v4, m->id.idiag_src, sizeof(ip.v4));
	else
		memcpy(&ip.v6, m->id.idiag_src, sizeof(ip.v6));
	local = endpoint_make(&ip, ntohs(m->id.idiag_sport));
	l->fn(l->arg, &local);
}

int sockdiag_listening(struct sockdiag *sd, int proto, sockdiag_fn fn,
		       void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct listing l = { fn, arg };
	struct inet_diag_req_v2 req = {
		.sdiag_protocol = (uint8_t)proto,
		/* a UDP socket without a peer is "closed" */
		.idiag_states =
			1U << (proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE),
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && !rc; i++) {
		req.sdiag_family = families[i];
		rc = request(sd, NLM_F_DUMP, &req);
		if (!rc)
			rc = answer(sd, take_local, &l);
	}
	return rc;
}
