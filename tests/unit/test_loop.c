// SPDX-License-Identifier: GPL-2.0-or-later
/* The event loop: sources, timers, jobs, hooks, signals and children. */
#include "netstack/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/log.h"
#include "tests/unit/harness.h"

#define NOTES 1024

struct fx {
	struct loop loop;
	char notes[NOTES]; /* what ran, a letter each, in order */
	size_t n_notes;
};

static void note(struct fx *fx, char c)
{
	assert_true(fx->n_notes < NOTES - 1);
	fx->notes[fx->n_notes++] = c;
}

static int setup(void **state)
{
	struct fx *fx = calloc(1, sizeof(*fx));

	*state = fx;
	return fx ? loop_init(&fx->loop) : -1;
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	loop_deinit(&fx->loop);
	loop_deinit(&fx->loop); /* idempotent */
	free(fx);
	return 0;
}

/* ---- sources ---- */

struct source {
	struct loop_source src;
	struct fx *fx;
	char name;
	uint32_t got;
	struct source *victim; /* deleted, and freed when on the heap */
};

static void source_close(struct source *s)
{
	loop_close(&s->fx->loop, &s->src);
}

static void on_source(struct loop_source *src, uint32_t revents)
{
	struct source *s = container_of(src, struct source, src);

	note(s->fx, s->name);
	s->got = revents;
	if (s->victim) {
		struct source *v = s->victim;

		s->victim = NULL;
		if (v->src.fd < 0)
			return;
		source_close(v);
		assert_int_equal(v->src.fd, -1);
		memset(v, 0xa5, sizeof(*v)); /* as free() and reuse would */
	}
}

static void source_open(struct fx *fx, struct source *s, char name,
			uint32_t events, unsigned int value)
{
	*s = (struct source){ .fx = fx, .name = name };
	s->src = (struct loop_source){ .events = events, .fn = on_source };
	s->src.fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(s->src.fd >= 0);
	assert_int_equal(loop_add(&fx->loop, &s->src), 0);
}

static void level_triggered_source_is_called_each_turn(void **state)
{
	struct fx *fx = *state;
	struct source s;

	source_open(fx, &s, 'a', EPOLLIN, 1);
	for (int i = 0; i < 3; i++)
		turn(&fx->loop);
	assert_string_equal(fx->notes, "aaa");
	assert_int_equal(s.got, EPOLLIN);
	source_close(&s);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "aaa");
	loop_del(&fx->loop, &s.src); /* harmless */
}

static void edge_triggered_source_is_called_again_after_loop_mod(void **state)
{
	struct fx *fx = *state;
	struct source s;

	source_open(fx, &s, 'a', EPOLLIN | EPOLLET, 1);
	turn(&fx->loop);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "a");
	assert_int_equal(loop_mod(&fx->loop, &s.src, EPOLLIN | EPOLLET), 0);
	turn(&fx->loop);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "aa");
	assert_int_equal(loop_mod(&fx->loop, &s.src, EPOLLOUT), 0);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "aaa");
	assert_int_equal(s.got, EPOLLOUT);
	source_close(&s);
}

/* Both are ready in one batch; the first one called ends the other. */
static void source_deleted_by_another_handler_is_not_called(void **state)
{
	struct fx *fx = *state;
	struct source a, b;

	source_open(fx, &a, 'a', EPOLLIN, 1);
	source_open(fx, &b, 'b', EPOLLIN, 1);
	a.victim = &b;
	b.victim = &a;
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 1);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 2);
	assert_int_equal(fx->notes[0], fx->notes[1]);
	source_close(fx->notes[0] == 'a' ? &a : &b);
}

static void source_may_delete_itself(void **state)
{
	struct fx *fx = *state;
	struct source a, b;

	source_open(fx, &a, 'a', EPOLLIN, 1);
	source_open(fx, &b, 'b', EPOLLIN, 1);
	a.victim = &a;
	turn(&fx->loop);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 3);
	source_close(&b);
}

static void closed_source_is_neither_watched_nor_open(void **state)
{
	struct fx *fx = *state;
	struct loop_source unwatched = LOOP_SOURCE_NULL;
	struct source a;
	int fd;
	scoped_fd copy = -1; /* keeps what is watched alive in the epoll */

	source_open(fx, &a, 'a', EPOLLIN, 1);
	fd = a.src.fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	assert_true(copy >= 0);
	loop_close(&fx->loop, &a.src);
	assert_int_equal(a.src.fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 0);
	loop_close(&fx->loop, &a.src); /* harmless */

	loop_close(&fx->loop, &unwatched);
	fd = unwatched.fd = fd_take(&copy); /* never added */
	loop_close(&fx->loop, &unwatched);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void more_sources_than_a_batch_are_all_served(void **state)
{
	static struct source s[LOOP_BATCH + 72];
	struct fx *fx = *state;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		source_open(fx, &s[i], 'x', EPOLLIN, 1);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, LOOP_BATCH);
	turn(&fx->loop);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
		n += s[i].got == EPOLLIN;
		source_close(&s[i]);
	}
	assert_int_equal(n, ARRAY_SIZE(s));
}

static void descriptor_that_cannot_be_watched_is_an_error(void **state)
{
	struct fx *fx = *state;
	struct loop_source src = { .fd = -1, .events = EPOLLIN };
	scoped_fd file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	log_init(LOG_ERROR, -1);
	assert_int_equal(loop_add(&fx->loop, &src), -EBADF);
	src.fd = file;
	assert_int_equal(loop_add(&fx->loop, &src), -EPERM);
	log_init(LOG_WARN, STDERR_FILENO);
}

/* ---- timers ---- */

struct timer {
	struct loop_timer t;
	struct fx *fx;
	struct timer *stop;
	struct mono again; /* re-arms itself for then */
	int left;
	char name;
};

static void on_timer(struct loop_timer *t)
{
	struct timer *x = container_of(t, struct timer, t);

	assert_int_equal(t->pos, 0);
	note(x->fx, x->name);
	if (x->stop)
		loop_timer_stop(&x->fx->loop, &x->stop->t);
	if (x->left-- > 0)
		assert_int_equal(loop_timer_set(&x->fx->loop, t, x->again), 0);
}

static void timer_init(struct fx *fx, struct timer *t, char name)
{
	*t = (struct timer){ .fx = fx, .name = name };
	t->t.fn = on_timer;
}

static void timers_fire_in_order_of_time(void **state)
{
	static const int at[] = { 50, 10, 90, 30, 70, 20, 80, 40, 60 };
	struct timer t[ARRAY_SIZE(at)];
	struct fx *fx = *state;

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		timer_init(fx, &t[i], (char)('0' + at[i] / 10));
		assert_int_equal(
			loop_timer_set(&fx->loop, &t[i].t, mono_ms(at[i])), 0);
	}
	turn(&fx->loop);
	assert_string_equal(fx->notes, "123456789");
	assert_int_equal(fx->loop.n_timers, 0);
}

/* Against a plain list, with every operation at random. */
static void heap_of_timers_agrees_with_a_sorted_list(void **state)
{
	static struct timer t[200];
	struct fx *fx = *state;
	unsigned int seed = 1;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		timer_init(fx, &t[i], 'x');
	for (int round = 0; round < 20000; round++) {
		struct timer *x = &t[(size_t)rand_r(&seed) % ARRAY_SIZE(t)];
		struct mono min = MONO_NEVER;
		size_t armed = 0;

		if (rand_r(&seed) % 3 == 0)
			loop_timer_stop(&fx->loop, &x->t);
		else
			(void)loop_timer_set(&fx->loop, &x->t,
					     mono_s(rand_r(&seed) % 50));
		for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
			if (!t[i].t.pos)
				continue;
			armed++;
			assert_ptr_equal(fx->loop.heap[t[i].t.pos], &t[i].t);
			if (mono_before(t[i].t.at, min))
				min = t[i].t.at;
		}
		assert_int_equal(fx->loop.n_timers, armed);
		if (armed)
			assert_int_equal(fx->loop.heap[1]->at.ns, min.ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		loop_timer_stop(&fx->loop, &t[i].t);
}

static void timer_may_be_moved_and_stopped(void **state)
{
	struct fx *fx = *state;
	struct timer a, b;

	timer_init(fx, &a, 'a');
	timer_init(fx, &b, 'b');
	(void)loop_timer_set(&fx->loop, &a.t, mono_ms(1));
	(void)loop_timer_set(&fx->loop, &a.t, MONO_NEVER);
	(void)loop_timer_set(&fx->loop, &b.t, mono_ms(1));
	assert_int_equal(fx->loop.n_timers, 2);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "b");
	(void)loop_timer_set(&fx->loop, &a.t, mono_ms(1));
	loop_timer_stop(&fx->loop, &a.t);
	loop_timer_stop(&fx->loop, &a.t); /* harmless */
	turn(&fx->loop);
	assert_string_equal(fx->notes, "b");
}

static void timer_stopped_by_an_earlier_one_does_not_fire(void **state)
{
	struct fx *fx = *state;
	struct timer a, b;

	timer_init(fx, &a, 'a');
	timer_init(fx, &b, 'b');
	a.stop = &b;
	(void)loop_timer_set(&fx->loop, &b.t, mono_ms(2));
	(void)loop_timer_set(&fx->loop, &a.t, mono_ms(1));
	turn(&fx->loop);
	assert_string_equal(fx->notes, "a");
}

static void timer_that_rearms_itself_lets_the_turn_end(void **state)
{
	struct fx *fx = *state;
	struct timer a, b;

	timer_init(fx, &a, 'a');
	timer_init(fx, &b, 'b');
	a.left = 100;
	a.again = mono_ms(1);
	(void)loop_timer_set(&fx->loop, &a.t, mono_ms(1));
	(void)loop_timer_set(&fx->loop, &b.t, MONO_NEVER);
	turn(&fx->loop);
	assert_true(fx->n_notes >= 1 && fx->n_notes <= 2);
	loop_timer_stop(&fx->loop, &a.t);
	loop_timer_stop(&fx->loop, &b.t);
}

struct stopper {
	struct loop_timer t;
	struct loop *loop;
};

static void stop_here(struct loop_timer *t)
{
	loop_stop(container_of(t, struct stopper, t)->loop, 7);
}

static void sleep_ends_when_a_timer_is_due_and_not_before(void **state)
{
	struct fx *fx = *state;
	struct stopper s = { .t.fn = stop_here, .loop = &fx->loop };
	struct mono start = mono_now(), took;

	(void)loop_timer_set(&fx->loop, &s.t, mono_add(start, mono_ms(20)));
	assert_int_equal(loop_run(&fx->loop), 7);
	took = mono_sub(mono_now(), start);
	assert_true(took.ns >= mono_ms(20).ns);
	assert_true(took.ns < mono_s(5).ns);
	assert_false(
		mono_before(loop_now(&fx->loop), mono_add(start, mono_ms(20))));
}

static void first_status_of_loop_stop_wins(void **state)
{
	struct fx *fx = *state;

	loop_stop(&fx->loop, 3);
	loop_stop(&fx->loop, 4);
	assert_int_equal(loop_run(&fx->loop), 3);
}

/* ---- jobs ---- */

struct job {
	struct loop_job job;
	struct fx *fx;
	char name;
	struct job *then, *cancel;
	int left;
};

static void on_job(struct loop_job *job)
{
	struct job *j = container_of(job, struct job, job);

	assert_false(list_linked(&job->link));
	note(j->fx, j->name);
	if (j->then && j->left-- > 0)
		loop_defer(&j->fx->loop, &j->then->job);
	if (j->cancel)
		list_del(&j->cancel->job.link);
}

static void job_init(struct fx *fx, struct job *j, char name)
{
	*j = (struct job){ .fx = fx, .name = name };
	j->job.fn = on_job;
	list_init(&j->job.link);
}

static void jobs_run_once_in_order_after_the_batch(void **state)
{
	struct fx *fx = *state;
	struct source s;
	struct job a, b;

	job_init(fx, &a, 'a');
	job_init(fx, &b, 'b');
	source_open(fx, &s, 's', EPOLLIN | EPOLLET, 1);
	loop_defer(&fx->loop, &a.job);
	loop_defer(&fx->loop, &b.job);
	loop_defer(&fx->loop, &a.job); /* waits already */
	turn(&fx->loop);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "sab");
	source_close(&s);
}

static void job_deferred_by_a_job_runs_in_the_next_turn(void **state)
{
	struct fx *fx = *state;
	struct job a, b;

	job_init(fx, &a, 'a');
	job_init(fx, &b, 'b');
	a.then = &a;
	a.left = 2;
	b.then = &a;
	loop_defer(&fx->loop, &a.job);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "a");
	assert_true(list_linked(&a.job.link));
	loop_defer(&fx->loop, &b.job);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "aab");
	turn(&fx->loop);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "aaba");
}

static void job_may_be_taken_back_even_by_another_job(void **state)
{
	struct fx *fx = *state;
	struct job a, b, c;

	job_init(fx, &a, 'a');
	job_init(fx, &b, 'b');
	job_init(fx, &c, 'c');
	a.cancel = &b;
	loop_defer(&fx->loop, &c.job);
	list_del(&c.job.link);
	loop_defer(&fx->loop, &a.job);
	loop_defer(&fx->loop, &b.job);
	turn(&fx->loop);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "a");
}

/* ---- hooks ---- */

struct hook {
	struct loop_hook hook;
	struct fx *fx;
	struct mono want;
	struct job *defer;
	bool stop;
};

static struct mono hook_before(struct loop_hook *hook)
{
	struct hook *h = container_of(hook, struct hook, hook);

	note(h->fx, '<');
	if (h->defer)
		loop_defer(&h->fx->loop, &h->defer->job);
	return h->want;
}

static void hook_after(struct loop_hook *hook)
{
	struct hook *h = container_of(hook, struct hook, hook);

	note(h->fx, '>');
	if (h->stop)
		loop_stop(&h->fx->loop, 0);
}

static void hook_runs_around_the_sleep_and_bounds_it(void **state)
{
	struct fx *fx = *state;
	struct hook h = { .fx = fx, .stop = true };
	struct hook silent = { .fx = fx };
	struct mono start = mono_now(), took;

	h.hook.before = hook_before;
	h.hook.after = hook_after;
	h.want = mono_add(start, mono_ms(10));
	loop_hook_add(&fx->loop, &silent.hook); /* both NULL */
	loop_hook_add(&fx->loop, &h.hook);
	assert_int_equal(loop_run(&fx->loop), 0);
	took = mono_sub(mono_now(), start);
	assert_string_equal(fx->notes, "<>");
	assert_true(took.ns >= mono_ms(10).ns && took.ns < mono_s(5).ns);
	list_del(&h.hook.link);
	fx->loop.stopped = false;
	turn(&fx->loop);
	assert_string_equal(fx->notes, "<>");
	list_del(&silent.hook.link);
}

static void job_deferred_by_a_hook_keeps_the_loop_awake(void **state)
{
	struct fx *fx = *state;
	struct hook h = { .fx = fx, .stop = true, .want = MONO_NEVER };
	struct mono start = mono_now();
	struct job j;

	job_init(fx, &j, 'j');
	h.hook.before = hook_before;
	h.hook.after = hook_after;
	h.defer = &j;
	loop_hook_add(&fx->loop, &h.hook);
	assert_int_equal(loop_run(&fx->loop), 0);
	assert_string_equal(fx->notes, "<>j");
	assert_true(mono_sub(mono_now(), start).ns < mono_s(5).ns);
	list_del(&h.hook.link);
}

/* ---- signals and children ---- */

static void signals_come_as_events(void **state)
{
	struct fx *fx = *state;
	struct signalfd_siginfo info;
	struct source s = { .fx = fx, .name = 's' };
	static const int signals[] = { SIGUSR1 };
	sigset_t old;

	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &old), 0);
	assert_int_equal(loop_signals(&fx->loop, &s.src, signals, 1, on_source),
			 0);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 0);
	assert_int_equal(raise(SIGUSR1), 0);
	turn(&fx->loop);
	assert_string_equal(fx->notes, "s");
	assert_int_equal(read(s.src.fd, &info, sizeof(info)), sizeof(info));
	assert_int_equal(info.ssi_signo, SIGUSR1);
	assert_int_equal(read(s.src.fd, &info, sizeof(info)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(fcntl(s.src.fd, F_GETFD) & FD_CLOEXEC);
	source_close(&s);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

static void end_of_a_child_comes_as_an_event(void **state)
{
	struct fx *fx = *state;
	struct source s = { .fx = fx, .name = 'c' };
	int status, go[2];
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		(void)close(go[1]);
		(void)!read(go[0], &c, 1);
		_exit(9);
	}
	assert_int_equal(loop_child(&fx->loop, &s.src, pid, on_source), 0);
	turn(&fx->loop);
	assert_int_equal(fx->n_notes, 0);
	fd_drop(&go[0]);
	fd_drop(&go[1]);
	WAIT(&fx->loop, fx->n_notes > 0);
	assert_true(fcntl(s.src.fd, F_GETFD) & FD_CLOEXEC);
	source_close(&s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 9);
	log_init(LOG_ERROR, -1);
	assert_true(loop_child(&fx->loop, &s.src, pid, on_source) < 0);
	log_init(LOG_WARN, STDERR_FILENO);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(level_triggered_source_is_called_each_turn),
		TEST(edge_triggered_source_is_called_again_after_loop_mod),
		TEST(source_deleted_by_another_handler_is_not_called),
		TEST(source_may_delete_itself),
		TEST(closed_source_is_neither_watched_nor_open),
		TEST(more_sources_than_a_batch_are_all_served),
		TEST(descriptor_that_cannot_be_watched_is_an_error),
		TEST(timers_fire_in_order_of_time),
		TEST(heap_of_timers_agrees_with_a_sorted_list),
		TEST(timer_may_be_moved_and_stopped),
		TEST(timer_stopped_by_an_earlier_one_does_not_fire),
		TEST(timer_that_rearms_itself_lets_the_turn_end),
		TEST(sleep_ends_when_a_timer_is_due_and_not_before),
		TEST(first_status_of_loop_stop_wins),
		TEST(jobs_run_once_in_order_after_the_batch),
		TEST(job_deferred_by_a_job_runs_in_the_next_turn),
		TEST(job_may_be_taken_back_even_by_another_job),
		TEST(hook_runs_around_the_sleep_and_bounds_it),
		TEST(job_deferred_by_a_hook_keeps_the_loop_awake),
		TEST(signals_come_as_events),
		TEST(end_of_a_child_comes_as_an_event),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
