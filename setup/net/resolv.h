/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The host's resolv.conf: parsed, watched, and rewritten for the pod. */

#include <stdbool.h>
#include <stddef.h>

#include "netstack/base/addr.h"
#include "netstack/base/podnet.h"
#include "netstack/loop.h"

#define RESOLV_SERVERS_MAX 8
#define RESOLV_TEXT_MAX	   4096

struct resolv {
	union endpoint servers[RESOLV_SERVERS_MAX]; /* port 53; IPv6 scoped */
	size_t n_servers;
	char search[1024]; /* "a.example b.example", or "" */
	char options[256]; /* "ndots:2 edns0", or "" */
};

/**
 * resolv_parse() - resolv.conf(5); what can't be read is skipped
 */
void resolv_parse(const char *text, struct resolv *out);

/**
 * resolv_read() - read and parse @path; no file means no servers
 *
 * A file that names no server means the one on 127.0.0.1, as it does to the
 * host's libc. Of a file over 64 KiB the lines that end before that are read.
 *
 * Return: 0; -EMFILE, -ENFILE, -ENOMEM or -EIO: @out is as it was; another
 *         -errno: the file can't be read, @out is empty. Not logged
 */
int resolv_read(const char *path, struct resolv *out);

/** resolv_equal() - do both say the same? */
bool resolv_equal(const struct resolv *a, const struct resolv *b);

/**
 * resolv_pod_text() - the text of the pod's resolv.conf
 * @plan: names the DNS address(es); NULL: no nameserver line (--no-dns)
 * @search: NULL: @host's; else these words, "" for none
 * @buf: RESOLV_TEXT_MAX bytes; cut at a whole line when it doesn't fit
 */
void resolv_pod_text(const struct resolv *host, const struct podnet *plan,
		     const char *search, char *buf);

struct resolv_watch;
typedef void (*resolv_changed_fn)(void *arg, const struct resolv *now);

/**
 * resolv_watch_new() - call @fn whenever what @path says has changed
 * @path: borrowed; "/etc/resolv.conf". Changes of the file, of any symbolic
 *        link on the way to it, of the file a link points to, its removal and
 *        return, and mounts over it are all seen, with no timer running while
 *        nothing happens. @fn is called only when the parsed content differs
 *        from the last, at first from what it is now: so call resolv_read()
 *        after this, and no change can fall in between.
 * Return: 0 or -errno, logged
 */
int resolv_watch_new(struct resolv_watch **out, struct loop *loop,
		     const char *path, resolv_changed_fn fn, void *arg);

/** resolv_watch_free() - Return: NULL */
struct resolv_watch *resolv_watch_free(struct resolv_watch *w);
