// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolv.conf is read as glibc's res_init.c reads it: a keyword counts only at
 * the start of a line, the last search or domain line wins, options add up.
 * More lenient in one point: lines may end in CR LF. "nameserver" takes what
 * inet_aton() takes, or IPv6 with a scope, which must name an interface where
 * the address is link-local. Of the rest (sortlist) the pod needs nothing.
 *
 * No nameserver line: to the libc of the host that means 127.0.0.1, and some
 * hosts with a resolver of their own rely on it. So it is what the pod's
 * queries get; where nothing listens there they fail at once, as the host's
 * do. No file at all is a host without a resolver, or one that is just being
 * set up: no servers, and the watch will tell.
 *
 * The pod's file names our addresses. Of the options all are the host's but:
 *   rotate   has nothing to rotate: both addresses are us, and which server is
 *            asked is decided here;
 *   debug    concerns whoever set it, not each program of the pod.
 * trust-ad stays: it says that the way to the resolver can be trusted with
 * DNSSEC's verdict, and from the pod that way is this machine plus the way the
 * host has declared trusted. A caller who sends the pod's queries elsewhere
 * (--dns) clears @host->options first.
 */
#include "setup/net/resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/parse.h"

#define FILE_MAX 65536
#define BLANKS	 " \t\r\v\f"

/* A piece of a text that isn't ours to change. */
struct span {
	const char *s;
	size_t len;
};

/* Cut the next word off @rest. Return: false when there is none */
static bool next_word(struct span *rest, struct span *out)
{
	while (rest->len > 0 && strchr(BLANKS, *rest->s)) {
		rest->s++;
		rest->len--;
	}
	out->s = rest->s;
	out->len = 0;
	while (out->len < rest->len && !strchr(BLANKS, out->s[out->len]))
		out->len++;
	rest->s += out->len;
	rest->len -= out->len;
	return out->len > 0;
}

static bool span_is(const struct span *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->s, text, w->len) == 0;
}

/* What would break the pod's file, or somebody's terminal. */
static bool is_printable(const struct span *w)
{
	for (size_t i = 0; i < w->len; i++)
		if ((unsigned char)w->s[i] <= ' ' || w->s[i] == 0x7f)
			return false;
	return true;
}

/* Append @w to @list, whole or not at all. */
static void add_word(char *list, size_t cap, const struct span *w)
{
	size_t len = strlen(list);

	if (!is_printable(w) || len + (len > 0) + w->len >= cap)
		return;
	if (len > 0)
		list[len++] = ' ';
	memcpy(list + len, w->s, w->len);
	list[len + w->len] = '\0';
}

/* Return: 0 when @text names an interface of this host, or its number */
static int parse_scope(const struct in6_addr *a, const char *text,
		       uint32_t *out)
{
	uint64_t v;

	if (IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MC_LINKLOCAL(a))
		*out = if_nametoindex(text);
	if (*out)
		return 0;
	if (parse_uint(text, 1, UINT32_MAX, &v))
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int parse_server(const struct span *w, union endpoint *out)
{
	char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	struct ip ip = { .family = AF_INET };
	uint32_t scope = 0;
	char *percent;

	if (w->len >= sizeof(text))
		return -EINVAL;
	memcpy(text, w->s, w->len);
	text[w->len] = '\0';
	/* "127.1" and its like are good enough for the host's libc */
	if (inet_aton(text, &ip.v4)) {
		*out = endpoint_make(&ip, 53);
		return 0;
	}
	percent = strchr(text, '%');
	if (percent)
		*percent++ = '\0';
	if (text[0] == '[' || ip_parse(text, &ip) || ip.family != AF_INET6)
		return -EINVAL;
	if (percent && parse_scope(&ip.v6, percent, &scope))
		return -EINVAL;
	ip = ip_unmap(&ip);
	*out = endpoint_make(&ip, 53);
	if (ip.family == AF_INET6)
		out->v6.sin6_scope_id = scope;
	return 0;
}

static void add_server(struct resolv *out, struct span rest)
{
	struct span w;
	union endpoint ep;

	if (out->n_servers == RESOLV_SERVERS_MAX || !next_word(&rest, &w))
		return;
	/* glibc lets a comment follow without a blank */
	for (size_t i = 0; i < w.len; i++)
		if (w.s[i] == '#' || w.s[i] == ';')
			w.len = i;
	if (parse_server(&w, &ep))
		return;
	/* asking one twice would only cost time */
	for (size_t i = 0; i < out->n_servers; i++)
		if (memcmp(&out->servers[i], &ep, endpoint_len(&ep)) == 0)
			return;
	memcpy(&out->servers[out->n_servers++], &ep, endpoint_len(&ep));
}

static void set_words(char *list, size_t cap, struct span rest)
{
	struct span w;

	while (next_word(&rest, &w))
		add_word(list, cap, &w);
}

static void set_domain(struct resolv *out, struct span rest)
{
	struct span w;

	memset(out->search, 0, sizeof(out->search));
	if (next_word(&rest, &w))
		add_word(out->search, sizeof(out->search), &w);
}

static void parse_line(struct span line, struct resolv *out)
{
	struct span key;

	if (line.len == 0 || strchr(BLANKS, *line.s))
		return;
	(void)next_word(&line, &key);
	if (span_is(&key, "nameserver")) {
		add_server(out, line);
	} else if (span_is(&key, "search")) {
		memset(out->search, 0, sizeof(out->search));
		set_words(out->search, sizeof(out->search), line);
	} else if (span_is(&key, "domain")) {
		set_domain(out, line);
	} else if (span_is(&key, "options")) {
		set_words(out->options, sizeof(out->options), line);
	}
}

void resolv_parse(const char *text, struct resolv *out)
{
	memset(out, 0, sizeof(*out));
	while (*text) {
		size_t len = strcspn(text, "\n");

		parse_line((struct span){ text, len }, out);
		text += len + (text[len] != '\0');
	}
}

/*
 * The whole lines among the first FILE_MAX bytes. O_NONBLOCK: a FIFO in its
 * place must not stop us.
 */
static int read_lines(const char *path, char *buf)
{
	scoped_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < FILE_MAX) {
		ssize_t n = read(fd, buf + len, FILE_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	while (len == FILE_MAX && len > 0 && buf[len - 1] != '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

/* It says nothing about the file. */
static bool is_passing(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM || err == EIO;
}

int resolv_read(const char *path, struct resolv *out)
{
	const struct ip local = { .family = AF_INET,
				  .v4.s_addr = htonl(INADDR_LOOPBACK) };
	scoped_free char *text = malloc(FILE_MAX + 1);
	int rc;

	if (!text)
		return -ENOMEM;
	text[0] = '\0';
	rc = read_lines(path, text);
	if (is_passing(-rc))
		return rc;
	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	resolv_parse(text, out);
	if (out->n_servers == 0)
		out->servers[out->n_servers++] = endpoint_make(&local, 53);
	return 0;
}

static bool server_equal(const union endpoint *a, const union endpoint *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		      sizeof(a->v6.sin6_addr)) == 0;
}

bool resolv_equal(const struct resolv *a, const struct resolv *b)
{
	if (a->n_servers != b->n_servers)
		return false;
	for (size_t i = 0; i < a->n_servers; i++)
		if (!server_equal(&a->servers[i], &b->servers[i]))
			return false;
	return strcmp(a->search, b->search) == 0 &&
	       strcmp(a->options, b->options) == 0;
}

/* Append "KEY VALUE\n" unless it doesn't fit. */
static void add_line(char *buf, const char *key, const char *value)
{
	size_t len = strlen(buf);
	int n;

	if (value[0] == '\0')
		return;
	n = snprintf(buf + len, RESOLV_TEXT_MAX - len, "%s %s\n", key, value);
	if (n < 0 || (size_t)n >= RESOLV_TEXT_MAX - len)
		buf[len] = '\0';
}

static void pod_options(const char *host, char *out, size_t cap)
{
	static const char *const dropped[] = { "rotate", "debug" };
	struct span rest = { host, strlen(host) }, w;

	out[0] = '\0';
	while (next_word(&rest, &w)) {
		bool drop = false;

		for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
			drop = drop || span_is(&w, dropped[i]);
		if (!drop)
			add_word(out, cap, &w);
	}
}

void resolv_pod_text(const struct resolv *host, const struct podnet *plan,
		     const char *search, char *buf)
{
	char text[ADDR_TEXT_MAX], options[sizeof(host->options)];
	char words[RESOLV_TEXT_MAX] = "";

	buf[0] = '\0';
	if (!search)
		search = host->search;
	set_words(words, sizeof(words),
		  (struct span){ search, strlen(search) });
	if (plan)
		add_line(buf, "nameserver", ip_format(&plan->dns4, text));
	if (plan && plan->has_ipv6)
		add_line(buf, "nameserver", ip_format(&plan->dns6, text));
	add_line(buf, "search", words);
	pod_options(host->options, options, sizeof(options));
	add_line(buf, "options", options);
}
