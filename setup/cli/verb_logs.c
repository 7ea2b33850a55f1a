// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the older half of the log, then the newer one, and with -f waits for
 * more. The files belong to their writer, who may rotate them at any time: what
 * is open is read to its end before the file that has its name now is opened.
 *
 * What was written to stderr goes to stderr. On a terminal, control characters
 * are shown, not obeyed: the container chose them.
 */
#include "setup/cli/verb_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "netstack/base/escape.h"
#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/exit.h"
#include "setup/base/sys.h"
#include "setup/cli/config_run.h"
#include "setup/cli/opt.h"
#include "setup/cli/pods.h"
#include "setup/state/logfile.h"

/* At the end of a record that isn't whole yet; far more than one may be. */
#define RECORD_MAX 65536
/* When a record is written without the newline that would end its line. */
#define TAG_PART 'P'

struct logs {
	bool follow, helper, timestamps;
	uint64_t tail;	  /* UINT64_MAX: all */
	const char *name; /* of the file */
	int dir, fd;
	uint64_t skip; /* lines, of those still to come */
	bool counting; /* lines, nothing else */
	uint64_t lines;
	bool escape[3];	 /* by descriptor */
	FILE *last;	 /* where the last record went */
	FILE *open_line; /* the same, when it had no newline; or NULL */
	char buf[RECORD_MAX];
	size_t len;
};

static int set_tail(void *target, const char *value)
{
	struct logs *l = target;

	if (!parse_uint(value, 0, INT64_MAX, &l->tail))
		return 0;
	log_error("--tail %.32s: not a number of lines", value);
	return -EINVAL;
}

static const struct opt logs_opts[] = {
	{ "follow", 'f', NULL, "go on with what comes, until it ends",
	  OPT_FLAG(struct logs, follow) },
	{ "helper", 0, NULL, "podsplice's own messages about it instead",
	  OPT_FLAG(struct logs, helper) },
	{ "tail", 0, "LINES", "only the last ones (all)", set_tail },
	{ "timestamps", 't', NULL, "the time before each line",
	  OPT_FLAG(struct logs, timestamps) },
};

const struct opt_table verb_logs_opts = { "Logs", logs_opts,
					  ARRAY_SIZE(logs_opts) };

/* ---- records ---- */

static void put_text(struct logs *l, FILE *f, const char *s, size_t len)
{
	/* a terminal's lines end with both */
	if (len && s[len - 1] == '\r' && l->escape[fileno(f)])
		len--;
	if (!l->escape[fileno(f)]) {
		(void)fwrite(s, 1, len, f); /* told by opt_flush() */
		return;
	}
	for (; len; s++, len--) {
		char out[ESCAPE_MAX] = { *s };
		size_t n = *s == '\t' ? 1 : escape_byte(out, s, len);

		(void)fwrite(out, 1, n, f);
	}
}

/* Cut a word off the front of @s; Return: it, or NULL */
static char *cut(char **s)
{
	char *word = *s, *space = strchr(word, ' ');

	if (!space)
		return NULL;
	*space = '\0';
	*s = space + 1;
	return word;
}

/* @line: "TIME STREAM TAG TEXT", @len bytes, NUL-terminated */
static void put_record(struct logs *l, char *line, size_t len)
{
	char *at = line;
	const char *time = cut(&at);
	const char *stream = time ? cut(&at) : NULL;
	const char *tag = stream ? cut(&at) : NULL;
	FILE *f;

	if (!tag)
		return; /* not ours; nothing of it can be told */
	f = strcmp(stream, "stdout") == 0 ? stdout : stderr;
	if (l->counting || l->skip) {
		l->lines += tag[0] != TAG_PART;
		l->skip -= !l->counting && tag[0] != TAG_PART;
		return;
	}
	/* what podsplice says there is no part of anything */
	if (l->open_line && strcmp(stream, "podsplice") == 0) {
		(void)fputc('\n', l->open_line);
		l->open_line = NULL;
	}
	if (l->last && l->last != f)
		(void)fflush(l->last); /* both may be one terminal */
	l->last = f;
	if (l->timestamps && !l->open_line)
		(void)fprintf(f, "%s ", time);
	put_text(l, f, at, len - (size_t)(at - line));
	l->open_line = tag[0] == TAG_PART ? f : NULL;
	if (!l->open_line)
		(void)fputc('\n', f);
}

/* Print the whole records that are in the buffer. */
static void put_all(struct logs *l)
{
	char *at = l->buf, *end;
	size_t left = l->len;

	while ((end = memchr(at, '\n', left))) {
		*end = '\0';
		put_record(l, at, (size_t)(end - at));
		left -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	if (left == sizeof(l->buf))
		left = 0; /* no record of ours */
	memmove(l->buf, at, left);
	l->len = left;
}

/* Read @l->fd to its end. Return: 0 or -errno, logged */
static int read_on(struct logs *l)
{
	for (;;) {
		ssize_t n =
			read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return log_errno(errno, "%s", l->name);
		if (n == 0)
			break;
		l->len += (size_t)n;
		put_all(l);
	}
	(void)fflush(stderr);
	return opt_flush(stdout);
}

/* ---- files ---- */

static int open_log(const struct logs *l, const char *name)
{
	return openat(l->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* The older half in @old, the newer one in @l->fd; -1: there is none. */
static void open_both(struct logs *l, int *old)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s" LOGFILE_OLD, l->name);
	do {
		fd_drop(&l->fd);
		fd_drop(old);
		l->fd = open_log(l, l->name);
		*old = open_log(l, name);
		/* rotated in between: what we took for the newer is the older
		 */
	} while (sys_same_file(l->fd, *old));
}

/* From its beginning. Return: 0 or -errno, logged */
static int read_all(struct logs *l)
{
	if (l->fd < 0 || lseek(l->fd, 0, SEEK_SET))
		return 0;
	l->len = 0; /* of what was read before: no record continues here */
	return read_on(l);
}

static int read_both(struct logs *l, int old)
{
	int newer = l->fd;
	int rc;

	l->fd = old;
	rc = read_all(l);
	l->fd = newer;
	return rc ? rc : read_all(l);
}

static int print_what_is(struct logs *l)
{
	scoped_fd old = -1;
	int rc = 0;

	open_both(l, &old);
	if (l->tail != UINT64_MAX) {
		l->counting = true;
		rc = read_both(l, old);
		l->counting = false;
		l->skip = l->lines > l->tail ? l->lines - l->tail : 0;
	}
	return rc ? rc : read_both(l, old);
}

/* ---- -f ---- */

/* More of the file, and of the one that has its name now. */
static int catch_up(struct logs *l)
{
	scoped_fd now = open_log(l, l->name);
	int rc = l->fd < 0 ? 0 : read_on(l);

	if (rc || now < 0 || sys_same_file(now, l->fd))
		return rc;
	fd_drop(&l->fd);
	l->fd = fd_take(&now);
	return read_on(l);
}

static int follow(struct logs *l, const struct state_record *rec)
{
	char path[32], events[4096];
	scoped_fd supervisor = state_pidfd(&rec->supervisor);
	scoped_fd notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	bool ended = supervisor < 0;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", l->dir);
	if (notify < 0 ||
	    inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE) < 0)
		return log_errno(errno, "watch the log");
	for (;;) {
		struct pollfd p[] = { { notify, POLLIN, 0 },
				      { supervisor, POLLIN, 0 },
				      { STDOUT_FILENO, 0, 0 } };
		int rc = catch_up(l);

		if (rc || ended)
			return rc;
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return log_errno(errno, "poll");
		if (p[2].revents & (POLLERR | POLLHUP))
			return 0; /* nobody reads us any more */
		ended = p[1].revents;
		while (read(notify, events, sizeof(events)) > 0)
			; /* what has changed is looked up */
	}
}

/* ---- the verb ---- */

static int show(struct logs *l, const struct state_record *rec)
{
	int rc;

	if (!rec->detached) {
		log_error("%s: has no logs: it runs in the foreground",
			  rec->name);
		return -ENOENT;
	}
	l->dir = rec->dir;
	l->name = l->helper ? STATE_HELPER_LOG : STATE_LOG;
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		l->escape[fd] = isatty(fd);
	rc = print_what_is(l);
	if (!rc && l->follow && rec->phase != STATE_EXITED)
		rc = follow(l, rec);
	fd_drop(&l->fd);
	return rc;
}

/* Return: as opt_parse() */
static int parse(struct logs *l, char **argv, char ***rest)
{
	const struct opt_group groups[] = { { &verb_logs_opts, l },
					    { &config_global_opts, NULL } };
	const struct opt_cmd cmd = {
		.name = argv[0],
		.synopsis = "[-f] [-t] [--tail LINES] NAME",
		.about = "Print what a container in the background has "
			 "written; what it wrote to stderr goes there.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
	};
	int rc = opt_parse(&cmd, argv + 1, rest);

	if (!rc && (!(*rest)[0] || (*rest)[1])) {
		log_error("logs: which container? (one NAME, as podsplice "
			  "ps -a has it)");
		rc = -EINVAL;
	}
	return rc;
}

int verb_logs(int argc, char **argv)
{
	struct logs *l = calloc(1, sizeof(*l));
	struct state_record rec;
	char **rest;
	int rc;

	(void)argc;
	if (!l) {
		(void)log_errno(ENOMEM, "logs");
		return EXIT_OURS;
	}
	l->tail = UINT64_MAX;
	l->fd = -1;
	rc = parse(l, argv, &rest);
	if (!rc) {
		rc = pods_container(*rest, &rec);
		if (!rc)
			rc = show(l, &rec);
		state_drop(&rec);
	}
	free(l);
	return rc < 0 ? EXIT_OURS : 0;
}
