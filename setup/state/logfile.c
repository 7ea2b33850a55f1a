// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A write takes whole records or none: what doesn't fit any more is cut off
 * again, so that a full file system never leaves half of one. All pieces of one
 * read have one time.
 */
#include "setup/state/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define HEAD_MAX  64
#define BATCH_MAX 32768 /* records are gathered, then written at once */

/* Records that wait to be written together. */
struct batch {
	size_t head_len, len, lines;
	char head[HEAD_MAX], text[BATCH_MAX];
};

void logfile_open(struct logfile *l, int dir, const char *name)
{
	*l = (struct logfile)LOGFILE_NULL;
	l->dir = dir;
	l->name = name;
	l->bytes_max = LOGFILE_BYTES_MAX;
}

void logfile_close(struct logfile *l)
{
	fd_drop(&l->fd);
}

static bool is_open(struct logfile *l)
{
	struct stat st;

	if (l->fd >= 0)
		return true;
	l->fd = openat(l->dir, l->name,
		       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (l->fd < 0)
		return false;
	l->bytes = fstat(l->fd, &st) ? 0 : (uint64_t)st.st_size;
	return true;
}

static void rotate(struct logfile *l)
{
	char old[64];

	(void)snprintf(old, sizeof(old), "%s" LOGFILE_OLD, l->name);
	fd_drop(&l->fd);
	/* the name is ours alone; it goes on with the same file else */
	if (renameat(l->dir, l->name, l->dir, old))
		log_debug("%s: not rotated: %s", l->name, strerror(errno));
}

/* Return: was it written? */
static bool append(struct logfile *l, const char *text, size_t len)
{
	ssize_t n;

	if (is_open(l) && l->bytes && l->bytes + len > l->bytes_max)
		rotate(l);
	if (!is_open(l))
		return false;
	n = write(l->fd, text, len);
	if (n == (ssize_t)len) {
		l->bytes += len;
		return true;
	}
	/* shorter always works */
	if (n > 0)
		(void)!ftruncate(l->fd, (off_t)l->bytes);
	return false;
}

/* "TIME STREAM TAG "; Return: its length */
static size_t head(char buf[HEAD_MAX], const char *stream, char tag)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, HEAD_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(buf + n, HEAD_MAX - n, ".%09ldZ %s %c ",
			      now.tv_nsec, stream, tag);
	return n;
}

/* Say first what was lost before. */
static bool tell_lost(struct logfile *l)
{
	char text[HEAD_MAX + 96];
	size_t n;

	if (!l->lost)
		return true;
	n = head(text, "podsplice", 'F');
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "%llu lines were lost: no room for them\n",
			      (unsigned long long)l->lost);
	if (!append(l, text, n))
		return false;
	l->lost = 0;
	return true;
}

static void flush(struct logfile *l, struct batch *b)
{
	if (b->len && (!tell_lost(l) || !append(l, b->text, b->len)))
		l->lost += b->lines;
	b->len = b->lines = 0;
}

static void add(struct logfile *l, struct batch *b, const char *text,
		size_t len, bool full)
{
	size_t n = b->head_len;

	if (b->len + n + len + 1 > sizeof(b->text))
		flush(l, b);
	b->head[n - 2] = full ? 'F' : 'P';
	memcpy(b->text + b->len, b->head, n);
	memcpy(b->text + b->len + n, text, len);
	b->text[b->len + n + len] = '\n';
	b->len += n + len + 1;
	b->lines++;
}

void logfile_write(struct logfile *l, const char *stream, const char *data,
		   size_t len)
{
	struct batch b;

	b.len = b.lines = 0;
	b.head_len = head(b.head, stream, 'F');
	while (len) {
		size_t most = len < BATCH_MAX / 2 ? len : BATCH_MAX / 2;
		const char *end = memchr(data, '\n', most);
		size_t n = end ? (size_t)(end - data) : most;

		add(l, &b, data, n, end);
		n += end ? 1 : 0;
		data += n;
		len -= n;
	}
	flush(l, &b);
}
