// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/helper/recorder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/checksum.h"
#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "netstack/pcap.h"
#include "setup/base/sys.h"
#include "setup/helper/sandbox.h"

/* the kernel's queue, for a burst while a disk is slow */
#define SOCKET_BUFFER (8 << 20)
#define FLUSH_MS      200
#define STOP_MS	      5000
#define MAX_SMALLEST  4096

/* ---- what was asked for ---- */

static int bad(const char *value, const char *why)
{
	log_error("--pcap %s: %s", value, why);
	return -EINVAL;
}

int recorder_parse(const char *value, struct recorder_config *out)
{
	const char *at = value + strcspn(value, ",");
	struct recorder_config cfg = { 0 };

	if (at == value)
		return bad(value, "which file? (FILE[,max=SIZE][,raw])");
	while (*at) {
		const char *word = at + 1;
		size_t len = strcspn(word, ",");

		if (len == 3 && strncmp(word, "raw", 3) == 0)
			cfg.raw = true;
		else if (len < 4 || strncmp(word, "max=", 4) != 0)
			return bad(
				value,
				"not max=SIZE or raw (no comma can be in the file's name)");
		else if (parse_size(word + 4, len - 4, &cfg.max_bytes) ||
			 cfg.max_bytes < MAX_SMALLEST)
			return bad(
				value,
				"max= wants a size of 4096 or more, like 100M");
		at = word + len;
	}
	cfg.path = strndup(value, strcspn(value, ","));
	if (!cfg.path)
		return log_errno(ENOMEM, "--pcap");
	free(out->path);
	*out = cfg;
	return 0;
}

int recorder_file(const struct recorder_config *cfg)
{
	/* O_NONBLOCK: a FIFO would be waited for until somebody reads it */
	scoped_fd fd = open(cfg->path,
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
				    O_NOCTTY | O_NONBLOCK,
			    0600);

	if (fd < 0 && errno == ENXIO)
		return log_errno(ENXIO, "--pcap %s: nobody reads from it",
				 cfg->path);
	/* its writing has a process of its own, which may wait */
	if (fd < 0 || fcntl(fd, F_SETFL, 0))
		return log_errno(errno, "--pcap %s", cfg->path);
	return fd_take(&fd);
}

/* ---- the socket ---- */

int recorder_socket(const char *dev)
{
	static const int one = 1, size = SOCKET_BUFFER;
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(dev),
	};
	/* protocol 0: it hears nothing before it is bound to the device */
	scoped_fd fd =
		socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return log_errno(errno, "--pcap: packet socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)))
		return log_errno(errno, "--pcap: packet socket");
	/* the second has a limit, net.core.rmem_max, but always works */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		return log_errno(errno, "--pcap: bind to %s", dev);
	return fd_take(&fd);
}

/* ---- the process ---- */

struct recording {
	int sock;
	const char *path;
	struct pcap *pcap;
	uint64_t too_long;
	uint8_t frame[4 + PCAP_FRAME_MAX]; /* room for a VLAN tag in front */
};

/* The kernel keeps a VLAN tag beside the packet; a wire has it inside. */
static uint8_t *put_tag(uint8_t *frame, size_t *len,
			const struct tpacket_auxdata *aux)
{
	uint16_t tpid = aux->tp_status & TP_STATUS_VLAN_TPID_VALID
				? aux->tp_vlan_tpid
				: ETH_P_8021Q;

	memmove(frame - 4, frame, 2 * ETH_ALEN);
	frame -= 4;
	store16(frame + 12, tpid);
	store16(frame + 14, aux->tp_vlan_tci);
	*len += 4;
	return frame;
}

/* Return: false when there is none now */
static bool one_packet(struct recording *r)
{
	struct virtio_net_hdr hdr;
	uint8_t *frame = r->frame + 4;
	struct iovec iov[] = { { &hdr, sizeof(hdr) },
			       { frame, PCAP_FRAME_MAX - 4 } };
	union {
		struct cmsghdr align;
		char buf[256];
	} control;
	struct msghdr m = { .msg_iov = iov,
			    .msg_iovlen = ARRAY_SIZE(iov),
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct timespec when = { 0 };
	ssize_t n = recvmsg(r->sock, &m, 0);
	size_t len;

	if (n < (ssize_t)sizeof(hdr))
		/* a device that is down says so once; it may come back */
		return n >= 0 || errno == EINTR || errno == ENETDOWN;
	if (m.msg_flags & MSG_TRUNC) { /* the pod's root made its device so */
		r->too_long++;
		return true;
	}
	len = (size_t)n - sizeof(hdr);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&when, CMSG_DATA(c), sizeof(when));
		if (c->cmsg_level != SOL_PACKET ||
		    c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID && len >= ETH_HLEN) {
			frame = put_tag(frame, &len, &aux);
			if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
				hdr.csum_start = (uint16_t)(hdr.csum_start + 4);
		}
	}
	pcap_packet(r->pcap, &when, &hdr, frame, len);
	return true;
}

/* Return: 0, or 1 when it is over before the pod is, logged */
static int over(const struct recording *r)
{
	if (r->pcap->err)
		(void)log_errno(r->pcap->err, "--pcap %s: the capture ends",
				r->path);
	else if (r->pcap->full)
		log_warn("--pcap %s: max= is reached: the capture ends",
			 r->path);
	return r->pcap->err || r->pcap->full;
}

static int record(struct recording *r, int ctl)
{
	struct pollfd p[] = { { r->sock, POLLIN, 0 }, { ctl, POLLIN, 0 } };
	bool end = false;

	while (!end) {
		bool waits = r->pcap->buf_len > 0;
		int n = poll(p, ARRAY_SIZE(p), waits ? FLUSH_MS : -1);

		if (n < 0 && errno != EINTR)
			return log_errno(errno, "poll") ? 1 : 0;
		end = p[1].revents; /* what came until then is kept */
		while (one_packet(r) && !r->pcap->err && !r->pcap->full)
			if (!end && poll(&p[1], 1, 0) > 0)
				end = true;
		if (n == 0 || end || r->pcap->full)
			(void)pcap_flush(r->pcap);
		if (over(r))
			return 1;
	}
	return 0;
}

static void tell_loss(const struct recording *r)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	if (!getsockopt(r->sock, SOL_PACKET, PACKET_STATISTICS, &st, &len) &&
	    st.tp_drops)
		log_warn("--pcap %s: %u packets came too fast and are missing",
			 r->path, st.tp_drops);
	if (r->too_long)
		log_warn("--pcap %s: %" PRIu64
			 " packets of more than %u bytes are missing",
			 r->path, r->too_long, PCAP_FRAME_MAX);
}

static int recorder_main(const struct recorder_config *cfg, int ctl, int sock,
			 int file)
{
	struct sandbox box;
	struct recording *r = calloc(1, sizeof(*r));
	struct pcap *pcap = calloc(1, sizeof(*pcap));
	int rc;

	if (!r || !pcap) {
		free(pcap);
		free(r);
		return log_errno(ENOMEM, "--pcap") ? 1 : 0;
	}
	rc = sandbox_1_namespaces(&box, SANDBOX_RECORDER);
	if (!rc) {
		rc = pcap_init(pcap, file, cfg->max_bytes, cfg->raw);
		if (rc)
			(void)log_errno(-rc, "--pcap %s", cfg->path);
	}
	if (!rc)
		rc = sandbox_2_lock(&box);
	if (!rc) {
		r->sock = sock;
		r->path = cfg->path;
		r->pcap = pcap;
		rc = record(r, ctl);
		tell_loss(r);
	}
	free(pcap);
	free(r);
	return rc ? 1 : 0;
}

/* ---- the supervisor's side ---- */

int recorder_start(struct recorder *c, const struct recorder_config *cfg,
		   int sock, int file)
{
	int ctl[2], rc;
	int *const keep[] = { &ctl[0], &sock, &file };

	if (pipe2(ctl, O_CLOEXEC))
		return log_errno(errno, "pipe");
	rc = child_fork(&c->child, "recorder", true, keep, ARRAY_SIZE(keep));
	if (rc == 1)
		_exit(recorder_main(cfg, ctl[0], sock, file));
	fd_drop(&ctl[0]);
	if (rc)
		fd_drop(&ctl[1]);
	else
		c->child.ctl = ctl[1];
	return rc;
}

static void on_ended(struct loop_source *src, uint32_t revents)
{
	struct recorder *c = container_of(src, struct recorder, child.ended);

	(void)revents;
	(void)child_failed(&c->child); /* what else ended it was logged there */
	child_stop(&c->child, c->loop);
}

int recorder_watch(struct recorder *c, struct loop *loop)
{
	c->loop = loop;
	return c->child.pid ? loop_child(loop, &c->child.ended, c->child.pid,
					 on_ended)
			    : 0;
}

void recorder_stop(struct recorder *c)
{
	struct pollfd p = { c->child.ended.fd, POLLIN, 0 };

	fd_drop(&c->child.ctl);
	/* what it has not written by then, a broken disk keeps */
	if (c->child.pid && p.fd >= 0)
		(void)poll(&p, 1, STOP_MS);
	child_stop(&c->child, c->loop);
}
