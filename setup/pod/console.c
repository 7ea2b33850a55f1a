// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each turn moves a bounded amount both ways and then says what to wait for:
 * to read where the buffer is empty, to write where it isn't. What isn't
 * waited for is taken out of epoll, which would report a hangup for ever.
 *
 * O_NONBLOCK belongs to the open file, which stdin and stdout share with the
 * user's shell, so it is never set there. A terminal or pipe is opened anew
 * through /proc instead, and that is ours. Where this isn't possible (a socket,
 * another user's terminal), poll(2) is asked before each read and each write,
 * and a write is no longer than what a pipe that polls writable takes whole.
 *
 * When pid 1 is gone, the pod's processes and with them all writers are, and
 * a read of the master that finds nothing (the tty layer flushes what is under
 * way first, n_tty_read()) has seen the last byte.
 */
#include "setup/pod/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

enum { TURN_ROUNDS = 8, WRITE_CHUNK = 4096 };

#define END_NULL                                                               \
	((struct console_end){ .src = LOOP_SOURCE_NULL,                        \
			       .fd = -1,                                       \
			       .owned = false,                                 \
			       .pollable = false })

/* A description of our own of what @fd is, or -1. */
static int reopen(int fd, int flags)
{
	char path[32];
	struct stat st;
	unsigned int n;

	if (fstat(fd, &st))
		return -1;
	/* a second open of a file starts at 0, one of a master is a new pty */
	if (!S_ISFIFO(st.st_mode) &&
	    (!isatty(fd) || ioctl(fd, TIOCGPTN, &n) == 0))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Does epoll take it? Asked with a throw-away set: the loop would log. */
static bool can_epoll(int fd)
{
	struct epoll_event ev = { .events = 0 };
	scoped_fd ep = epoll_create1(EPOLL_CLOEXEC);

	return ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void end_open(struct console_end *e, int fd, int flags)
{
	int own = reopen(fd, flags);

	e->owned = own >= 0;
	e->fd = own >= 0 ? own : fd;
	e->pollable = can_epoll(e->fd);
}

static void end_close(struct console *c, struct console_end *e)
{
	loop_del(c->loop, &e->src);
	if (e->owned)
		fd_drop(&e->fd);
	e->fd = -1;
}

static bool is_ready(const struct console_end *e, short events)
{
	struct pollfd p = { .fd = e->fd, .events = events };

	return e->fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Wait for @events; Return: can't, so come back without waiting */
static bool want(struct console *c, struct console_end *e, uint32_t events)
{
	if (e->fd < 0 || !events) {
		loop_del(c->loop, &e->src);
		return false;
	}
	if (!e->pollable)
		return true;
	if (e->src.fd >= 0) {
		if (e->src.events != events)
			(void)loop_mod(c->loop, &e->src, events);
		return false;
	}
	e->src.fd = e->fd;
	e->src.events = events;
	if (loop_add(c->loop, &e->src))
		e->src.fd = -1;
	return false;
}

/*
 * Fill the empty buffer. Return: bytes; 0: nothing now, or @f->ended. A read
 * of a terminal that hung up gives EIO, which is an end like any other.
 */
static size_t fill(struct console_flow *f, int fd)
{
	ssize_t n = read(fd, f->buf, sizeof(f->buf));

	if (n > 0) {
		f->off = 0;
		f->len = (size_t)n;
		return f->len;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		f->ended = true;
	return 0;
}

/* Return: bytes written, 0: not now, or -errno: never again */
static ssize_t flush(struct console_flow *f, int fd)
{
	size_t len = f->len < WRITE_CHUNK ? f->len : WRITE_CHUNK;
	ssize_t n = write(fd, f->buf + f->off, len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	f->off += (size_t)n;
	f->len -= (size_t)n;
	return n;
}

/* End of stdin is typed: VEOF ends a line that was begun, then the input. */
static void type_eof(struct console *c)
{
	struct console_flow *f = &c->to_pod;
	struct termios t;
	char eof = 4;

	/* the master shows the settings of the slave */
	if (tcgetattr(c->master.fd, &t) == 0 && t.c_cc[VEOF] != _POSIX_VDISABLE)
		eof = (char)t.c_cc[VEOF];
	f->off = 0;
	f->len = c->last == '\n' ? 1 : 2;
	memset(f->buf, eof, f->len);
	end_close(c, &c->in);
}

/* stdin to the pod; Return: did anything move? */
static bool turn_to_pod(struct console *c)
{
	struct console_flow *f = &c->to_pod;
	bool moved = false;

	if (c->master.fd < 0 || c->ending) {
		f->len = 0;
		return false;
	}
	if (!f->len && is_ready(&c->in, POLLIN)) {
		if (fill(f, c->in.fd))
			c->last = f->buf[f->len - 1];
		else if (f->ended)
			type_eof(c);
		moved = f->len > 0;
	}
	if (f->len && flush(f, c->master.fd) < 0)
		f->len = 0;
	return moved;
}

/* The pod to stdout; Return: did anything move? */
static bool turn_to_user(struct console *c)
{
	struct console_flow *f = &c->to_user;
	ssize_t n = 0;

	if (!f->len && c->master.fd >= 0 && !fill(f, c->master.fd)) {
		c->hup |= f->ended;
		f->ended |= c->ending;
	}
	if (f->len && c->out.fd < 0) {
		f->len =
			0; /* nobody to read it: the pod goes on all the same */
		return true;
	}
	if (f->len && is_ready(&c->out, POLLOUT)) {
		n = flush(f, c->out.fd);
		if (n < 0)
			end_close(c, &c->out);
	}
	return n != 0;
}

static void turn(struct console *c)
{
	bool again = false, moved = true;
	uint32_t master = 0;

	for (int i = 0; i < TURN_ROUNDS && moved; i++) {
		moved = turn_to_user(c);
		moved |= turn_to_pod(c);
	}
	if (c->to_user.ended && !c->to_user.len) {
		end_close(c, &c->master);
		end_close(c, &c->in);
		end_close(c, &c->out);
		if (c->ending && c->done) {
			console_done_fn done = c->done;

			c->done = NULL;
			done(c->arg);
		}
		return;
	}
	if (!c->to_user.len)
		master |= EPOLLIN;
	if (c->to_pod.len)
		master |= EPOLLOUT;
	again |= want(c, &c->in, c->to_pod.len ? 0 : EPOLLIN);
	again |= want(c, &c->out, c->to_user.len ? EPOLLOUT : 0);
	again |= want(c, &c->master, c->hup ? 0 : master);
	if (again || (c->ending && !c->to_user.len))
		loop_defer(c->loop, &c->again);
}

static void on_in(struct loop_source *src, uint32_t revents)
{
	(void)revents;
	turn(container_of(src, struct console, in.src));
}

static void on_out(struct loop_source *src, uint32_t revents)
{
	(void)revents;
	turn(container_of(src, struct console, out.src));
}

static void on_master(struct loop_source *src, uint32_t revents)
{
	(void)revents;
	turn(container_of(src, struct console, master.src));
}

static void on_again(struct loop_job *job)
{
	turn(container_of(job, struct console, again));
}

int console_init(struct console *c, struct loop *loop, int master)
{
	*c = (struct console){
		.loop = loop,
		.in = END_NULL,
		.out = END_NULL,
		.master = END_NULL,
		.again.fn = on_again,
		.last = '\n',
	};
	list_init(&c->again.link);
	if (!can_epoll(master))
		return log_errno(EPROTO, "the pod's pty");
	c->in.src.fn = on_in;
	c->out.src.fn = on_out;
	c->master.src.fn = on_master;
	c->master.fd = master;
	c->master.owned = c->master.pollable = true;
	end_open(&c->out, STDOUT_FILENO, O_WRONLY);
	console_resize(c);
	loop_defer(loop, &c->again);
	return 0;
}

void console_input(struct console *c)
{
	if (c->master.fd < 0 || c->in.fd >= 0)
		return;
	end_open(&c->in, STDIN_FILENO, O_RDONLY);
	console_raw(c);
	loop_defer(c->loop, &c->again);
}

void console_deinit(struct console *c)
{
	console_restore(c);
	if (!c->loop)
		return;
	end_close(c, &c->in);
	end_close(c, &c->out);
	end_close(c, &c->master);
	list_del(&c->again.link);
	c->loop = NULL;
}

void console_raw(struct console *c)
{
	struct termios t;

	/* without stdin copied, ^C must stay a signal */
	if (c->raw || c->in.fd < 0 || tcgetattr(STDIN_FILENO, &c->saved))
		return;
	t = c->saved;
	cfmakeraw(&t);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &t))
		log_debug("raw terminal: %s", strerror(errno));
	else
		c->raw = true;
}

void console_restore(struct console *c)
{
	if (!c->raw)
		return;
	c->raw = false;
	/* fails when the terminal is gone, and then doesn't matter */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &c->saved);
}

void console_resize(struct console *c)
{
	struct winsize ws;

	for (int fd = 0; fd < 3 && c->master.fd >= 0; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &ws))
			continue;
		/* the kernel tells who is in front, if it changed */
		(void)ioctl(c->master.fd, TIOCSWINSZ, &ws);
		return;
	}
}

void console_typed(struct console *c, int sig)
{
	if (c->master.fd >= 0 && ioctl(c->master.fd, TIOCSIG, sig))
		log_debug("signal %d by the pty: %s", sig, strerror(errno));
}

void console_drain(struct console *c, console_done_fn done, void *arg)
{
	c->done = done;
	c->arg = arg;
	c->ending = true;
	loop_defer(c->loop, &c->again);
}
