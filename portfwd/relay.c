// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nothing is held between turns: a side is read only for as much as the other
 * side's send buffer has room (SO_MEMINFO), so the pipe that all flows share
 * is empty again before the next flow uses it, and a sink that doesn't read
 * stops its source through TCP's own window.
 *
 * Sockets are watched edge-triggered, with all events at once, and what may be
 * read or written is remembered per end: a flow then costs no epoll_ctl() but
 * one per stall. The edge that says "there is room again" comes only after the
 * kernel has noticed that there was none, which EPOLL_CTL_MOD makes it look
 * for (tcp_poll() sets SOCK_NOSPACE); that is loop_mod() in wait_for_room().
 * "Room" is what EPOLLOUT means by it (sk_stream_is_writeable() in
 * include/net/sock.h), or a flow could wait for an edge that never comes.
 *
 * splice() says EAGAIN both when a socket is empty and when it stands at an
 * urgent mark, and 0 there once the FIN has come; past() steps over the mark.
 * Urgent data is read in line (SO_OOBINLINE): out of line, a byte not yet read
 * is lost when the next urgent one comes (tcp_check_urg()).
 *
 * SO_ERROR is never asked on a live flow: asking clears it, and a reset would
 * then read as an end of file.
 */
#include "portfwd/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

struct relay_stash {
	size_t len, at;
	int flags; /* MSG_OOB: its only byte is urgent */
	uint8_t data[];
};

/* What one attempt to move bytes came to. */
enum moved {
	MOVED,	 /* something; there may be more */
	EMPTY,	 /* nothing to read now */
	BLOCKED, /* no room to write now */
	END,	 /* end of file */
	BROKEN,	 /* an error on either side */
};

/* The quota (pipe-user-pages-soft in pipe(7)) may allow less than is wanted:
 * that does, slower. Return: is it as large as it is to be? */
static bool widen(int fd)
{
	static const int sizes[] = { RELAY_PIPE_BYTES, 262144, 65536 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (fcntl(fd, F_SETPIPE_SZ, sizes[i]) >= 0)
			return i == 0;
	return false;
}

/* Make the pipe, if there is none, and as large as can be. */
static void open_pipe(struct relay *relay)
{
	bool lacked = relay->lacking;

	relay->lacking = true;
	relay->again_at =
		mono_add(loop_now(relay->loop), mono_ms(RELAY_PIPE_AGAIN_MS));
	if (relay->pipe[0] >= 0 || !pipe2(relay->pipe, O_CLOEXEC | O_NONBLOCK))
		relay->lacking = !widen(relay->pipe[1]);
	else if (!lacked)
		log_warn("relay: no pipe (%s): data is copied, slower",
			 strerror(errno));
	if (relay->lacking && !lacked)
		relay->stats.pipe_quota++;
	if (lacked && !relay->lacking)
		log_info("relay: the pipe is as large as it is to be again");
}

static void run_again(struct loop_job *job);

int relay_init(struct relay *relay, struct loop *loop)
{
	*relay = (struct relay){ .loop = loop, .pipe = { -1, -1 } };
	list_init(&relay->runnable);
	list_init(&relay->again.link);
	relay->again.fn = run_again;
	relay->buf = malloc(RELAY_BUF_BYTES);
	if (!relay->buf)
		return log_errno(ENOMEM, "relay");
	open_pipe(relay);
	return 0;
}

void relay_deinit(struct relay *relay)
{
	if (!relay->loop)
		return;
	list_del(&relay->again.link);
	fd_drop(&relay->pipe[0]);
	fd_drop(&relay->pipe[1]);
	free(relay->buf);
	relay->buf = NULL;
	relay->loop = NULL;
}

/* ---- room ---- */

/* Bytes that may be written to @fd now; 0: wait for EPOLLOUT. */
static size_t room(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);
	uint32_t queued, size;

	memset(mem, 0, sizeof(mem));
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len))
		return 0; /* a socket always has it; stalls rather than spins */
	queued = mem[SK_MEMINFO_WMEM_QUEUED];
	if (!queued) /* a unix socket has only this one */
		queued = mem[SK_MEMINFO_WMEM_ALLOC];
	size = mem[SK_MEMINFO_SNDBUF];
	if (size <= queued || size - queued < queued / 2)
		return 0;
	return size - queued;
}

static void wait_for_room(struct relay_flow *f, struct relay_end *to)
{
	to->writable = false;
	(void)loop_mod(f->relay->loop, &to->src,
		       RELAY_EVENTS); /* can't fail here */
}

/* ---- moving bytes ---- */

static enum relay_way way(const struct relay_flow *f,
			  const struct relay_end *from)
{
	return from == &f->a ? RELAY_A_TO_B : RELAY_B_TO_A;
}

/* Room for @len bytes to be kept for @to; NULL without memory. */
static struct relay_stash *stash_new(size_t len, int flags)
{
	struct relay_stash *s = malloc(sizeof(*s) + len);

	if (s) {
		s->len = len;
		s->at = 0;
		s->flags = flags;
	}
	return s;
}

static enum moved flush_stash(struct relay_flow *f, struct relay_end *to)
{
	struct relay_stash *s = to->stash;

	while (s && s->at < s->len) {
		ssize_t n = send(to->src.fd, s->data + s->at, s->len - s->at,
				 s->flags | MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			wait_for_room(f, to);
			return BLOCKED;
		}
		if (n < 0)
			return BROKEN;
		s->at += (size_t)n;
	}
	free(s);
	to->stash = NULL;
	return MOVED;
}

/* Send all of @len, or stash what doesn't go. */
static enum moved put(struct relay_flow *f, struct relay_end *to,
		      const uint8_t *data, size_t len, int flags)
{
	struct relay_stash *s;
	ssize_t n;

	do {
		n = send(to->src.fd, data, len,
			 flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return BROKEN;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return MOVED;
	f->relay->stats.stashed++;
	s = stash_new(len - (size_t)n, flags);
	if (!s)
		return BROKEN;
	memcpy(s->data, data + n, s->len);
	to->stash = s;
	return MOVED;
}

/* Throw away what the shared pipe holds, or the pipe: it is everybody's. */
static void discard(struct relay *r, size_t left)
{
	while (left > 0) {
		size_t want = left < RELAY_BUF_BYTES ? left : RELAY_BUF_BYTES;
		ssize_t n = read(r->pipe[0], r->buf, want);

		if (n <= 0)
			break;
		left -= (size_t)n;
	}
	if (left > 0) {
		fd_drop(&r->pipe[0]);
		fd_drop(&r->pipe[1]);
		open_pipe(r);
	}
}

/* The rare case: the sink took less than it had room for. */
static enum moved empty_pipe(struct relay_flow *f, struct relay_end *to,
			     size_t left)
{
	struct relay_stash *s = stash_new(left, 0);
	size_t got = 0;

	while (s && got < left) {
		ssize_t n = read(f->relay->pipe[0], s->data + got, left - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got < left) {
		discard(f->relay, left - got);
		free(s);
		return BROKEN;
	}
	f->relay->stats.stashed++;
	to->stash = s;
	return MOVED;
}

static enum moved move_splice(struct relay_flow *f, struct relay_end *from,
			      struct relay_end *to, size_t max)
{
	struct relay *r = f->relay;
	ssize_t n, m;
	size_t left;

	do {
		n = splice(from->src.fd, NULL, r->pipe[1], NULL, max,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return END;
	if (n < 0)
		return errno == EAGAIN ? EMPTY : BROKEN;
	from->bytes += (uint64_t)n;
	r->stats.bytes_spliced[way(f, from)] += (uint64_t)n;
	r->stats.chunks_spliced++;
	for (left = (size_t)n; left > 0; left -= (size_t)m) {
		m = splice(r->pipe[0], NULL, to->src.fd, NULL, left,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (m < 0 && errno == EINTR)
			m = 0;
		else if (m <= 0 && (m == 0 || errno == EAGAIN))
			return empty_pipe(f, to, left);
		else if (m < 0) {
			discard(r, left);
			return BROKEN;
		}
	}
	return MOVED;
}

/* EINTR is not "empty": no edge would come for what is there already. */
static ssize_t take(const struct relay_end *from, void *buf, size_t cap)
{
	ssize_t n;

	do {
		n = recv(from->src.fd, buf, cap, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n;
}

static enum moved move_copy(struct relay_flow *f, struct relay_end *from,
			    struct relay_end *to, size_t max)
{
	struct relay *r = f->relay;
	ssize_t n = take(from, r->buf,
			 max < RELAY_BUF_BYTES ? max : RELAY_BUF_BYTES);

	if (n == 0)
		return END;
	if (n < 0)
		return errno == EAGAIN ? EMPTY : BROKEN;
	from->bytes += (uint64_t)n;
	r->stats.bytes_copied[way(f, from)] += (uint64_t)n;
	r->stats.chunks_copied++;
	return put(f, to, r->buf, (size_t)n, 0);
}

/*
 * At the urgent mark? Then the next byte is the urgent one: send it so. splice
 * doesn't go past the mark (tcp_read_sock() stops there for good), a recv()
 * from it would take the byte along like any other.
 * Return: EMPTY also when not at the mark
 */
static enum moved past(struct relay_flow *f, struct relay_end *from,
		       struct relay_end *to)
{
	int at_mark = 0;
	uint8_t byte;
	ssize_t n;

	if (ioctl(from->src.fd, SIOCATMARK, &at_mark) || !at_mark)
		return EMPTY;
	n = take(from, &byte, 1);
	if (n == 0)
		return END;
	if (n < 0)
		return errno == EAGAIN ? EMPTY : BROKEN;
	from->urgent = false;
	from->bytes++;
	f->relay->stats.bytes_copied[way(f, from)]++;
	return put(f, to, &byte, 1, MSG_OOB);
}

/*
 * Right behind its event the socket has something, and it isn't urgent: one
 * recv() and one send() move a message that splice would need a look at the
 * sink's room, two splices and a third for EAGAIN for. A short read has emptied
 * the socket: what comes later has an event of its own.
 */
static enum moved move_small(struct relay_flow *f, struct relay_end *from,
			     struct relay_end *to)
{
	enum moved rc;
	uint64_t before = from->bytes;

	from->fresh = false;
	rc = move_copy(f, from, to, RELAY_SMALL_BYTES);
	if (rc == MOVED && from->bytes - before < RELAY_SMALL_BYTES &&
	    !from->hup)
		from->readable = false;
	return rc;
}

static enum moved move(struct relay_flow *f, struct relay_end *from,
		       struct relay_end *to)
{
	enum moved rc;
	size_t max;

	if (to->stash) {
		rc = flush_stash(f, to);
		if (rc != MOVED)
			return rc;
	}
	if (from->fresh && !from->bulk && !from->urgent)
		return move_small(f, from, to);
	max = room(to->src.fd);
	if (max == 0) {
		wait_for_room(f, to);
		return BLOCKED;
	}
	if (max > RELAY_PIPE_BYTES)
		max = RELAY_PIPE_BYTES;
	if (f->relay->pipe[0] < 0) {
		rc = past(f, from, to);
		return rc == EMPTY ? move_copy(f, from, to, max) : rc;
	}
	rc = move_splice(f, from, to, max);
	/* at the mark splice() says 0, "end of file", once the FIN is here */
	if (rc == END || (rc == EMPTY && from->urgent)) {
		enum moved urgent = past(f, from, to);

		if (urgent != EMPTY)
			rc = urgent;
	}
	return rc;
}

static void pass_fin(const struct relay_end *from, struct relay_end *to)
{
	to->shut = true;
	/* the other direction ended before: close() sends this FIN */
	if (to->eof && from->shut)
		return;
	/* fails when it is reset meanwhile: the event says so */
	(void)shutdown(to->src.fd, SHUT_WR);
}

/*
 * Move what there is from @from to @to, but no more than a turn's share.
 * Return: MOVED when there may be more, EMPTY when it has to wait, BROKEN
 */
static enum moved pump_some(struct relay_flow *f, struct relay_end *from,
			    struct relay_end *to)
{
	for (int i = 0; i < RELAY_CHUNKS_A_TURN; i++) {
		enum moved rc;

		if (!to->writable || !(from->readable || to->stash))
			return EMPTY;
		if (from->eof) {
			/* only the stash is left to go before the FIN */
			if (!to->stash)
				return EMPTY;
			rc = flush_stash(f, to);
			if (rc == MOVED)
				rc = END;
		} else {
			rc = move(f, from, to);
		}
		switch (rc) {
		case MOVED:
			continue;
		case END:
			from->eof = true;
			if (to->stash)
				continue;
			pass_fin(from, to);
			return EMPTY;
		case EMPTY:
			from->readable = false;
			return EMPTY;
		case BLOCKED:
			return EMPTY;
		case BROKEN:
			return BROKEN;
		}
	}
	return MOVED;
}

static enum moved pump(struct relay_flow *f, struct relay_end *from,
		       struct relay_end *to)
{
	uint64_t before = from->bytes;
	enum moved rc = pump_some(f, from, to);

	if (from->bytes != before)
		from->bulk = from->bytes - before > RELAY_BUF_BYTES;
	return rc;
}

/* ---- a flow's life ---- */

static void close_end(struct relay_flow *f, struct relay_end *e, bool clean)
{
	static const struct linger off = { 0, 0 };
	int fd = e->src.fd;

	loop_forget(f->relay->loop, &e->src);
	/* with linger still on, close() resets and drops what is unsent */
	if (clean)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	fd_drop(&fd);
	free(e->stash);
	e->stash = NULL;
}

static void finish(struct relay_flow *f, bool clean)
{
	struct relay *r = f->relay;

	list_del(&f->runnable);
	close_end(f, &f->a, clean);
	close_end(f, &f->b, clean);
	r->n_flows--;
	if (clean)
		r->stats.ended_clean++;
	else
		r->stats.ended_reset++;
	f->ended(f, clean);
}

void relay_abort(struct relay_flow *f)
{
	finish(f, false);
}

static void run(struct relay_flow *f)
{
	struct relay *r = f->relay;
	enum moved ab, ba;

	if (r->lacking && !mono_before(loop_now(r->loop), r->again_at))
		open_pipe(r);
	ab = pump(f, &f->a, &f->b);
	ba = ab == BROKEN ? BROKEN : pump(f, &f->b, &f->a);
	if (ab == BROKEN || ba == BROKEN) {
		finish(f, false);
		return;
	}
	if (f->a.shut && f->b.shut) {
		finish(f, true);
		return;
	}
	/* reset by its peer: what could still be delivered has been */
	if (f->a.failed || f->b.failed) {
		finish(f, false);
		return;
	}
	if ((ab == MOVED || ba == MOVED) && !list_linked(&f->runnable)) {
		list_append(&r->runnable, &f->runnable);
		loop_defer(r->loop, &r->again);
	}
}

static void run_again(struct loop_job *job)
{
	struct relay *r = container_of(job, struct relay, again);
	struct list todo;

	list_move(&todo, &r->runnable);
	while (!list_empty(&todo)) {
		struct relay_flow *f =
			container_of(todo.next, struct relay_flow, runnable);

		list_del(&f->runnable);
		run(f);
	}
}

static void note_events(struct relay_end *e, uint32_t revents)
{
	if (revents & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		e->readable = true;
	if (revents & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		e->hup = true;
	if (revents & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		e->writable = true;
	if (revents & EPOLLPRI)
		e->urgent = e->readable = true;
	if (revents & EPOLLERR)
		e->failed = true;
}

static void on_event(struct relay_flow *f, struct relay_end *e,
		     uint32_t revents)
{
	note_events(e, revents);
	e->fresh = (revents & EPOLLIN) != 0;
	if (!list_linked(&f->runnable))
		run(f);
}

static void on_a(struct loop_source *src, uint32_t revents)
{
	struct relay_flow *f = container_of(src, struct relay_flow, a.src);

	on_event(f, &f->a, revents);
}

static void on_b(struct loop_source *src, uint32_t revents)
{
	struct relay_flow *f = container_of(src, struct relay_flow, b.src);

	on_event(f, &f->b, revents);
}

/* Watch an end, or take it over from who has watched it. */
static int start_end(struct relay *r, struct relay_end *e, int fd,
		     loop_source_fn fn)
{
	bool watched = e->src.fn != NULL;
	uint32_t seen = e->seen;

	*e = (struct relay_end){ .src = { fd, RELAY_EVENTS, fn } };
	if (watched) {
		note_events(e, seen);
		return 0;
	}
	return loop_add(r->loop, &e->src);
}

int relay_start(struct relay *relay, struct relay_flow *flow, int fd_a,
		int fd_b)
{
	loop_source_fn fn_a = flow->a.src.fn, fn_b = flow->b.src.fn;
	int rc;

	flow->relay = relay;
	list_init(&flow->runnable);
	rc = start_end(relay, &flow->a, fd_a, on_a);
	if (!rc) {
		rc = start_end(relay, &flow->b, fd_b, on_b);
		if (rc && !fn_a)
			loop_del(relay->loop, &flow->a.src);
	}
	if (rc) {
		flow->a.src.fn = fn_a;
		flow->b.src.fn = fn_b;
		return rc;
	}
	relay->n_flows++;
	relay->stats.opened++;
	relay->stats.opened_copied += relay->pipe[0] < 0;
	return 0;
}
