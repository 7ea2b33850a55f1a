// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of containers, in a runtime directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "netstack/base/fd.h"
#include "setup/state/state.h"
#include "tests/unit/capture.h"
#include "tests/unit/state_dir.h"

struct fixture {
	struct state_dir dir;
	struct state s;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (state_dir_make(&f->dir))
		return -1;
	f->s = (struct state)STATE_NULL;
	return state_open(&f->s);
}

static int remove_one(void *arg, struct state_record *rec)
{
	const struct fixture *f = arg;
	struct state_own own;

	if (!state_take(&f->s, rec->name, &own))
		state_remove(&own);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int rc;

	(void)state_each(&f->s, remove_one, f);
	state_close(&f->s);
	rc = state_dir_remove(&f->dir);
	free(f);
	return rc;
}

static struct state_record new_record(void)
{
	struct state_record rec = {
		.dir = -1,
		.detached = true,
		.created_ms = 1000,
		.started_ms = 2000,
		.exit_code = -1,
	};

	assert_int_equal(state_proc_of(getpid(), &rec.supervisor), 0);
	rec.init = rec.supervisor;
	return rec;
}

static struct state_own must_create(struct fixture *f, const char *name,
				    const struct state_record *rec)
{
	struct state_own own;

	assert_int_equal(state_create(&f->s, name, rec, &own), 0);
	return own;
}

static enum state_phase phase_now(struct fixture *f, const char *name)
{
	struct state_record rec;
	enum state_phase phase;

	assert_int_equal(state_find(&f->s, name, &rec), 0);
	phase = rec.phase;
	state_drop(&rec);
	return phase;
}

static bool exists(struct fixture *f, const char *name)
{
	struct state_record rec;
	int rc = state_find(&f->s, name, &rec);

	state_drop(&rec);
	assert_true(rc == 0 || rc == -ENOENT);
	return !rc;
}

static int count_one(void *arg, struct state_record *rec)
{
	(void)rec;
	++*(int *)arg;
	return 0;
}

static int count(struct fixture *f)
{
	int n = 0;

	assert_int_equal(state_each(&f->s, count_one, &n), 0);
	return n;
}

/* A child makes the record, runs @then, and is killed. */
static void made_and_killed(struct fixture *f, const char *name,
			    const struct state_record *rec,
			    void (*then)(struct state_own *own))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct state_own own;

		if (!state_create(&f->s, name, rec, &own) && then)
			then(&own);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* ---- names ---- */

static void names_are_what_the_manual_says(void **state)
{
	char longest[STATE_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[STATE_NAME_MAX] = '\0';
	assert_true(state_name_ok("web"));
	assert_true(state_name_ok("0.a_b-c"));
	assert_true(state_name_ok(longest));
	longest[STATE_NAME_MAX] = 'a';
	longest[STATE_NAME_MAX + 1] = '\0';
	assert_false(state_name_ok(longest));
	assert_false(state_name_ok(""));
	assert_false(state_name_ok(".web"));
	assert_false(state_name_ok("-web"));
	assert_false(state_name_ok("Web"));
	assert_false(state_name_ok("a/b"));
	assert_false(state_name_ok("a\n"));
}

static void made_up_names_are_names_and_differ(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own[100];

	for (int i = 0; i < 100; i++) {
		own[i] = must_create(f, NULL, &rec);
		assert_true(state_name_ok(own[i].name));
	}
	assert_int_equal(count(f), 100);
	for (int i = 0; i < 100; i++)
		state_remove(&own[i]);
	assert_int_equal(count(f), 0);
}

/* ---- records ---- */

static void a_record_says_what_was_saved(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record(), got;
	struct state_own own;

	rec.command = json_pack("[s, s]", "sleep", "5");
	rec.kind = STATE_POD;
	state_new_id(rec.id);
	memcpy(rec.pod, "hull", sizeof("hull"));
	own = must_create(f, "web", &rec);
	assert_int_equal(state_find(&f->s, "web", &got), 0);
	assert_string_equal(got.name, "web");
	assert_int_equal(got.kind, STATE_POD);
	assert_int_equal(strlen(got.id), STATE_ID_TEXT - 1);
	assert_string_equal(got.id, rec.id);
	assert_string_equal(got.pod, "hull");
	assert_int_equal(got.phase, STATE_RUNNING);
	assert_int_equal(got.supervisor.pid, getpid());
	assert_true(got.supervisor.start_ticks == rec.supervisor.start_ticks);
	assert_true(got.detached);
	assert_false(got.remove);
	assert_true(got.created_ms == 1000 && got.started_ms == 2000);
	assert_int_equal(got.exit_code, -1);
	assert_true(json_equal(got.command, rec.command));
	assert_null(got.ports);
	state_drop(&got);
	state_drop(&rec);
	state_release(&own);
}

static void phases_follow_lock_and_record(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own;

	rec.init.pid = 0;
	own = must_create(f, "web", &rec);
	assert_int_equal(phase_now(f, "web"), STATE_STARTING);
	rec.init = rec.supervisor;
	assert_int_equal(state_save(&own, &rec), 0);
	assert_int_equal(phase_now(f, "web"), STATE_RUNNING);
	rec.finished_ms = 3000;
	assert_int_equal(state_save(&own, &rec), 0);
	assert_int_equal(phase_now(f, "web"), STATE_EXITED);
	state_release(&own);
	assert_int_equal(phase_now(f, "web"), STATE_EXITED);
}

static void a_name_belongs_to_one(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own = must_create(f, "web", &rec), other;
	struct capture c = capture_start(STDERR_FILENO);
	char text[256];

	assert_int_equal(state_create(&f->s, "web", &rec, &other), -EEXIST);
	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_non_null(strstr(text, "is running"));
	state_release(&own);
	c = capture_start(STDERR_FILENO);
	assert_int_equal(state_create(&f->s, "web", &rec, &other), -EEXIST);
	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_non_null(strstr(text, "podsplice rm web"));
	assert_int_equal(count(f), 1);
}

static void a_running_one_is_not_taken(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own = must_create(f, "web", &rec), other;

	assert_int_equal(state_take(&f->s, "web", &other), -EBUSY);
	state_release(&own);
	assert_int_equal(state_take(&f->s, "web", &other), 0);
	assert_int_equal(state_take(&f->s, "web", &own), -EBUSY);
	state_remove(&other);
	assert_int_equal(state_take(&f->s, "web", &own), -ENOENT);
	assert_int_equal(state_take(&f->s, "../web", &own), -ENOENT);
}

/* One that was stopped while it removes: nobody hangs, or spins, on it. */
static void an_owner_that_does_not_end_is_not_waited_for_for_ever(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own, other;

	rec.supervisor.start_ticks++; /* long gone */
	rec.finished_ms = 3000;
	own = must_create(f, "web", &rec);
	assert_int_equal(phase_now(f, "web"), STATE_EXITED);
	assert_int_equal(state_take(&f->s, "web", &other), -EBUSY);
	state_release(&own);
	assert_int_equal(state_take(&f->s, "web", &other), 0);
	state_remove(&other);
}

/* Descriptors for finding it and for its lock, but none to keep. */
static void a_record_that_cannot_be_held_is_not_taken(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own = must_create(f, "web", &rec);
	struct capture c = capture_start(STDERR_FILENO);
	struct rlimit all, few;
	char text[256];
	int next, rc;

	state_release(&own);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	few.rlim_cur = (rlim_t)next + 2;
	fd_drop(&next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	rc = state_take(&f->s, "web", &own);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_int_equal(rc, -EMFILE);
	assert_int_equal(state_take(&f->s, "web", &own), 0);
	state_remove(&own);
}

/* ---- deaths ---- */

static void a_killed_one_that_was_to_stay_has_no_exit_code(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record(), got;

	made_and_killed(f, "web", &rec, NULL);
	assert_int_equal(state_find(&f->s, "web", &got), 0);
	assert_int_equal(got.phase, STATE_EXITED);
	assert_int_equal(got.exit_code, -1);
	assert_true(got.finished_ms == 0);
	state_drop(&got);
}

static void a_killed_one_that_was_not_to_stay_is_removed(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own;

	rec.remove = true;
	made_and_killed(f, "with-rm", &rec, NULL);
	assert_false(exists(f, "with-rm"));
	rec.remove = rec.detached = false;
	made_and_killed(f, "foreground", &rec, NULL);
	assert_int_equal(count(f), 0);
	rec.detached = true;
	rec.started_ms = 0;
	made_and_killed(f, "never-started", &rec, NULL);
	/* its name is free at once */
	own = must_create(f, "never-started", &rec);
	state_remove(&own);
}

static void leave_the_rest(struct state_own *own)
{
	/* state_remove(), killed in the middle */
	(void)renameat(own->containers, own->name, own->containers, ".gone");
	(void)unlinkat(own->dir, "state.json", 0);
}

static void lose_the_lock(struct state_own *own)
{
	leave_the_rest(own);
	(void)unlinkat(own->dir, "lock", 0);
}

static void a_removal_that_was_killed_is_finished(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();

	made_and_killed(f, "web", &rec, leave_the_rest);
	assert_false(exists(f, "web"));
	assert_int_equal(count(f), 0);
	assert_int_equal(faccessat(f->s.containers, ".gone", F_OK, 0), -1);
	made_and_killed(f, "web", &rec, lose_the_lock);
	assert_int_equal(count(f), 0);
	assert_int_equal(faccessat(f->s.containers, ".gone", F_OK, 0), -1);
}

static void damage(struct state_own *own)
{
	scoped_fd fd = openat(own->dir, "state.json", O_WRONLY | O_TRUNC);

	(void)!write(fd, "{\"sche", 6);
}

static void what_cannot_be_understood_is_left_to_the_user(void **state)
{
	struct fixture *f = *state;
	struct state_record rec = new_record();
	struct state_own own;

	made_and_killed(f, "web", &rec, damage);
	assert_int_equal(count(f), 1);
	assert_int_equal(phase_now(f, "web"), STATE_EXITED);
	assert_int_equal(state_take(&f->s, "web", &own), 0);
	state_remove(&own);
	assert_int_equal(count(f), 0);
}

static void a_pid_that_is_anothers_now_is_nobodys(void **state)
{
	struct state_proc self;
	int fd;

	(void)state;
	assert_int_equal(state_proc_of(getpid(), &self), 0);
	fd = state_pidfd(&self);
	assert_true(fd >= 0);
	fd_drop(&fd);
	self.start_ticks++;
	assert_int_equal(state_pidfd(&self), -ESRCH);
	self.pid = 0;
	assert_int_equal(state_pidfd(&self), -ESRCH);
	assert_int_equal(state_proc_of(-1, &self), -ESRCH);
}

/* ---- many at once ---- */

enum { WORKERS = 20, ROUNDS = 20 };

/* Return: how often the name was ours; owners can't be two at once */
static int fight(struct fixture *f, int counter)
{
	struct state_record rec = new_record();
	int won = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct state_own own;
		char c = 'x';

		if (state_create(&f->s, "web", &rec, &own))
			continue;
		/* a pipe with one byte: who owns the name has it */
		if (read(counter, &c, 1) != 1 || c != 'x')
			_exit(100);
		if (write(counter + 1, &c, 1) != 1)
			_exit(101);
		state_remove(&own);
		won++;
	}
	return won;
}

static void twenty_at_once_have_one_owner_each_time(void **state)
{
	struct fixture *f = *state;
	pid_t pids[WORKERS];
	int fds[2], total = 0;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(fds[1], fds[0] + 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct capture c = capture_start(STDERR_FILENO);

			(void)c; /* "is running", many times */
			_exit(fight(f, fds[0]));
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		int status;

		/* somebody looks at them all the time, and sweeps */
		(void)count(f);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) < 100);
		total += WEXITSTATUS(status);
	}
	assert_true(total > 0);
	assert_int_equal(count(f), 0);
	fd_drop(&fds[0]);
	fd_drop(&fds[1]);
}

/* ---- other users ---- */

static void refused(const char *what)
{
	struct state s;
	struct capture c = capture_start(STDERR_FILENO);
	char text[512];
	int rc = state_open(&s);

	assert_true(is_one_message(capture_stop(&c, text, sizeof(text))));
	assert_int_not_equal(rc, 0);
	assert_int_equal(s.containers, -1);
	if (!strstr(text, what))
		fail_msg("'%s' isn't in: %s", what, text);
}

static void a_directory_open_to_others_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/podsplice", f->dir.path);
	assert_int_equal(chmod(path, 0770), 0);
	refused("open to others");
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(chmod(f->dir.path, 0777), 0);
	refused("open to others");
	assert_int_equal(chmod(f->dir.path, 0700), 0);
}

static void a_symlink_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[128], away[128];

	(void)snprintf(path, sizeof(path), "%s/podsplice", f->dir.path);
	(void)snprintf(away, sizeof(away), "%s/elsewhere", f->dir.path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(symlink(away, path), 0);
	refused("podsplice");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(away, path), 0);
}

static void another_users_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[128];

	if (geteuid() != 0)
		skip(); /* only root can give a directory away */
	(void)snprintf(path, sizeof(path), "%s/podsplice", f->dir.path);
	assert_int_equal(chown(path, 1, (gid_t)-1), 0);
	refused("another user");
	assert_int_equal(chown(path, 0, (gid_t)-1), 0);
	assert_int_equal(chown(f->dir.path, 1, (gid_t)-1), 0);
	refused("another user");
	assert_int_equal(chown(f->dir.path, 0, (gid_t)-1), 0);
}

static void what_is_no_record_is_left_alone(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd =
		openat(f->s.containers, "file", O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(symlinkat("/", f->s.containers, "link"), 0);
	assert_int_equal(count(f), 0);
	assert_int_equal(unlinkat(f->s.containers, "file", 0), 0);
	assert_int_equal(unlinkat(f->s.containers, "link", 0), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_what_the_manual_says),
		T(made_up_names_are_names_and_differ),
		T(a_record_says_what_was_saved),
		T(phases_follow_lock_and_record),
		T(a_name_belongs_to_one),
		T(a_running_one_is_not_taken),
		T(an_owner_that_does_not_end_is_not_waited_for_for_ever),
		T(a_record_that_cannot_be_held_is_not_taken),
		T(a_killed_one_that_was_to_stay_has_no_exit_code),
		T(a_killed_one_that_was_not_to_stay_is_removed),
		T(a_removal_that_was_killed_is_finished),
		T(what_cannot_be_understood_is_left_to_the_user),
		cmocka_unit_test(a_pid_that_is_anothers_now_is_nobodys),
		T(twenty_at_once_have_one_owner_each_time),
		T(a_directory_open_to_others_is_refused),
		T(a_symlink_is_refused),
		T(another_users_directory_is_refused),
		T(what_is_no_record_is_left_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
