// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pipes stand in for the terminal: two for the command's output, one for what
 * podsplice itself says, which all processes of the helper have as 2. Their
 * read ends are the supervisor's. Until the command runs, messages go on to
 * the user's stderr, so that a start which fails looks as in the foreground;
 * the command's pipes are left alone till then, and hold what is in them.
 *
 * Nobody waits for a log. The command waits for us to read, as it would for a
 * terminal; our own messages are lost when their pipe is full, because we are
 * who empties it.
 *
 * The verb waits on a pipe: a 'S' and the name, or a 'F' when the reason has
 * been said, or its end when we were killed. When the verb was killed, by ^C
 * for one, nobody was told the name: then the start is undone.
 */
#include "setup/state/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/state/state.h"

#define TOLD_STARTED 'S'
#define TOLD_FAILED  'F'
#define READ_BYTES   16384

static const char *const names[] = { "stdout", "stderr", "podsplice" };

/* ---- the verb's side ---- */

static int wait_for_start(int fd, bool tell)
{
	char buf[STATE_NAME_MAX + 2];
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < sizeof(buf) - 1) {
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	buf[len] = '\0';
	if (buf[0] == TOLD_FAILED)
		return -EIO;
	if (buf[0] != TOLD_STARTED) {
		log_error("the supervisor was killed at the start (try again)");
		return -EIO;
	}
	if (tell) /* errors show in opt_flush() */
		(void)printf("%s\n", buf + 1);
	return 1;
}

/* ---- the supervisor's ---- */

static int replace(int fd, int by)
{
	return dup2(by, fd) < 0 ? log_errno(errno, "dup2") : 0;
}

static int pipe_for(struct stream *s, int flags)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | flags))
		return log_errno(errno, "pipe");
	s->src.fd = fds[0];
	s->write = fds[1];
	return fd_nonblock(fds[0]);
}

static int replace_stdin(struct background *b, bool interactive)
{
	scoped_fd null = -1;
	int fds[2];
	int rc;

	if (!interactive) {
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return null < 0 ? log_errno(errno, "open /dev/null")
				: replace(STDIN_FILENO, null);
	}
	if (pipe2(fds, O_CLOEXEC))
		return log_errno(errno, "pipe");
	b->held_stdin = fds[1];
	rc = replace(STDIN_FILENO, fds[0]);
	fd_drop(&fds[0]);
	return rc;
}

static int replace_stdout(struct background *b, bool tty)
{
	struct stream *out = &b->streams[BACKGROUND_OUT];
	scoped_fd fd = tty ? fd_take(&out->write)
			   : open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? log_errno(errno, "open /dev/null")
		      : replace(STDOUT_FILENO, fd);
}

/* From here on what fails is told by background_end(). */
static int become_background(struct background *b, bool tty, bool interactive)
{
	struct stream *s = b->streams;
	int rc;

	(void)setsid(); /* can't fail: a new process leads no group */
	/* who reads our last words may be gone */
	(void)signal(SIGPIPE, SIG_IGN);
	b->user_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	rc = pipe_for(&s[BACKGROUND_OUT], 0);
	if (!rc && !tty)
		rc = pipe_for(&s[BACKGROUND_ERR], 0);
	if (!rc)
		rc = pipe_for(&s[BACKGROUND_OWN], O_NONBLOCK);
	if (!rc)
		rc = replace_stdin(b, interactive);
	if (!rc)
		rc = replace_stdout(b, tty);
	if (!rc)
		rc = replace(STDERR_FILENO, s[BACKGROUND_OWN].write);
	fd_drop(&s[BACKGROUND_OWN].write);
	return rc;
}

int background_fork(struct background *b, bool tty, bool interactive, bool tell)
{
	int told[2];
	pid_t pid;
	int rc;

	*b = (struct background){ .dir = -1,
				  .caller = -1,
				  .user_err = -1,
				  .held_stdin = -1,
				  .log = LOGFILE_NULL,
				  .own_log = LOGFILE_NULL };
	for (int i = 0; i < BACKGROUND_N; i++)
		b->streams[i] = (struct stream){ .src = LOOP_SOURCE_NULL,
						 .write = -1,
						 .b = b };
	if (pipe2(told, O_CLOEXEC))
		return log_errno(errno, "pipe");
	pid = fork();
	if (pid < 0)
		rc = log_errno(errno, "fork");
	else if (pid > 0)
		fd_drop(&told[1]);
	if (pid > 0)
		rc = wait_for_start(told[0], tell);
	fd_drop(&told[0]);
	if (pid) {
		fd_drop(&told[1]);
		return rc;
	}
	b->caller = told[1];
	rc = become_background(b, tty, interactive);
	if (rc) {
		background_end(b);
		background_tell_end(b);
	}
	return rc;
}

int background_output(const struct background *b, enum background_stream which)
{
	return b->streams[which].write;
}

static void pass_on(struct background *b, enum background_stream which,
		    const char *data, size_t len)
{
	if (which != BACKGROUND_OWN)
		logfile_write(&b->log, names[which], data, len);
	else if (b->caller < 0)
		logfile_write(&b->own_log, names[which], data, len);
	else
		/* a user who doesn't want to know */
		(void)!write(b->user_err, data, len);
}

/* Return: as read() */
static ssize_t read_some(struct background *b, enum background_stream which)
{
	char buf[READ_BYTES];
	ssize_t n = read(b->streams[which].src.fd, buf, sizeof(buf));

	if (n > 0)
		pass_on(b, which, buf, (size_t)n);
	return n;
}

static void on_stream(struct loop_source *src, uint32_t revents)
{
	struct stream *s = container_of(src, struct stream, src);
	struct background *b = s->b;

	(void)revents;
	if (read_some(b, (enum background_stream)(s - b->streams)) == 0)
		loop_close(b->loop, src); /* the command has closed it */
}

static int watch(struct background *b, enum background_stream which)
{
	struct loop_source *src = &b->streams[which].src;

	src->events = EPOLLIN;
	src->fn = on_stream;
	return src->fd < 0 ? 0 : loop_add(b->loop, src);
}

int background_watch(struct background *b, struct loop *loop, int dir)
{
	b->loop = loop;
	/* the command has them */
	for (int i = 0; i < BACKGROUND_OWN && !b->keep_output; i++)
		fd_drop(&b->streams[i].write);
	b->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (b->dir < 0)
		return log_errno(errno, "the container's directory");
	logfile_open(&b->log, b->dir, STATE_LOG);
	logfile_open(&b->own_log, b->dir, STATE_HELPER_LOG);
	return watch(b, BACKGROUND_OWN);
}

int background_started(struct background *b, const char *name)
{
	char text[STATE_NAME_MAX + 2];
	int n = snprintf(text, sizeof(text), "%c%s", TOLD_STARTED, name);
	int rc = write(b->caller, text, (size_t)n) == n ? 0 : -EPIPE;

	if (rc)
		return rc;
	/* what the user reads from us ends here, even if it is a pipe */
	fd_drop(&b->caller);
	fd_drop(&b->user_err);
	/* the directory may be unmounted; what we need is open */
	if (chdir("/"))
		log_debug("chdir /: %s", strerror(errno));
	rc = watch(b, BACKGROUND_OUT);
	return rc ? rc : watch(b, BACKGROUND_ERR);
}

static void drain(struct background *b, enum background_stream which)
{
	while (b->streams[which].src.fd >= 0 && read_some(b, which) > 0)
		;
}

static void close_stream(struct background *b, enum background_stream which)
{
	struct stream *s = &b->streams[which];

	if (b->loop)
		loop_close(b->loop, &s->src);
	fd_drop(&s->src.fd);
	fd_drop(&s->write);
}

void background_end(struct background *b)
{
	if (!b)
		return;
	/* a command that never ran has said nothing */
	for (int i = b->caller < 0 ? 0 : BACKGROUND_OWN; i < BACKGROUND_N; i++)
		drain(b, (enum background_stream)i);
	close_stream(b, BACKGROUND_OUT);
	close_stream(b, BACKGROUND_ERR);
	logfile_close(&b->log);
	fd_drop(&b->held_stdin);
}

void background_tell_end(struct background *b)
{
	if (!b)
		return;
	drain(b, BACKGROUND_OWN);
	close_stream(b, BACKGROUND_OWN);
	logfile_close(&b->own_log);
	fd_drop(&b->dir);
	fd_drop(&b->user_err);
	if (b->caller >= 0)
		(void)!write(b->caller, &(char){ TOLD_FAILED }, 1);
	fd_drop(&b->caller);
}
