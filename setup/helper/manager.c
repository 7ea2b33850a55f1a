// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both protocols are a few variables and a datagram, which is less than a
 * library that speaks them. Whoever isn't meant by LISTEN_PID has inherited
 * the variables by mistake: the descriptors are somebody else's.
 */
#include "setup/helper/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netstack/base/addr.h"
#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/sys.h"

#define FIRST_FD 3

static int take_fds(struct manager *m)
{
	const char *pid = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	uint64_t n;

	if (!pid || !n_text || parse_uint(pid, 1, INT_MAX, &n) ||
	    n != (uint64_t)getpid())
		return 0;
	if (parse_uint(n_text, 1, INT_MAX - FIRST_FD, &n)) {
		log_warn("LISTEN_FDS: not a number of descriptors: ignored");
		return 0;
	}
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC))
			return log_errno(errno, "LISTEN_FDS: descriptor %d",
					 fd);
	m->fds = calloc(n, sizeof(*m->fds));
	if (!m->fds)
		return log_errno(ENOMEM, "LISTEN_FDS");
	m->n_fds = n;
	for (size_t i = 0; i < n; i++)
		m->fds[i] = FIRST_FD + (int)i;
	return 0;
}

/* A path, or with a '@' first a name without a file. */
static int connect_to(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	scoped_fd fd = -1;

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(sa.sun_path))
		return -EAFNOSUPPORT;
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* the length matters to a name without a file */
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		return -errno;
	return fd_take(&fd);
}

static void take_notify(struct manager *m)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int fd = name && *name ? connect_to(name) : -1;

	if (fd >= 0)
		m->notify = fd;
	else if (name && *name)
		log_warn(
			"NOTIFY_SOCKET %s: %s: nobody is told when it is ready",
			name, strerror(-fd));
}

int manager_take(struct manager *out)
{
	static const char *const ours[] = { "LISTEN_PID", "LISTEN_FDS",
					    "LISTEN_FDNAMES", "LISTEN_PIDFDID",
					    "NOTIFY_SOCKET" };
	int rc;

	*out = (struct manager)MANAGER_NULL;
	/* first: what is opened before has another number */
	rc = take_fds(out);
	if (!rc)
		take_notify(out);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		(void)unsetenv(ours[i]); /* can't fail for a valid name */
	return rc;
}

int manager_keep(struct manager *m, int *const others[], size_t n)
{
	scoped_free int **all = calloc(n + m->n_fds + 2, sizeof(*all));

	if (!all)
		return log_errno(ENOMEM, "descriptors");
	for (size_t i = 0; i < n; i++)
		all[i] = others[i];
	for (size_t i = 0; i < m->n_fds; i++)
		all[n++] = &m->fds[i];
	all[n++] = log_file_ref();
	all[n++] = &m->notify;
	sys_keep_fds(all, n);
	return 0;
}

static void tell(const struct manager *m, const char *text)
{
	/* to a pipe's other end we would wait: nobody may stop us so */
	if (m->notify >= 0 && send(m->notify, text, strlen(text),
				   MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_warn("NOTIFY_SOCKET: %.8s...: %s", text, strerror(errno));
}

void manager_ready(const struct manager *m)
{
	char text[64];

	/* with run -d that is another process than the one that was started */
	(void)snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", getpid());
	tell(m, text);
}

void manager_stopping(const struct manager *m)
{
	tell(m, "STOPPING=1");
}

static const char *name_of(int fd, char *buf)
{
	union {
		union endpoint ep;
		struct sockaddr_storage any;
	} u = { 0 };
	socklen_t len = sizeof(u);

	if (getsockname(fd, &u.ep.sa, &len) ||
	    (u.ep.sa.sa_family != AF_INET && u.ep.sa.sa_family != AF_INET6))
		return "a descriptor";
	return endpoint_format(&u.ep, buf);
}

void manager_close_rest(struct manager *m)
{
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < m->n_fds; i++) {
		if (m->fds[i] < 0)
			continue;
		log_warn("LISTEN_FDS: %s: no --publish is for it: closed",
			 name_of(m->fds[i], buf));
		fd_drop(&m->fds[i]);
	}
}

void manager_free(struct manager *m)
{
	for (size_t i = 0; i < m->n_fds; i++)
		fd_drop(&m->fds[i]);
	free(m->fds);
	fd_drop(&m->notify);
	*m = (struct manager)MANAGER_NULL;
}
