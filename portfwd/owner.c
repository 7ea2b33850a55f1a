// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a port to the process behind it, through /proc: net/tcp and net/tcp6 (or
 * net/udp and net/udp6) give the socket's inode, and one of the links in some
 * fd directory reads "socket:[inode]".
 *
 * The kernel lists TCP's listening sockets first, so those tables are read only
 * as far as they listen. Walking the fd directories costs microseconds each,
 * but a machine may have any number: a budget of links bounds it. This runs
 * once, when podsplice is about to give up.
 */
#include "portfwd/owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/parse.h"

#define LINKS_MAX 200000

/* In net/tcp and net/udp; the latter also has connected sockets, anywhere. */
#define STATE_LISTEN 0x0a
#define STATE_BOUND  0x07

/* The address in a line of net/tcp: 32-bit words as the host stores them. */
static bool parse_hex_ip(const char *hex, struct ip *out)
{
	size_t words = strlen(hex) / 8;
	uint32_t raw[4];
	struct ip ip = { .family = words == 1 ? AF_INET : AF_INET6 };

	if ((words != 1 && words != 4) || strlen(hex) % 8)
		return false;
	for (size_t i = 0; i < words; i++) {
		char word[9] = "";

		memcpy(word, hex + 8 * i, 8);
		raw[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	memcpy(&ip.v4, raw, 4 * words);
	*out = ip_unmap(&ip);
	return true;
}

/* Would a socket on @want clash with a listener on @have? */
static bool clashes(const struct ip *want, const struct ip *have)
{
	if (!want->family || ip_equal(want, have))
		return true;
	if (want->family == have->family)
		return ip_is_any(want) || ip_is_any(have);
	/* a dual-stack listener; one for IPv6 only can't be told from it */
	return have->family == AF_INET6 && ip_is_any(have);
}

/* Return: the inode of a socket that listens there, 0 when there is none */
static unsigned long find_inode(const char *path, enum spec_proto proto,
				const struct ip *want, uint16_t port)
{
	FILE *f = fopen(path, "re");
	unsigned long inode = 0;
	char line[512];

	if (!f)
		return 0;
	/* the first line is a heading: it doesn't scan, and is skipped */
	while (!inode && fgets(line, sizeof(line), f)) {
		unsigned int have_port, state;
		unsigned long n;
		char hex[33];
		struct ip have;

		if (sscanf(line,
			   " %*u: %32[0-9A-F]:%x %*[^ ] %x %*s %*s %*s %*u "
			   "%*u %lu",
			   hex, &have_port, &state, &n) != 4)
			continue;
		if (proto == SPEC_TCP && state != STATE_LISTEN)
			break;
		if (proto == SPEC_UDP && state != STATE_BOUND)
			continue;
		if (have_port == port && parse_hex_ip(hex, &have) &&
		    clashes(want, &have))
			inode = n;
	}
	(void)fclose(f);
	return inode;
}

/* Is one of the descriptors below @path the link @want? */
static bool holds(const char *path, const char *want, unsigned int *budget)
{
	DIR *dir = opendir(path);
	bool found = false;
	struct dirent *e;

	while (dir && !found && *budget && (e = readdir(dir))) {
		char link[64];
		ssize_t n;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		--*budget;
		n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, want) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

static void describe(const char *pid, char *buf)
{
	char path[64], name[32] = "";
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	n = fd_read_text(path, name, sizeof(name));
	name[n > 0 ? strcspn(name, "\n") : 0] = '\0';
	(void)snprintf(buf, OWNER_TEXT_MAX, "%.16s%s%.24s", pid,
		       name[0] ? " " : "", name);
}

const char *owner_find(enum spec_proto proto, const struct ip *ip,
		       uint16_t port, char *buf)
{
	bool udp = proto == SPEC_UDP;
	unsigned int budget = LINKS_MAX;
	char want[64], path[64];
	unsigned long inode = 0;
	struct dirent *e;
	DIR *proc;

	buf[0] = '\0';
	if (ip->family != AF_INET6)
		inode = find_inode(udp ? "/proc/net/udp" : "/proc/net/tcp",
				   proto, ip, port);
	if (!inode)
		inode = find_inode(udp ? "/proc/net/udp6" : "/proc/net/tcp6",
				   proto, ip, port);
	proc = inode ? opendir("/proc") : NULL;
	if (!proc)
		return buf;
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	while (!buf[0] && budget && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.16s/fd", e->d_name);
		if (holds(path, want, &budget))
			describe(e->d_name, buf);
	}
	(void)closedir(proc);
	return buf;
}
