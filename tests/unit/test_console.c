// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The copying between stdin, stdout and a pty. The test has both ends of the
 * pty; stdin and stdout are pipes or files while a test runs, and the loop is
 * stopped by the console's end, or by a guard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "setup/pod/console.h"

enum { GUARD_S = 20, FINISHED = 1, GUARDED = 2 };

struct fx {
	struct loop loop;
	struct loop_timer guard;
	struct loop_source child;
	struct console console;
	int slave;
	int saved[2];
};

#define FX_NULL                                                                \
	{                                                                      \
		.loop = LOOP_NULL, .child = LOOP_SOURCE_NULL, .slave = -1      \
	}

static void on_guard(struct loop_timer *t)
{
	loop_stop(&container_of(t, struct fx, guard)->loop, GUARDED);
}

static void on_done(void *arg)
{
	struct fx *f = arg;

	loop_stop(&f->loop, FINISHED);
}

/* @in and @out become stdin and stdout, and are the caller's no more. */
static void begin(struct fx *f, int in, int out)
{
	struct termios raw;
	int master;

	f->saved[0] = fcntl(0, F_DUPFD_CLOEXEC, 10);
	f->saved[1] = fcntl(1, F_DUPFD_CLOEXEC, 10);
	assert_int_equal(dup2(in, 0), 0);
	assert_int_equal(dup2(out, 1), 1);
	close(in);
	close(out);
	assert_int_equal(openpty(&master, &f->slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(f->slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(f->slave, TCSANOW, &raw), 0);
	assert_int_equal(fd_nonblock(master), 0);
	assert_int_equal(loop_init(&f->loop), 0);
	f->guard = (struct loop_timer){ .fn = on_guard };
	assert_int_equal(loop_timer_set(&f->loop, &f->guard,
					mono_add(mono_now(), mono_s(GUARD_S))),
			 0);
	assert_int_equal(console_init(&f->console, &f->loop, master), 0);
}

static void on_child(struct loop_source *src, uint32_t revents)
{
	struct fx *f = container_of(src, struct fx, child);
	int pidfd = src->fd;

	(void)revents;
	loop_del(&f->loop, src);
	fd_drop(&pidfd);
	fd_drop(&f->slave);
	console_drain(&f->console, on_done, f);
}

/* Serve until the pod, @pid, has ended; Return: FINISHED, if all went well */
static int run(struct fx *f, pid_t pid)
{
	int rc, st;

	assert_int_equal(loop_child(&f->loop, &f->child, pid, on_child), 0);
	rc = loop_run(&f->loop);
	console_deinit(&f->console);
	loop_deinit(&f->loop);
	(void)dup2(f->saved[0], 0);
	(void)dup2(f->saved[1], 1);
	fd_drop(&f->saved[0]);
	fd_drop(&f->saved[1]);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	return rc;
}

static int null_fd(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* A pod that writes @bytes. */
static pid_t writer(struct fx *f, size_t bytes)
{
	pid_t pid = fork();
	char buf[1000];

	if (pid)
		return pid;
	memset(buf, 'x', sizeof(buf));
	for (size_t n = 0; n < bytes; n += sizeof(buf))
		if (write(f->slave, buf, sizeof(buf)) != sizeof(buf))
			_exit(1);
	_exit(0);
}

/* A pod that wants @bytes of input, then its end. */
static pid_t reader(struct fx *f, size_t bytes)
{
	pid_t pid = fork();
	char buf[1000];
	ssize_t n;

	if (pid)
		return pid;
	while ((n = read(f->slave, buf, sizeof(buf))) > 0)
		bytes -= (size_t)n;
	_exit(n != 0 || bytes != 0);
}

/* Who reads our stdout, late: the pipe is full by then. */
static pid_t slow_sink(const int *pipe_fds, size_t bytes)
{
	pid_t pid = fork();
	char buf[3000];
	ssize_t n;

	if (pid)
		return pid;
	close(pipe_fds[1]);
	(void)usleep(100000);
	while ((n = read(pipe_fds[0], buf, sizeof(buf))) > 0)
		bytes -= (size_t)n;
	_exit(bytes != 0);
}

static void canonical(struct fx *f)
{
	struct termios t;

	assert_int_equal(tcgetattr(f->slave, &t), 0);
	t.c_lflag |= ICANON;
	assert_int_equal(tcsetattr(f->slave, TCSANOW, &t), 0);
}

static int file_of(const char *text)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void output_reaches_a_slow_pipe_whole(void **state)
{
	const size_t bytes = 3000000;
	struct fx f = FX_NULL;
	int p[2], st;
	pid_t sink;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	sink = slow_sink(p, bytes);
	close(p[0]);
	begin(&f, null_fd(), p[1]);
	assert_int_equal(run(&f, writer(&f, bytes)), FINISHED);
	assert_int_equal(waitpid(sink, &st, 0), sink);
	assert_int_equal(st, 0);
}

static void output_goes_to_a_file_whole(void **state)
{
	struct fx f = FX_NULL;
	int out = file_of(""), look = dup(out);

	(void)state;
	begin(&f, null_fd(), out);
	assert_int_equal(run(&f, writer(&f, 500000)), FINISHED);
	assert_int_equal(lseek(look, 0, SEEK_END), 500000);
	close(look);
}

static void output_nobody_reads_is_discarded(void **state)
{
	struct fx f = FX_NULL;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	begin(&f, null_fd(), p[1]);
	assert_int_equal(run(&f, writer(&f, 500000)), FINISHED);
}

static void the_end_of_a_file_is_typed(void **state)
{
	struct fx f = FX_NULL;

	(void)state;
	begin(&f, file_of("one\ntwo\n"), null_fd());
	canonical(&f);
	console_input(&f.console);
	assert_int_equal(run(&f, reader(&f, 8)), FINISHED);
}

static void the_end_within_a_line_is_typed_twice(void **state)
{
	struct fx f = FX_NULL;

	(void)state;
	begin(&f, file_of("one\ntw"), null_fd());
	canonical(&f);
	console_input(&f.console);
	assert_int_equal(run(&f, reader(&f, 6)), FINISHED);
}

static void shared_descriptors_stay_blocking(void **state)
{
	struct fx f = FX_NULL;
	int in[2], out[2], look_in, look_out;

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	look_in = dup(in[0]);
	look_out = dup(out[1]);
	begin(&f, in[0], out[1]);
	console_input(&f.console);
	assert_int_equal(fcntl(look_in, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(look_out, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(run(&f, writer(&f, 1000)), FINISHED);
	close(look_in);
	close(look_out);
	close(in[1]);
	close(out[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_reaches_a_slow_pipe_whole),
		cmocka_unit_test(output_goes_to_a_file_whole),
		cmocka_unit_test(output_nobody_reads_is_discarded),
		cmocka_unit_test(the_end_of_a_file_is_typed),
		cmocka_unit_test(the_end_within_a_line_is_typed_twice),
		cmocka_unit_test(shared_descriptors_stay_blocking),
	};

	/* the front has it blocked */
	(void)signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
