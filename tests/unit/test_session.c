// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands of `exec` as pid 1 has them, here an ordinary process. */
#include "setup/pod/session.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "setup/base/exit.h"

enum { GUARDED = 250, CHILD_ENDED };

struct fx {
	struct loop loop;
	struct loop_timer guard;
	struct loop_source sig;
	struct run_config run;
	struct runner_config cfg;
	struct sessions all;
};

static void on_guard(struct loop_timer *t)
{
	loop_stop(&container_of(t, struct fx, guard)->loop, GUARDED);
}

static void on_child(struct loop_source *src, uint32_t revents)
{
	struct signalfd_siginfo si;

	(void)revents;
	assert_int_equal(read(src->fd, &si, sizeof(si)), sizeof(si));
	loop_stop(&container_of(src, struct fx, sig)->loop, CHILD_ENDED);
}

static void set_up(struct fx *f)
{
	static const int signals[] = { SIGCHLD };

	*f = (struct fx){ .loop = LOOP_NULL, .sig = LOOP_SOURCE_NULL };
	f->guard.fn = on_guard;
	f->cfg.run = &f->run;
	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(loop_timer_set(&f->loop, &f->guard,
					mono_add(mono_now(), mono_s(20))),
			 0);
	assert_int_equal(loop_signals(&f->loop, &f->sig, signals,
				      ARRAY_SIZE(signals), on_child),
			 0);
	sessions_init(&f->all, &f->loop, &f->cfg, 022);
}

static void tear_down(struct fx *f)
{
	loop_timer_stop(&f->loop, &f->guard);
	loop_close(&f->loop, &f->sig);
	loop_deinit(&f->loop);
}

/*
 * Ask for a command without words, whose process ends at once, and go.
 * Return: the verb's end of the connection
 */
static int ask(struct fx *f)
{
	const struct runner_exec what = { 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = { null, null, null, null };
	int pair[2];

	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(msg_send(pair[1], RUNNER_EXEC, &what, sizeof(what),
				  fds, ARRAY_SIZE(fds)),
			 0);
	assert_int_equal(msg_send(pair[1], RUNNER_GO, NULL, 0, NULL, 0), 0);
	close(null);
	sessions_add(&f->all, pair[0]);
	return pair[1];
}

/* The process that has ended; it stays a zombie. */
static pid_t zombie(void)
{
	siginfo_t si = { 0 };

	assert_int_equal(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT), 0);
	return si.si_pid;
}

static void must_be_told(int conn, uint32_t type, struct msg *m)
{
	assert_int_equal(msg_recv(conn, m), 1);
	assert_int_equal(m->type, type);
}

static void end_of_another_process_is_not_looked_for(void **state)
{
	struct runner_ended e;
	struct msg m;
	struct fx f;
	scoped_fd conn = -1;
	pid_t pid;

	(void)state;
	set_up(&f);
	conn = ask(&f);
	assert_int_equal(loop_run(&f.loop), CHILD_ENDED);
	must_be_told(conn, RUNNER_READY, &m);
	pid = zombie();
	assert_false(sessions_check(&f.all, getpid()));
	assert_int_equal(zombie(), pid);
	assert_int_equal(f.all.n, 1);
	assert_true(sessions_check(&f.all, pid));
	must_be_told(conn, RUNNER_ENDED, &m);
	assert_int_equal(m.len, sizeof(e));
	memcpy(&e, m.body, sizeof(e));
	assert_int_equal(e.status, EXIT_OURS);
	assert_int_equal(f.all.n, 0);
	tear_down(&f);
}

static void any_that_has_ended_is_found(void **state)
{
	struct msg m;
	struct fx f;
	scoped_fd conn = -1;

	(void)state;
	set_up(&f);
	conn = ask(&f);
	assert_int_equal(loop_run(&f.loop), CHILD_ENDED);
	must_be_told(conn, RUNNER_READY, &m);
	assert_true(sessions_check(&f.all, 0));
	must_be_told(conn, RUNNER_ENDED, &m);
	assert_false(sessions_check(&f.all, 0));
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_of_another_process_is_not_looked_for),
		cmocka_unit_test(any_that_has_ended_is_found),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
