// SPDX-License-Identifier: GPL-2.0-or-later
/* See rootlessport_reload.h. The answers are the original's. */
#include "setup/personality/rootlessport_reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/personality/rootlessport_config.h"

#define CLIENTS_MAX 8
#define REQUEST_MAX 256

struct client {
	struct list link;
	struct loop_source src;
	struct reload *r;
	size_t len;
	char buf[REQUEST_MAX];
};

struct reload {
	struct loop *loop;
	struct loop_source listener;
	struct list clients; /* the oldest first */
	size_t n_clients;
	reload_fn fn;
	void *arg;
};

static void client_free(struct client *c)
{
	loop_close(c->r->loop, &c->src);
	list_del(&c->link);
	c->r->n_clients--;
	free(c);
}

static void answer(struct client *c, const char *text)
{
	/* who doesn't read it has gone */
	(void)send(c->src.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	client_free(c);
}

static void answer_bad(struct client *c, const char *step, const char *why)
{
	char text[ROOTLESSPORT_ERR_MAX + 64];

	(void)snprintf(text, sizeof(text), "rootless port failed to %s: %s",
		       step, why);
	answer(c, text);
}

static void lead(struct client *c, const char *text)
{
	char err[ROOTLESSPORT_ERR_MAX];
	struct ip child;
	int rc = rootlessport_child_parse(text, &child, err);

	if (!rc) {
		rc = c->r->fn(c->r->arg, &child);
		if (rc)
			(void)snprintf(err, sizeof(err), "%s", strerror(-rc));
	}
	if (rc)
		answer_bad(c, "add port", err);
	else
		answer(c, "OK");
}

/* @c has more of its request, or all. */
static void decode(struct client *c)
{
	json_error_t why;
	json_t *v = json_loadb(c->buf, c->len,
			       JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &why);

	if (!v && json_error_code(&why) == json_error_premature_end_of_input &&
	    c->len < sizeof(c->buf))
		return; /* the rest will come */
	if (!json_is_string(v))
		answer_bad(c, "decode ports", v ? "not a string" : why.text);
	else
		lead(c, json_string_value(v));
	json_decref(v);
}

static void on_client(struct loop_source *src, uint32_t revents)
{
	struct client *c = container_of(src, struct client, src);
	ssize_t n = recv(src->fd, c->buf + c->len, sizeof(c->buf) - c->len,
			 MSG_DONTWAIT | MSG_TRUNC);

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		answer_bad(c, "decode ports", n ? strerror(errno) : "EOF");
		return;
	}
	if ((size_t)n > sizeof(c->buf) - c->len) {
		answer_bad(c, "decode ports", "too long");
		return;
	}
	c->len += (size_t)n;
	decode(c);
}

/* @fd: owned */
static void client_new(struct reload *r, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		fd_drop(&fd);
		return;
	}
	if (r->n_clients == CLIENTS_MAX)
		client_free(container_of(r->clients.next, struct client, link));
	c->r = r;
	list_append(&r->clients, &c->link);
	r->n_clients++;
	c->src = (struct loop_source){ fd, EPOLLIN, on_client };
	if (loop_add(r->loop, &c->src))
		client_free(c);
}

/* Edge-triggered: one that can't be accepted now is with the next. */
static void on_listener(struct loop_source *src, uint32_t revents)
{
	struct reload *r = container_of(src, struct reload, listener);
	int fd;

	(void)revents;
	while ((fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		client_new(r, fd);
}

int reload_new(struct reload **out, struct loop *loop, int listener,
	       reload_fn fn, void *arg)
{
	struct reload *r = calloc(1, sizeof(*r));
	int rc;

	if (!r) {
		fd_drop(&listener);
		return log_errno(ENOMEM, "reload socket");
	}
	*r = (struct reload){ .loop = loop, .fn = fn, .arg = arg };
	list_init(&r->clients);
	r->listener = (struct loop_source){ listener, EPOLLIN | EPOLLET,
					    on_listener };
	rc = loop_add(loop, &r->listener);
	*out = rc ? reload_free(r) : r;
	return rc;
}

struct reload *reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	while (!list_empty(&r->clients))
		client_free(container_of(r->clients.next, struct client, link));
	loop_close(r->loop, &r->listener);
	free(r);
	return NULL;
}
