// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nobody waits for a container's supervisor: a text for which its socket has no
 * room is sent when there is some, as it is by then.
 */
#include "setup/helper/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "setup/helper/strays.h"

struct member {
	struct members *all;
	struct list link;
	struct loop_source conn;
	char names[MEMBER_NAMES_MAX]; /* "": it has not joined yet */
	bool resolv_due, hosts_due;
	int mounts;	 /* MEMBER_MOUNTS, or -1 */
	uint32_t *ports; /* ids of what it has published */
	size_t n_ports;
};

void members_init(struct members *m)
{
	*m = (struct members){ 0 };
	list_init(&m->all);
}

static void member_free(struct member *e)
{
	loop_close(e->all->loop, &e->conn);
	list_del(&e->link);
	fd_drop(&e->mounts);
	free(e->ports);
	free(e);
}

static void leave(struct member *e)
{
	struct members *m = e->all;
	bool joined = e->names[0];

	/* its supervisor has done so, unless it was killed itself */
	if (e->mounts >= 0)
		strays_kill(e->mounts);
	for (size_t i = 0; i < e->n_ports; i++)
		m->ops.unpublish(m->ops.arg, e->ports[i]);
	member_free(e);
	if (joined)
		m->ops.changed(m->ops.arg);
}

/* Return: is it still due? */
static bool tell(struct member *e, uint32_t type, const char *text)
{
	int rc = msg_send(e->conn.fd, type, text, strlen(text), NULL, 0);

	/* gone: its end is read next */
	if (rc && !msg_again(rc) && rc != -EPIPE)
		log_debug("message %u to %s: %s", type, e->names,
			  strerror(-rc));
	return msg_again(rc);
}

static void flush(struct member *e)
{
	uint32_t events = EPOLLIN;

	if (e->resolv_due)
		e->resolv_due = tell(e, MEMBER_RESOLV, e->all->resolv);
	if (e->hosts_due && !e->resolv_due)
		e->hosts_due = tell(e, MEMBER_HOSTS, e->all->hosts);
	if (e->resolv_due || e->hosts_due)
		events |= EPOLLOUT;
	/* logged; then it hears of the next change */
	if (events != e->conn.events)
		(void)loop_mod(e->all->loop, &e->conn, events);
}

void members_tell(struct members *m, enum member_msg text)
{
	list_for_each_safe (l, &m->all) {
		struct member *e = container_of(l, struct member, link);

		if (!e->names[0])
			continue;
		if (text == MEMBER_RESOLV)
			e->resolv_due = true;
		else
			e->hosts_due = true;
		flush(e);
	}
}

static void joined(struct member *e, const char *names)
{
	const struct members *m = e->all;
	struct member_pod body = { .share = m->share };
	int fds[INFRA_NS_N], rc;
	size_t n = 0;

	if (e->names[0] || !*names || strlen(names) >= sizeof(e->names))
		return;
	memcpy(e->names, names, strlen(names) + 1);
	for (int i = 0; i < INFRA_NS_N; i++) {
		body.has[i] = m->namespaces[i] >= 0;
		if (body.has[i])
			fds[n++] = m->namespaces[i];
	}
	rc = msg_must_send(e->conn.fd, e->names, MEMBER_POD, &body,
			   sizeof(body), fds, n);
	if (rc)
		return;
	e->resolv_due = true;
	m->ops.changed(m->ops.arg); /* it hears of hosts as all do */
}

/* Return: 0 or -errno, logged */
static int publish(struct member *e, const char *text)
{
	const struct members_ops *ops = &e->all->ops;
	uint32_t *ports =
		reallocarray(e->ports, e->n_ports + 1, sizeof(*ports));
	char err[SPEC_ERR_MAX];
	struct spec spec;
	int rc;

	if (!ports)
		return log_errno(ENOMEM, "%s", text);
	e->ports = ports;
	if (spec_parse(text, &spec, err)) {
		log_error("%.64s: %s", text, err);
		return -EINVAL;
	}
	rc = ops->publish(ops->arg, &spec, &ports[e->n_ports]);
	if (!rc)
		e->n_ports++;
	return rc;
}

static void on_publish(struct member *e, const char *text)
{
	char why[SPEC_ERR_MAX + 80] = "";
	int rc;

	log_hold(why, sizeof(why));
	rc = publish(e, text);
	log_hold(NULL, 0);
	if (!rc)
		why[0] = '\0'; /* a warning, perhaps */
	rc = msg_must_send(e->conn.fd, e->names, MEMBER_PUBLISHED, why,
			   strlen(why), NULL, 0);
	if (rc)
		log_debug("%s: %s", e->names, strerror(-rc));
}

/* Of a container that was started again: nothing runs in the last one. */
static void take_mounts(struct member *e, struct msg *m)
{
	fd_drop(&e->mounts);
	e->mounts = msg_take_fd(m, 0);
}

static void on_message(struct member *e, struct msg *m)
{
	char text[SPEC_TEXT_MAX];

	if (m->len >= sizeof(text))
		return;
	memcpy(text, m->body, m->len);
	text[m->len] = '\0';
	if (m->type == MEMBER_JOIN)
		joined(e, text);
	else if (m->type == MEMBER_PUBLISH && e->names[0])
		on_publish(e, text);
	else if (m->type == MEMBER_MOUNTS)
		take_mounts(e, m);
}

static void on_conn(struct loop_source *src, uint32_t revents)
{
	struct member *e = container_of(src, struct member, conn);
	struct msg m;
	int rc;

	if (revents & EPOLLOUT)
		flush(e);
	rc = msg_recv(src->fd, &m);
	if (msg_again(rc))
		return;
	if (rc <= 0) {
		leave(e);
		return;
	}
	on_message(e, &m);
	msg_drop(&m);
}

void members_add(struct members *m, int conn)
{
	struct member *e = calloc(1, sizeof(*e));

	if (!e || fd_nonblock(conn)) {
		free(e);
		fd_drop(&conn);
		return;
	}
	e->all = m;
	e->mounts = -1;
	e->conn = (struct loop_source){ .fd = conn,
					.events = EPOLLIN,
					.fn = on_conn };
	list_init(&e->link);
	list_append(&m->all, &e->link);
	if (loop_add(m->loop, &e->conn)) {
		fd_drop(&conn);
		e->conn.fd = -1;
		member_free(e);
	}
}

void members_names(const struct members *m, char *buf, size_t cap)
{
	size_t at = 0;

	buf[0] = '\0';
	for (struct list *l = m->all.next; l != &m->all; l = l->next) {
		const struct member *e = container_of(l, struct member, link);
		size_t len = strlen(e->names);

		if (len && at + 1 + len < cap)
			at += (size_t)snprintf(buf + at, cap - at, " %s",
					       e->names);
	}
}

void members_deinit(struct members *m)
{
	list_for_each_safe (l, &m->all)
		member_free(container_of(l, struct member, link));
}
