// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What goes wrong while we start may be told by a child. Its stderr can't be
 * the starter's stdout: it would keep that open, and write there later. So it
 * is a pipe, which nobody reads any more once all is well.
 */
#include "setup/personality/rootlessport_errors.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "portfwd/listen.h"
#include "setup/base/sys.h"

int errors_collect(struct errors *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return log_errno(errno, "pipe");
	e->read = ends[0];
	e->said = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	(void)dup2(ends[1], STDERR_FILENO);
	fd_drop(&ends[1]);
	return e->said < 0 ? log_errno(errno, "stderr") : 0;
}

/* Once is enough: more than a pipe holds isn't read anyway. */
static void pour(struct errors *e, int to)
{
	char buf[4096];
	ssize_t n = e->read < 0 ? 0 : read(e->read, buf, sizeof(buf));

	if (n > 0 && to >= 0 && write(to, buf, (size_t)n) < 0)
		errno = 0; /* nowhere to tell it */
	fd_drop(&e->read);
}

void errors_failed(struct errors *e)
{
	pour(e, STDOUT_FILENO);
	fd_drop(&e->said);
}

void errors_quiet(struct errors *e)
{
	pour(e, e->said);
	fd_drop(&e->said);
	sys_null_stdio();
	(void)dup2(STDOUT_FILENO, STDERR_FILENO);
}

/* ---- listening ---- */

/* "Address already in use", as Go has it. */
static const char *go_strerror(int err, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s", strerror(err));
	buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

static void tell(const struct rootlessport_port *p, uint16_t port, int err)
{
	union endpoint at = endpoint_make(&p->parent, port);
	char where[ADDR_TEXT_MAX], what[128];
	unsigned int start = err == EACCES ? listen_port_start() : 0;

	if (port < start)
		(void)printf(
			"cannot expose privileged port %u, you can add '" LISTEN_PORT_START
			"=%u' to /etc/sysctl.conf (currently %u), or choose a larger port number (>= %u): ",
			port, port, start, start);
	(void)printf("listen %s %s: bind: %s\n", p->proto,
		     endpoint_format(&at, where),
		     go_strerror(err, what, sizeof(what)));
	(void)fflush(stdout); /* nowhere to tell its failure */
}

/* One after the other into @fds, which has room for all. */
static bool try_all(const struct rootlessport_config *cfg, int *fds)
{
	unsigned int n = 0;
	bool failed = false;

	for (size_t i = 0; i < cfg->n_ports && !failed; i++) {
		const struct spec *spec = &cfg->ports[i].spec;

		for (uint16_t k = 0; k < spec->count && !failed; k++) {
			uint16_t port;
			int rc = listen_open_nth(spec, k, &fds[n], &port);

			if (rc)
				tell(&cfg->ports[i],
				     (uint16_t)(spec->host_port + k), -rc);
			else
				n++;
			failed = rc;
		}
	}
	listen_close(fds, n);
	return failed;
}

bool errors_of_listening(const struct rootlessport_config *cfg)
{
	char ours[256];
	size_t n = 0;
	bool failed;
	int *fds;

	for (size_t i = 0; i < cfg->n_ports; i++)
		n += cfg->ports[i].spec.count;
	fds = n ? calloc(n, sizeof(*fds)) : NULL;
	if (!fds)
		return false;
	log_hold(ours, sizeof(ours));
	failed = try_all(cfg, fds);
	log_hold(NULL, 0);
	free(fds);
	return failed;
}
