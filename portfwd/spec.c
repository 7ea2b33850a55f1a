// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parser of published ports:
 *
 *	[ADDR:][HOST[-HOST]:]POD[-POD][/tcp|/udp][,key=value]...
 *
 * The text is cut from both ends. Options go first: neither an address nor a
 * port holds a comma. Then the protocol behind the last slash. What is left is
 * an address, if it starts with '[' or '%' or has a dot before the first
 * colon, and one or two ports between colons. ADDR can't be mistaken for HOST
 * that way: a port has neither dots nor brackets, so a word that is no number
 * and no address is reported as what it was most likely meant to be.
 *
 * A cut is a struct span, never a copy, so there is no length to get wrong.
 */
#include "portfwd/spec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/parse.h"

/* A day: UDP state that idles longer is a leak. */
#define SPEC_IDLE_MAX 86400

struct span {
	const char *s;
	size_t len;
};

struct range {
	uint16_t first, count;
};

/* For "%.*s": what a message quotes of the text is at most this long. */
#define SPAN_FMT(sp) (int)((sp).len < 48 ? (sp).len : 48), (sp).s

__attribute__((format(printf, 2, 3))) static int fail(char *err,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err, SPEC_ERR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool span_is(struct span sp, const char *word)
{
	return strlen(word) == sp.len && memcmp(sp.s, word, sp.len) == 0;
}

static const char *span_find(struct span sp, char c)
{
	return memchr(sp.s, c, sp.len);
}

/* Cut @sp at @at, which is in it; @at itself goes. Return: what is before. */
static struct span span_cut(struct span *sp, const char *at)
{
	struct span head = { sp->s, (size_t)(at - sp->s) };

	sp->s = at + 1;
	sp->len -= head.len + 1;
	return head;
}

static int parse_port(struct span sp, const char *what, uint64_t min,
		      uint16_t *out, char *err)
{
	uint64_t v = 0;
	int rc = parse_uint_n(sp.s, sp.len, min, UINT16_MAX, &v);

	if (rc == -ERANGE)
		return fail(err, "%s port %.*s is not in %u..65535", what,
			    SPAN_FMT(sp), (unsigned int)min);
	if (rc)
		return fail(err, "'%.*s' is no %s port", SPAN_FMT(sp), what);
	*out = (uint16_t)v;
	return 0;
}

/* PORT or PORT-PORT; port 0 only where @min is 0, and never in a range */
static int parse_range(struct span sp, const char *what, uint64_t min,
		       struct range *out, char *err)
{
	const char *dash = span_find(sp, '-');
	uint16_t last = 0;

	if (!dash) {
		out->count = 1;
		return parse_port(sp, what, min, &out->first, err);
	}

	struct span head = span_cut(&sp, dash);

	if (!head.len || !sp.len)
		return fail(err, "a %s port range lacks an end", what);
	if (parse_port(head, what, 1, &out->first, err) ||
	    parse_port(sp, what, 1, &last, err))
		return -EINVAL;
	if (last < out->first)
		return fail(err, "the %s port range %u-%u runs backwards", what,
			    out->first, last);
	out->count = (uint16_t)(last - out->first + 1);
	return 0;
}

static int parse_ifname(struct span sp, struct spec *spec, char *err)
{
	if (!sp.len)
		return fail(err, "no interface name behind '%%'");
	if (sp.len >= sizeof(spec->ifname))
		return fail(err, "interface name '%.*s' is too long",
			    SPAN_FMT(sp));
	for (size_t i = 0; i < sp.len; i++)
		if ((unsigned char)sp.s[i] <= ' ' || sp.s[i] == '/')
			return fail(err, "'%.*s' is no interface name",
				    SPAN_FMT(sp));
	memcpy(spec->ifname, sp.s, sp.len);
	spec->ifname[sp.len] = '\0';
	return 0;
}

static int parse_addr(struct span sp, struct spec *spec, char *err)
{
	char text[ADDR_TEXT_MAX];
	struct ip ip;

	if (sp.s[0] == '%')
		return parse_ifname((struct span){ sp.s + 1, sp.len - 1 }, spec,
				    err);
	if (span_find(sp, '%'))
		return fail(err, "an address takes no scope (write %%INTERFACE "
				 "alone)");
	if (sp.len >= sizeof(text))
		return fail(err, "'%.*s...' is no address", SPAN_FMT(sp));
	memcpy(text, sp.s, sp.len);
	text[sp.len] = '\0';
	if (ip_parse(text, &ip))
		return fail(err,
			    "'%.48s' is no address (IPv4, [IPv6] or "
			    "%%interface)",
			    text);
	ip = ip_unmap(&ip);
	if (ip_is_multicast(&ip))
		return fail(err, "a multicast address can't be listened on");
	if (ip.family == AF_INET6 && ip_is_linklocal(&ip))
		return fail(err,
			    "a link-local address needs its interface (write "
			    "%%INTERFACE instead)");
	spec->host_addr = ip;
	return 0;
}

/*
 * Take ADDR and its colon off @sp, if there is one. Return: 1 when there was,
 * 0 when not, -EINVAL.
 */
static int cut_addr(struct span *sp, struct spec *spec, char *err)
{
	const char *end, *colon = span_find(*sp, ':');

	if (sp->len && sp->s[0] == '[') {
		end = span_find(*sp, ']');
		if (!end)
			return fail(err, "'[' without ']'");
		colon = end + 1;
		if (colon == sp->s + sp->len)
			return fail(err, "no pod port");
		if (*colon != ':')
			return fail(err, "':' expected behind ']'");
	} else if (sp->len && sp->s[0] == '%') {
		if (!colon)
			return fail(err, "no pod port");
	} else {
		struct span head = { sp->s, colon ? (size_t)(colon - sp->s)
						  : sp->len };

		if (!span_find(head, '.'))
			return 0;
		if (!colon)
			return fail(err, "no pod port");
	}

	struct span addr = span_cut(sp, colon);

	return parse_addr(addr, spec, err) ? -EINVAL : 1;
}

/* More colons than there is use for, and no ADDR: say what is wrong. */
static int too_many_colons(struct span head, struct span rest, char *err)
{
	const char *colon = span_find(rest, ':');

	(void)span_cut(&rest, colon);
	if (head.len && rest.len && !span_find(rest, ':') && colon[-1] != ':')
		return fail(err,
			    "'%.*s' is no address (IPv4, [IPv6] or "
			    "%%interface)",
			    SPAN_FMT(head));
	return fail(err, "too many colons (an IPv6 address goes in brackets)");
}

/* What is left of ADDR: [HOST:]POD, where HOST may be empty behind an ADDR. */
static int parse_ports(struct span sp, bool has_addr, struct spec *spec,
		       char *err)
{
	const char *colon = span_find(sp, ':');
	struct range host = { 0, 0 }, pod = { 0, 0 };

	if (colon) {
		struct span head = span_cut(&sp, colon);

		if (span_find(sp, ':'))
			return has_addr ? fail(err, "too many colons")
					: too_many_colons(head, sp, err);
		if (!head.len && !has_addr)
			return fail(err, "no host port before ':' (leave the "
					 "colon out for a free one)");
		if (head.len && parse_range(head, "host", 0, &host, err))
			return -EINVAL;
	}
	if (!sp.len)
		return fail(err, "no pod port");
	if (parse_range(sp, "pod", 1, &pod, err))
		return -EINVAL;
	if (host.first && host.count != pod.count)
		return fail(err,
			    "%u host ports but %u pod ports (ranges must be "
			    "of equal length)",
			    host.count, pod.count);
	spec->host_port = host.first;
	spec->pod_port = pod.first;
	spec->count = pod.count;
	return 0;
}

static int parse_proto(struct span sp, struct spec *spec, char *err)
{
	if (span_is(sp, "tcp"))
		spec->proto = SPEC_TCP;
	else if (span_is(sp, "udp"))
		spec->proto = SPEC_UDP;
	else if (span_is(sp, "sctp"))
		return fail(err, "sctp can't be published (tcp and udp can)");
	else
		return fail(err, "unknown protocol '%.*s' (tcp or udp)",
			    SPAN_FMT(sp));
	return 0;
}

static int set_source(struct spec *spec, struct span v, char *err)
{
	if (span_is(v, "keep"))
		spec->source = SPEC_SOURCE_KEEP;
	else if (span_is(v, "off"))
		spec->source = SPEC_SOURCE_OFF;
	else
		return fail(err, "source=%.*s is not keep or off", SPAN_FMT(v));
	return 0;
}

static int set_proxy(struct spec *spec, struct span v, char *err)
{
	if (spec->proto != SPEC_TCP)
		return fail(err, "proxy= is for tcp only");
	if (span_is(v, "v1"))
		spec->proxy = SPEC_PROXY_V1;
	else if (span_is(v, "v2"))
		spec->proxy = SPEC_PROXY_V2;
	else
		return fail(err, "proxy=%.*s is not v1 or v2", SPAN_FMT(v));
	return 0;
}

static int set_max(struct spec *spec, struct span v, char *err)
{
	uint64_t n;

	if (parse_uint_n(v.s, v.len, 1, UINT32_MAX, &n))
		return fail(err, "max=%.*s is not a number of at least 1",
			    SPAN_FMT(v));
	spec->max_flows = (uint32_t)n;
	return 0;
}

static int set_idle(struct spec *spec, struct span v, char *err)
{
	uint64_t n;

	if (spec->proto != SPEC_UDP)
		return fail(err, "idle= is for udp only");
	if (parse_uint_n(v.s, v.len, 1, SPEC_IDLE_MAX, &n))
		return fail(err, "idle=%.*s is not in 1..%d seconds",
			    SPAN_FMT(v), SPEC_IDLE_MAX);
	spec->idle_s = (uint32_t)n;
	return 0;
}

static const struct spec_opt {
	const char *key;
	int (*set)(struct spec *spec, struct span value, char *err);
} spec_opts[] = {
	{ "source", set_source },
	{ "proxy", set_proxy },
	{ "max", set_max },
	{ "idle", set_idle },
};

static int parse_opt(struct span sp, struct spec *spec, unsigned int *seen,
		     char *err)
{
	const char *eq = span_find(sp, '=');

	if (!sp.len)
		return fail(err, "nothing between or behind commas");
	if (!eq)
		return fail(err, "option '%.*s' has no value", SPAN_FMT(sp));

	struct span key = span_cut(&sp, eq);

	for (unsigned int i = 0; i < ARRAY_SIZE(spec_opts); i++) {
		if (!span_is(key, spec_opts[i].key))
			continue;
		if (*seen & 1U << i)
			return fail(err, "%s= is given twice",
				    spec_opts[i].key);
		*seen |= 1U << i;
		return spec_opts[i].set(spec, sp, err);
	}
	return fail(err, "unknown option '%.*s' (source, proxy, max, idle)",
		    SPAN_FMT(key));
}

/* The options, in @sp without the comma before the first. */
static int parse_opts(struct span sp, struct spec *spec, char *err)
{
	unsigned int seen = 0;
	const char *comma;

	while ((comma = span_find(sp, ','))) {
		struct span one = span_cut(&sp, comma);

		if (parse_opt(one, spec, &seen, err))
			return -EINVAL;
	}
	return parse_opt(sp, spec, &seen, err);
}

int spec_parse(const char *text, struct spec *out, char *err)
{
	struct span head, tail = { text, strlen(text) };
	struct spec spec = { .proto = SPEC_TCP };
	const char *comma = strchr(text, ','), *slash;
	int has_addr;

	head = comma ? span_cut(&tail, comma) : tail;
	if (!head.len)
		return fail(err, "no port");
	slash = memrchr(head.s, '/', head.len);
	if (slash) {
		struct span proto = head;

		head = span_cut(&proto, slash);
		if (parse_proto(proto, &spec, err))
			return -EINVAL;
	}
	has_addr = cut_addr(&head, &spec, err);
	if (has_addr < 0 || parse_ports(head, has_addr, &spec, err))
		return -EINVAL;
	if (comma && parse_opts(tail, &spec, err))
		return -EINVAL;
	*out = spec;
	return 0;
}

/* Append to @buf, which stays terminated; what doesn't fit is cut off. */
__attribute__((format(printf, 4, 5))) static size_t
put(char *buf, size_t cap, size_t at, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (at >= cap)
		return at;
	va_start(ap, fmt);
	n = vsnprintf(buf + at, cap - at, fmt, ap);
	va_end(ap);
	return n < 0 ? at : at + (size_t)n;
}

static size_t put_range(char *buf, size_t cap, size_t at, unsigned int first,
			unsigned int count)
{
	at = put(buf, cap, at, "%u", first);
	return count > 1 ? put(buf, cap, at, "-%u", first + count - 1) : at;
}

const char *spec_format(const struct spec *spec, char *buf, size_t cap)
{
	char text[ADDR_TEXT_MAX];
	size_t at = 0;

	if (cap)
		buf[0] = '\0';
	if (spec->ifname[0])
		at = put(buf, cap, at, "%%%s:", spec->ifname);
	else if (spec->host_addr.family)
		at = put(buf, cap, at,
			 spec->host_addr.family == AF_INET ? "%s:" : "[%s]:",
			 ip_format(&spec->host_addr, text));
	if (spec->host_port) {
		at = put_range(buf, cap, at, spec->host_port, spec->count);
		at = put(buf, cap, at, ":");
	} else if (at) {
		at = put(buf, cap, at, ":");
	}
	at = put_range(buf, cap, at, spec->pod_port, spec->count);
	at = put(buf, cap, at, spec->proto == SPEC_TCP ? "/tcp" : "/udp");
	if (spec->source == SPEC_SOURCE_OFF)
		at = put(buf, cap, at, ",source=off");
	if (spec->proxy != SPEC_PROXY_NONE)
		at = put(buf, cap, at, ",proxy=v%d",
			 spec->proxy == SPEC_PROXY_V1 ? 1 : 2);
	if (spec->max_flows)
		at = put(buf, cap, at, ",max=%u", spec->max_flows);
	if (spec->idle_s)
		put(buf, cap, at, ",idle=%u", spec->idle_s);
	return buf;
}

/*
 * As the kernel has it (inet_bind_conflict): a wildcard includes every address
 * of its family, no interface includes every interface.
 */
bool spec_conflicts(const struct spec *a, const struct spec *b)
{
	const struct ip *x = &a->host_addr, *y = &b->host_addr;

	if (a->proto != b->proto || !a->host_port || !b->host_port)
		return false;
	if (a->host_port >= b->host_port + b->count ||
	    b->host_port >= a->host_port + a->count)
		return false;
	if (a->ifname[0] && b->ifname[0] && strcmp(a->ifname, b->ifname) != 0)
		return false;
	if (!x->family || !y->family)
		return true;
	return x->family == y->family &&
	       (ip_is_any(x) || ip_is_any(y) || ip_equal(x, y));
}
