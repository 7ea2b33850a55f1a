// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server that questions of DNS end at: one socket, one process that does
 * nothing else, so that it isn't what is measured. SIGTERM ends it as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/dns.h"
#include "bench/generators.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"

/* Return: -errno, logged: it only ends when it can't go on */
static int answer_all(int fd)
{
	uint8_t msg[DNS_MAX];
	union endpoint from;

	for (;;) {
		socklen_t from_len = sizeof(from);
		ssize_t n =
			recvfrom(fd, msg, sizeof(msg), 0, &from.sa, &from_len);
		size_t len;

		if (n < 0)
			return log_errno(errno, "recv");
		len = dns_answer(msg, (size_t)n);
		/* who doesn't get it asks again */
		if (len)
			(void)sendto(fd, msg, len, 0, &from.sa, from_len);
	}
}

int load_serve_dns(const struct load_config *cfg)
{
	union endpoint at = cfg->target;
	socklen_t len = sizeof(at);
	scoped_fd fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_MAX];

	if (fd < 0)
		return log_errno(errno, "socket");
	if (bind(fd, &at.sa, endpoint_len(&at)) ||
	    getsockname(fd, &at.sa, &len))
		return log_errno(errno, "%s: bind", endpoint_format(&at, text));
	printf("{\"schema\":1,\"test\":\"serve-dns\",\"addr\":\"%s\","
	       "\"port\":%u}\n",
	       endpoint_format(&at, text), endpoint_port(&at));
	if (fflush(stdout))
		return log_errno(errno, "stdout");
	return answer_all(fd);
}
