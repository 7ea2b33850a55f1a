// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SOCK_SEQPACKET keeps message boundaries and reports the peer's death as a
 * zero-length read, which a datagram socket doesn't. The receiver checks
 * level, type, length and MSG_CTRUNC, and asks for MSG_CMSG_CLOEXEC: a
 * descriptor that arrives unchecked would be a leak at best.
 */
#include "netstack/base/msg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define PATIENCE_TRIES	  1000
#define PATIENCE_PAUSE_MS 10

int msg_pair(int out[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out))
		return log_errno(errno, "socketpair");
	return 0;
}

int msg_send(int fd, uint32_t type, const void *body, size_t len,
	     const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
	} ctl;
	struct iovec iov[2] = {
		{ .iov_base = &type, .iov_len = sizeof(type) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
	ssize_t n;

	if (len > MSG_BODY_MAX || n_fds > MSG_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

bool msg_patience(int rc, unsigned int *tries)
{
	if (rc != -ETOOMANYREFS || ++*tries > PATIENCE_TRIES)
		return false;
	(void)poll(NULL, 0, PATIENCE_PAUSE_MS);
	return true;
}

int msg_must_send(int fd, const char *to, uint32_t type, const void *body,
		  size_t len, const int *fds, size_t n_fds)
{
	unsigned int tries = 0;
	int rc;

	do
		rc = msg_send(fd, type, body, len, fds, n_fds);
	while (msg_patience(rc, &tries));
	if (rc && rc != -EPIPE)
		(void)log_errno(-rc, "message %u to %s", type, to);
	return rc;
}

/* Collect descriptors; false when something is in there that isn't ours. */
static bool take_fds(struct msghdr *mh, struct msg *out)
{
	bool ok = !(mh->msg_flags & MSG_TRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len < CMSG_LEN(0)) {
			ok = false;
			continue;
		}
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (out->n_fds < MSG_FDS_MAX) {
				out->fds[out->n_fds++] = fd;
			} else {
				fd_drop(&fd);
				ok = false;
			}
		}
	}
	return ok;
}

int msg_recv(int fd, struct msg *out)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
	} ctl;
	struct iovec iov[2] = {
		{ .iov_base = &out->type, .iov_len = sizeof(out->type) },
		{ .iov_base = out->body, .iov_len = sizeof(out->body) },
	};
	struct msghdr mh = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof(ctl.buf),
	};
	ssize_t n;

	out->n_fds = 0;
	out->len = 0;
	do {
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	/* an empty message reads like the peer's end, but may bring some */
	if (!take_fds(&mh, out) ||
	    (n < (ssize_t)sizeof(out->type) && (n || out->n_fds))) {
		msg_drop(out);
		return -EPROTO;
	}
	if (n == 0)
		return 0;
	out->len = (size_t)n - sizeof(out->type);
	if (mh.msg_flags & MSG_CTRUNC) {
		bool many = out->n_fds == MSG_FDS_MAX;

		msg_drop(out);
		return many ? -EPROTO : -EMFILE;
	}
	return 1;
}

int msg_take_fd(struct msg *m, size_t i)
{
	return i < m->n_fds ? fd_take(&m->fds[i]) : -1;
}

void msg_drop(struct msg *m)
{
	for (size_t i = 0; i < m->n_fds; i++)
		fd_drop(&m->fds[i]);
	m->n_fds = 0;
}
