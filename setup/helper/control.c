// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client is READING (a request), BUSY (a verb gathers the answer), WRITING
 * (the reply), or CLOSING (the reply was its last; what it still sends is read
 * and thrown away, because close() over unread data would take the reply away
 * from it). What is wanted of its socket and how long it has follow from that
 * state alone: want() and limit().
 *
 * One request a client is in memory at a time, and while its reply is not
 * written nothing more is read: who doesn't read the replies stops himself,
 * first by the socket's own buffer, then by the time limit. Each client gets
 * one request a turn.
 *
 * When all places are taken the listener is left alone, and idle clients have
 * a short time left; those who wait are in its backlog.
 */
#include "setup/helper/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/helper/control_frame.h"

#define READ_BYTES     4096
#define TEXT(n)	       TEXT_OF(n)
#define TEXT_OF(n)     #n
#define ACCEPTS_A_TURN 8
#define DISCARD_MAX    (1U << 20) /* of a client that is done */

enum client_state { READING, BUSY, WRITING, CLOSING };

struct client {
	struct control_call call;
	struct control *control;
	struct list link;
	struct loop_source src;
	struct loop_timer limit;
	struct loop_job work;
	enum client_state state;
	bool eof, last; /* no more to read; to be closed after the reply */
	int passed;	/* a descriptor that came with a request, or -1 */
	char *in;	/* CONTROL_REQUEST_MAX bytes, or NULL */
	size_t n_in;
	struct text *out;
	size_t at, discarded;
};

struct control {
	struct loop *loop;
	struct loop_source listener;
	struct loop_timer resume; /* accept again after a shortage */
	struct control_times times;
	const struct control_manners *manners;
	control_fn fn;
	void *arg;
	struct list clients;
	size_t n_clients;
};

static const struct control_manners own_manners = {
	.too_long = CONTROL_REQUEST_MAX,
	.length = "request too long (at most " TEXT(
		CONTROL_REQUEST_MAX) " bytes)",
	.json = "bad request: not JSON: ",
	.object = "bad request: no \"execute\" in an object",
	.verb = "bad request: no \"execute\" in an object",
};

static bool is_full(const struct control *c)
{
	return c->n_clients >= CONTROL_CLIENTS_MAX;
}

/* ---- what a client's state implies ---- */

static uint32_t want(const struct client *cl)
{
	switch (cl->state) {
	case READING:
	case CLOSING:
		return cl->eof ? 0 : EPOLLIN;
	case WRITING:
		return EPOLLOUT;
	case BUSY:
		return 0; /* EPOLLHUP comes all the same */
	}
	return 0;
}

/* How long until the client is dropped; 0: as long as it likes. */
static struct mono limit(const struct client *cl)
{
	const struct control_times *t = &cl->control->times;

	switch (cl->state) {
	case READING:
		if (cl->n_in)
			return t->request;
		return is_full(cl->control) ? t->full : MONO_ZERO;
	case WRITING:
		return t->reply;
	case CLOSING:
		return t->full;
	case BUSY:
		return MONO_ZERO; /* the verb has a limit of its own */
	}
	return MONO_ZERO;
}

static void rearm(struct client *cl)
{
	struct loop *loop = cl->control->loop;
	struct mono t = limit(cl);

	loop_timer_stop(loop, &cl->limit);
	if (t.ns)
		(void)loop_timer_set(loop, &cl->limit,
				     mono_add(loop_now(loop), t));
}

static void enter(struct client *cl, enum client_state state)
{
	cl->state = state;
	if (cl->src.events != want(cl))
		(void)loop_mod(cl->control->loop, &cl->src, want(cl));
	rearm(cl);
}

static void client_drop(struct client *cl)
{
	struct control *c = cl->control;

	if (is_full(c) && !c->resume.pos)
		(void)loop_mod(c->loop, &c->listener, EPOLLIN);
	c->n_clients--;
	loop_close(c->loop, &cl->src);
	loop_timer_stop(c->loop, &cl->limit);
	list_del(&cl->work.link);
	list_del(&cl->call.link);
	list_del(&cl->link);
	text_unref(cl->out);
	fd_drop(&cl->passed);
	free(cl->in);
	free(cl);
}

/* ---- replies ---- */

/* No more is written; let the client read the end in peace. */
static void say_goodbye(struct client *cl)
{
	if (cl->eof) {
		client_drop(cl);
		return;
	}
	(void)shutdown(cl->src.fd, SHUT_WR); /* fails when it is gone */
	cl->n_in = 0;
	enter(cl, CLOSING);
}

/* The client may be gone afterwards. */
static void write_some(struct client *cl)
{
	struct text *t = cl->out;
	size_t len = t->len - (cl->control->manners->once ? 1 : 0);
	ssize_t n = send(cl->src.fd, t->data + cl->at, len - cl->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	if (n < 0) {
		client_drop(cl);
		return;
	}
	cl->at += (size_t)n;
	if (cl->at < len) {
		if (n || cl->state != WRITING)
			enter(cl, WRITING); /* it reads: new time */
		return;
	}
	cl->out = text_unref(t);
	if (cl->last) {
		say_goodbye(cl);
		return;
	}
	enter(cl, READING);
	loop_defer(cl->control->loop, &cl->work);
}

/* @line with its newline, stolen; written from the loop, never from here */
static void begin_reply(struct client *cl, struct text *line)
{
	list_del(&cl->call.link);
	if (!line || line->err) {
		/* can't even be told: the client sees the end */
		text_unref(line);
		line = NULL;
		cl->last = true;
	}
	cl->out = line;
	cl->at = 0;
	enter(cl, WRITING);
	if (!line)
		loop_defer(cl->control->loop, &cl->work);
}

void control_reply(struct control_call *call, struct text *reply)
{
	begin_reply(container_of(call, struct client, call), text_ref(reply));
}

void control_envelope(struct control_call *call, json_t *envelope)
{
	struct text *t = text_new();

	if (t) {
		text_json(t, envelope);
		text_puts(t, "\n");
	} else {
		json_decref(envelope);
	}
	begin_reply(container_of(call, struct client, call), t);
}

void control_return(struct control_call *call, json_t *value)
{
	control_envelope(call, json_pack("{s:o}", "return", value));
}

void control_error(struct control_call *call, const char *fmt, ...)
{
	char desc[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(desc, sizeof(desc), fmt, ap);
	va_end(ap);
	/* what was cut or quoted in the middle of a character is no UTF-8 */
	for (char *p = desc; *p; p++)
		if ((unsigned char)*p >= 0x7f || (unsigned char)*p < ' ')
			*p = '?';
	control_envelope(call, json_pack("{s:{s:s}}", "error", "desc", desc));
}

int control_take_fd(struct control_call *call)
{
	return fd_take(&container_of(call, struct client, call)->passed);
}

/* ---- requests ---- */

static void dispatch(struct client *cl, json_t *req, const json_error_t *err)
{
	struct control *c = cl->control;
	const struct control_manners *m = c->manners;
	const json_t *verb = json_object_get(req, "execute");
	const json_t *args = json_object_get(req, "arguments");

	if (!req)
		control_error(&cl->call, "%s%s", m->json,
			      m->once ? "" : err->text);
	else if (!json_is_object(req))
		control_error(&cl->call, "%s", m->object);
	else if (!json_is_string(verb))
		control_error(&cl->call, "%s", m->verb);
	else if (!m->once && args && !json_is_object(args) &&
		 !json_is_null(args))
		control_error(&cl->call,
			      "bad request: \"arguments\" is no object");
	else
		c->fn(c->arg, &cl->call, json_string_value(verb),
		      json_is_object(args) ? args : NULL);
}

static void consume(struct client *cl, size_t len)
{
	if (!len)
		return;
	cl->n_in -= len;
	memmove(cl->in, cl->in + len, cl->n_in);
}

/* Take a request out of the buffer and have it answered. */
static void serve(struct client *cl, size_t len)
{
	size_t lax = cl->control->manners->once ? JSON_DISABLE_EOF_CHECK : 0;
	json_error_t err;
	json_t *req =
		json_loadb(cl->in, len, JSON_REJECT_DUPLICATES | lax, &err);

	consume(cl, len);
	enter(cl, BUSY);
	dispatch(cl, req, &err);
	json_decref(req);
	fd_drop(&cl->passed);
}

/* One request, and all that came is it. */
static void work_once(struct client *cl)
{
	const struct control_manners *m = cl->control->manners;
	bool too_long = cl->n_in >= m->too_long;

	if (!too_long && !cl->eof && !frame_closed(cl->in, cl->n_in))
		return; /* there is more to come */
	cl->last = true;
	if (too_long)
		control_error(&cl->call, "%s", m->length);
	else
		serve(cl, cl->n_in);
}

static void on_work(struct loop_job *job)
{
	struct client *cl = container_of(job, struct client, work);
	size_t len;

	if (cl->state == WRITING && !cl->out) {
		client_drop(cl); /* begin_reply() had no memory */
		return;
	}
	if (cl->state != READING)
		return;
	if (cl->control->manners->once) {
		work_once(cl);
		return;
	}
	consume(cl, frame_blanks(cl->in, cl->n_in));
	len = frame_len(cl->in, cl->n_in);
	if (!len && cl->eof)
		len = cl->n_in; /* one-shot: the half-close ends it */
	if (len) {
		serve(cl, len);
	} else if (cl->eof) {
		client_drop(cl);
	} else if (cl->n_in == CONTROL_REQUEST_MAX) {
		/* where the next one begins can't be told */
		cl->last = true;
		control_error(&cl->call, "%s", cl->control->manners->length);
	} else if (!cl->n_in) {
		free(cl->in);
		cl->in = NULL;
		rearm(cl);
	}
}

static void on_limit(struct loop_timer *t)
{
	struct client *cl = container_of(t, struct client, limit);

	if (cl->state == READING && !cl->n_in && !is_full(cl->control))
		return; /* places have become free meanwhile */
	if (cl->state != READING || !cl->n_in) {
		client_drop(cl);
		return;
	}
	cl->last = true;
	if (cl->control->manners->once)
		serve(cl, cl->n_in);
	else
		control_error(&cl->call, "the request did not come to its end");
}

/* As recv(2); keeps the first descriptor that comes along, and no other. */
static ssize_t receive(struct client *cl, void *buf, size_t len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { buf, len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(cl->src.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	int fd = -1;

	/* those that find no room, the kernel closes; it aligns to 8 bytes,
	 * in which there is room for two */
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return n;
	for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(fd)) <= c->cmsg_len; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (cl->passed < 0)
			cl->passed = fd_take(&fd);
		fd_drop(&fd);
	}
	return n;
}

/* Return: false when @cl is gone */
static bool read_some(struct client *cl)
{
	size_t room = CONTROL_REQUEST_MAX - cl->n_in;
	bool first = !cl->n_in;
	ssize_t n;

	if (!cl->in)
		cl->in = malloc(CONTROL_REQUEST_MAX);
	if (!cl->in) {
		client_drop(cl);
		return false;
	}
	n = receive(cl, cl->in + cl->n_in,
		    room < READ_BYTES ? room : READ_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		client_drop(cl);
		return false;
	}
	cl->n_in += (size_t)n;
	if (n == 0) {
		cl->eof = true;
		enter(cl, cl->state);
	} else if (first) {
		rearm(cl); /* a slow sender gets no new time for each byte */
	}
	return true;
}

static void throw_away(struct client *cl)
{
	char buf[READ_BYTES];
	ssize_t n = recv(cl->src.fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		cl->discarded += (size_t)n;
	if (n <= 0 || cl->discarded > DISCARD_MAX)
		client_drop(cl);
}

static void on_client(struct loop_source *src, uint32_t revents)
{
	struct client *cl = container_of(src, struct client, src);
	bool gone = revents & (EPOLLHUP | EPOLLERR);

	if (cl->state == CLOSING)
		throw_away(cl);
	else if (cl->state == WRITING && cl->out && !gone)
		write_some(cl);
	else if (cl->state != READING || (cl->eof && gone))
		client_drop(cl); /* nobody is left to read an answer */
	else if (read_some(cl))
		loop_defer(cl->control->loop, &cl->work);
}

/* ---- accepting ---- */

static void client_new(struct control *c, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (!cl) {
		fd_drop(&fd);
		return;
	}
	cl->control = c;
	cl->passed = -1;
	cl->src = (struct loop_source){ fd, EPOLLIN, on_client };
	cl->limit.fn = on_limit;
	cl->work.fn = on_work;
	list_init(&cl->work.link);
	list_init(&cl->call.link);
	list_append(&c->clients, &cl->link);
	c->n_clients++;
	if (loop_add(c->loop, &cl->src))
		client_drop(cl);
}

/* Those who wait are as good as those who have a place and don't use it. */
static void become_full(struct control *c)
{
	(void)loop_mod(c->loop, &c->listener, 0);
	list_for_each (e, &c->clients) {
		struct client *cl = container_of(e, struct client, link);

		if (cl->state == READING && !cl->n_in)
			rearm(cl);
	}
}

static void on_listener(struct loop_source *src, uint32_t revents)
{
	struct control *c = container_of(src, struct control, listener);

	(void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN && !is_full(c); i++) {
		int fd = accept4(src->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			client_new(c, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			(void)loop_mod(c->loop, src, 0);
			(void)loop_timer_set(
				c->loop, &c->resume,
				mono_add(loop_now(c->loop), mono_ms(250)));
		}
		if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	if (is_full(c))
		become_full(c);
}

static void on_resume(struct loop_timer *t)
{
	struct control *c = container_of(t, struct control, resume);

	if (!is_full(c))
		(void)loop_mod(c->loop, &c->listener, EPOLLIN);
}

int control_new(struct control **out, struct loop *loop, int listener,
		control_fn fn, void *arg)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		fd_drop(&listener);
		return log_errno(ENOMEM, "control socket");
	}
	c->loop = loop;
	c->manners = &own_manners;
	c->fn = fn;
	c->arg = arg;
	c->times = (struct control_times){ mono_s(30), mono_s(30), mono_s(2) };
	c->resume.fn = on_resume;
	list_init(&c->clients);
	c->listener = (struct loop_source){ listener, EPOLLIN, on_listener };
	rc = loop_add(loop, &c->listener);
	if (rc) {
		control_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	while (!list_empty(&c->clients))
		client_drop(container_of(c->clients.next, struct client, link));
	loop_timer_stop(c->loop, &c->resume);
	loop_close(c->loop, &c->listener);
	free(c);
	return NULL;
}

void control_set_times(struct control *c, const struct control_times *times)
{
	c->times = *times;
}

void control_set_manners(struct control *c,
			 const struct control_manners *manners)
{
	c->manners = manners;
}
