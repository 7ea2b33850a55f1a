// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The front against a pid 1 that is only an ordinary child: it speaks the
 * messages, records the signals it is sent, and ends as the test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "setup/pod/front.h"
#include "setup/pod/init.h"
#include "setup/pod/runner.h"

enum { GUARDED = 250, WRONG = 251 };

struct fx {
	struct loop loop;
	struct loop_timer guard;
	struct front *front;
	struct run_config run;
	int signal; /* raised when ready; 0: none */
	bool go;
	int n_done;
};

static void on_guard(struct loop_timer *t)
{
	loop_stop(&container_of(t, struct fx, guard)->loop, GUARDED);
}

static void on_ready(void *arg)
{
	struct fx *f = arg;

	if (f->go)
		front_go(f->front);
	if (f->signal)
		(void)kill(getpid(), f->signal);
}

static void on_done(void *arg, int status)
{
	struct fx *f = arg;

	f->n_done++;
	f->front = front_free(f->front);
	loop_stop(&f->loop, status);
}

static void expect(int ctl, struct msg *m, uint32_t type)
{
	if (msg_recv(ctl, m) != 1 || m->type != type)
		_exit(WRONG);
}

/* The children: each ends with _exit() or by a signal. */

static void child_exits(int ctl)
{
	struct msg m;

	(void)msg_send(ctl, RUNNER_READY, NULL, 0, NULL, 0);
	expect(ctl, &m, RUNNER_GO);
	_exit(42);
}

static void child_waits(int ctl)
{
	(void)msg_send(ctl, RUNNER_READY, NULL, 0, NULL, 0);
	for (;;)
		(void)pause();
}

static void child_fails_early(int ctl)
{
	(void)ctl;
	_exit(125);
}

/* Ends with the signal it was sent, plus 100 for a whole group. */
static void child_tells_signal(int ctl)
{
	struct runner_signal s;
	struct msg m;

	(void)msg_send(ctl, RUNNER_READY, NULL, 0, NULL, 0);
	expect(ctl, &m, RUNNER_GO);
	expect(ctl, &m, RUNNER_SIGNAL);
	if (m.len != sizeof(s))
		_exit(WRONG);
	memcpy(&s, m.body, sizeof(s));
	_exit(s.sig + s.group * 100);
}

static void child_gives_no_terminal(int ctl)
{
	child_waits(ctl);
}

static int run_front(struct fx *f, void (*child)(int ctl))
{
	const struct front_ops ops = { on_ready, NULL, on_done, f };
	int pair[2], rc;
	pid_t pid;

	assert_int_equal(loop_init(&f->loop), 0);
	f->guard = (struct loop_timer){ .fn = on_guard };
	assert_int_equal(loop_timer_set(&f->loop, &f->guard,
					mono_add(mono_now(), mono_s(20))),
			 0);
	assert_int_equal(msg_pair(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		child(pair[1]);
	}
	close(pair[1]);
	assert_int_equal(
		front_new(&f->front, &f->loop, pair[0], pid, &f->run, &ops), 0);
	rc = loop_run(&f->loop);
	assert_int_equal(f->n_done, 1);
	loop_deinit(&f->loop);
	return rc;
}

static void the_status_of_pid_1_is_passed_on(void **state)
{
	struct fx f = { .go = true };

	(void)state;
	assert_int_equal(run_front(&f, child_exits), 42);
}

static void a_failure_before_ready_ends_it(void **state)
{
	struct fx f = { .go = true };

	(void)state;
	assert_int_equal(run_front(&f, child_fails_early), 125);
}

static void a_signal_before_the_start_ends_the_pod(void **state)
{
	struct fx f = { .signal = SIGTERM };

	(void)state;
	assert_int_equal(run_front(&f, child_waits), 128 + SIGTERM);
}

static void a_signal_of_a_process_goes_to_the_command_alone(void **state)
{
	struct fx f = { .go = true, .signal = SIGUSR2 };

	(void)state;
	assert_int_equal(run_front(&f, child_tells_signal), SIGUSR2);
}

static void sigcont_goes_to_the_whole_group(void **state)
{
	struct fx f = { .go = true, .signal = SIGCONT };

	(void)state;
	assert_int_equal(run_front(&f, child_tells_signal), SIGCONT + 100);
}

static void a_pid_1_without_the_promised_terminal_is_killed(void **state)
{
	struct fx f = { .go = true, .run.tty = true };

	(void)state;
	assert_int_equal(run_front(&f, child_gives_no_terminal), 125);
}

static void wait_statuses_become_exit_statuses(void **state)
{
	(void)state;
	assert_int_equal(init_status(7 << 8), 7);
	assert_int_equal(init_status(SIGSEGV), 128 + SIGSEGV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_of_pid_1_is_passed_on),
		cmocka_unit_test(a_failure_before_ready_ends_it),
		cmocka_unit_test(a_signal_before_the_start_ends_the_pod),
		cmocka_unit_test(
			a_signal_of_a_process_goes_to_the_command_alone),
		cmocka_unit_test(sigcont_goes_to_the_whole_group),
		cmocka_unit_test(
			a_pid_1_without_the_promised_terminal_is_killed),
		cmocka_unit_test(wait_statuses_become_exit_statuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
