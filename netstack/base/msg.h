/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Messages with descriptors between our own processes, over SOCK_SEQPACKET
 * socketpairs. A message is a type, a body, and up to MSG_FDS_MAX descriptors.
 * Who may send what to whom is written where the types are defined.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_BODY_MAX 16384
#define MSG_FDS_MAX  64

struct msg {
	uint32_t type;
	size_t len; /* of body */
	size_t n_fds;
	int fds[MSG_FDS_MAX]; /* owned by the receiver; msg_drop() closes */
	_Alignas(16) uint8_t body[MSG_BODY_MAX];
};

/**
 * msg_pair() - a connected pair, CLOEXEC, blocking
 * Return: 0 or -errno, logged
 */
int msg_pair(int out[2]);

/**
 * msg_send() - send one message
 * @fds: borrowed: the receiver gets duplicates
 *
 * Return: 0, -EAGAIN when @fd is non-blocking and full, -EPIPE when the peer
 *         is gone, or another -errno. Not logged. SIGPIPE is not raised.
 */
int msg_send(int fd, uint32_t type, const void *body, size_t len,
	     const int *fds, size_t n_fds);

/**
 * msg_patience() - what msg_send() said: is it worth to wait and try again?
 * @tries: 0 before the first
 *
 * -ETOOMANYREFS: all processes of this user together have more descriptors on
 * their way than RLIMIT_NOFILE allows this one (too_many_unix_fds() in
 * net/unix/garbage.c of Linux). That is over when they have been received: up
 * to ten seconds are waited for it, a moment at each call.
 */
bool msg_patience(int rc, unsigned int *tries);

/**
 * msg_must_send() - msg_send(), where the message is the only chance
 * @to: whom, for the log
 *
 * Has msg_patience(), so is for who may wait.
 *
 * Return: as msg_send(), logged but for -EPIPE: who has ended, or who watches
 *         it, tells why
 */
int msg_must_send(int fd, const char *to, uint32_t type, const void *body,
		  size_t len, const int *fds, size_t n_fds);

/**
 * msg_recv() - receive one message
 * @out: on success its descriptors are the caller's, all CLOEXEC
 *
 * A message that was truncated or carries foreign control data is refused
 * whole, with its descriptors closed: -EPROTO. One whose descriptors found no
 * room in this process's table is -EMFILE: those that did are closed, @out has
 * its type and body.
 *
 * Return: 1, 0 when the peer is gone, -EAGAIN, or another -errno, not logged
 */
int msg_recv(int fd, struct msg *out);

/**
 * msg_again() - does this result of msg_send() or msg_recv() say "not now"?
 *
 * A full or empty socket, or a moment without memory: the message is still
 * where it was, and a level-triggered loop calls again.
 */
static inline bool msg_again(int rc)
{
	return rc == -EAGAIN || rc == -ENOMEM || rc == -ENOBUFS;
}

/** msg_take_fd() - move descriptor @i out of @m; Return: it, or -1 */
int msg_take_fd(struct msg *m, size_t i);

/** msg_drop() - close what descriptors are left in @m */
void msg_drop(struct msg *m);
