// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One-shot: send, half-close, read to the end. Every wait has a limit, so that
 * a verb of ours never hangs on a pod that does (a stopped supervisor accepts
 * nothing, but its backlog does).
 */
#include "setup/cli/control_client.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/helper/control_path.h"
#include "setup/helper/text.h"

#define LIMIT_S 15

/* As send(2), with @pass, unless that is -1. */
static ssize_t send_some(int fd, const char *data, size_t len, int pass)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	/* sendmsg(2) doesn't write to it */
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(pass));
		memcpy(CMSG_DATA(c), &pass, sizeof(pass));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* @pass: goes with the first byte. Return: 0 or -errno, not logged */
static int send_all(int fd, const char *data, size_t len, int pass)
{
	while (len > 0) {
		ssize_t n = send_some(fd, data, len, pass);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		pass = -1;
	}
	return shutdown(fd, SHUT_WR) ? -errno : 0;
}

/* Return: 0 or -errno, not logged */
static int read_all(int fd, struct text *out)
{
	char buf[65536];

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : out->err;
		text_add(out, buf, (size_t)n);
	}
}

static int open_socket(const struct control_peer *peer)
{
	static const struct timeval limit = { .tv_sec = LIMIT_S };
	int fd = control_path_connect(peer->dir, peer->path);

	if (fd == -ECONNREFUSED || fd == -ENOENT) {
		log_error("%s: no pod listens there (podsplice ps)",
			  peer->name);
		return fd;
	}
	if (fd < 0)
		return log_errno(-fd, "%s", peer->name);
	/* can't fail; the worst is a wait that the user ends */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* Return: what the reply's envelope has, or NULL, logged */
static json_t *open_envelope(const char *name, const struct text *reply)
{
	json_error_t err;
	json_t *all =
		json_loadb(reply->data ? reply->data : "", reply->len, 0, &err);
	json_t *value = json_incref(json_object_get(all, "return"));
	const char *desc = json_string_value(
		json_object_get(json_object_get(all, "error"), "desc"));

	if (!value)
		log_error("%s: %s", name,
			  desc ? desc : "no answer that we understand");
	json_decref(all);
	return value;
}

/* As control_ask(); @arguments: stolen, or NULL; @pass: a descriptor or -1 */
static json_t *ask(const struct control_peer *peer, const char *verb,
		   json_t *arguments, int pass)
{
	scoped_fd fd = open_socket(peer);
	struct text *request = text_new(), *reply = text_new();
	json_t *value = NULL;
	int rc = request && reply ? 0 : -ENOMEM;

	if (!rc) {
		text_json(request, json_pack("{s:s, s:O*}", "execute", verb,
					     "arguments", arguments));
		text_puts(request, "\n");
		rc = request->err;
	}
	json_decref(arguments);
	if (!rc && fd >= 0)
		rc = send_all(fd, request->data, request->len, pass);
	if (!rc && fd >= 0)
		rc = read_all(fd, reply);
	if (rc == -EAGAIN)
		log_error("%s: no answer within %d s", peer->name, LIMIT_S);
	else if (rc)
		(void)log_errno(-rc, "%s", peer->name);
	else if (fd >= 0)
		value = open_envelope(peer->name, reply);
	text_unref(request);
	text_unref(reply);
	return value;
}

json_t *control_ask(const struct control_peer *peer, const char *verb)
{
	return ask(peer, verb, NULL, -1);
}

json_t *control_ask_args(const struct control_peer *peer, const char *verb,
			 json_t *arguments)
{
	return ask(peer, verb, arguments, -1);
}

json_t *control_ask_with(const struct control_peer *peer, const char *verb,
			 int pass)
{
	return ask(peer, verb, NULL, pass);
}

void control_warn(const json_t *reply, const char *effect)
{
	const json_t *list = json_object_get(reply, "incomplete");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *who = json_string_value(json_array_get(list, i));

		log_warn("%s: no answer, %s", who ? who : "?", effect);
	}
}
