// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket's transport and its file. A verb "echo" returns its
 * arguments, "big" a megabyte of reply, "later" is answered when the test says
 * so. Limits are shortened where a test waits for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/un.h>

#include "netstack/base/log.h"
#include "setup/helper/control.h"
#include "setup/helper/control_frame.h"
#include "setup/helper/control_path.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"

#define ECHO(n) "{\"execute\":\"echo\",\"arguments\":{\"n\":" #n "}}"
#define SAID(n) "{\"return\":{\"n\":" #n "}}\n"
#define BIG	(1U << 20)

struct fixture {
	struct loop loop;
	struct control *control;
	struct own_file path;
	char dir[64], sock[96];
	struct list waiting; /* "later" */
	unsigned int n_requests;
};

static void on_request(void *arg, struct control_call *call, const char *verb,
		       const json_t *arguments)
{
	struct fixture *f = arg;

	f->n_requests++;
	if (strcmp(verb, "echo") == 0) {
		control_return(call, json_deep_copy(arguments));
	} else if (strcmp(verb, "big") == 0) {
		struct text *t = text_new();

		for (size_t i = 0; i < BIG; i += 16)
			text_puts(t, "0123456789abcdef");
		text_puts(t, "\n");
		control_reply(call, t);
		text_unref(t);
	} else if (strcmp(verb, "later") == 0) {
		list_append(&f->waiting, &call->link);
	} else {
		control_error(call, "no such verb: %s", verb);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->sock, sizeof(f->sock), "%s/s", f->dir);
	assert_int_equal(loop_init(&f->loop), 0);
	list_init(&f->waiting);
	fd = control_path_listen(f->sock, &f->path);
	assert_true(fd >= 0);
	assert_int_equal(control_new(&f->control, &f->loop, fd, on_request, f),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->control = control_free(f->control);
	own_file_drop(&f->path);
	loop_deinit(&f->loop);
	assert_int_equal(rmdir(f->dir), 0); /* the socket is gone */
	free(f);
	return 0;
}

static void limits(struct fixture *f, int64_t request, int64_t reply,
		   int64_t full)
{
	const struct control_times t = { mono_ms(request), mono_ms(reply),
					 mono_ms(full) };

	control_set_times(f->control, &t);
}

static int client(struct fixture *f)
{
	int fd = control_path_connect(AT_FDCWD, f->sock);

	assert_true(fd >= 0);
	assert_int_equal(fd_nonblock(fd), 0);
	return fd;
}

static void say_n(int fd, const char *s, size_t n)
{
	assert_int_equal(send(fd, s, n, MSG_NOSIGNAL), n);
}

static void say(int fd, const char *s)
{
	say_n(fd, s, strlen(s));
}

/* What came so far, up to @cap - 1; false at the end of file. */
static bool hear(int fd, char *buf, size_t cap, size_t *len)
{
	ssize_t n = recv(fd, buf + *len, cap - 1 - *len, MSG_DONTWAIT);

	if (n > 0)
		*len += (size_t)n;
	buf[*len] = '\0';
	return n != 0 && !(n < 0 && errno != EAGAIN);
}

static bool ended(int fd, char *buf, size_t cap, size_t *len)
{
	return !hear(fd, buf, cap, len);
}

static bool has(int fd, char *buf, size_t cap, size_t *len, const char *want)
{
	(void)hear(fd, buf, cap, len);
	return strcmp(buf, want) == 0;
}

static void expect(struct fixture *f, int fd, const char *want)
{
	char buf[4096] = "";
	size_t len = 0;

	WAIT(&f->loop, has(fd, buf, sizeof(buf), &len, want));
}

static void expect_end(struct fixture *f, int fd, const char *want)
{
	char buf[4096] = "";
	size_t len = 0;

	WAIT(&f->loop, ended(fd, buf, sizeof(buf), &len));
	assert_string_equal(buf, want);
}

/* ---- framing ---- */

static void frame_ends_with_its_brace_a_newline_or_not_at_all(void **state)
{
	static const struct {
		const char *in;
		size_t len;
	} cases[] = {
		{ "", 0 },	     { "{", 0 },
		{ "{}", 2 },	     { "{}{}", 2 },
		{ "{\"a\":{}", 0 },  { "{\"a\":{}}x", 8 },
		{ "{\"}\":1}", 7 },  { "{\"\\\"}\":1}", 9 },
		{ "{\"\\\\\"}", 6 }, { "{\"a\n}", 4 },
		{ "}", 1 },	     { "hello\n{}", 6 },
		{ "hello", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(frame_len(cases[i].in, strlen(cases[i].in)),
				 cases[i].len);
	assert_true(frame_closed("{\n}", 3) && frame_closed("{} x", 4));
	assert_false(frame_closed("{\n", 2) || frame_closed("x\n", 2));
	assert_int_equal(frame_blanks(" \r\n\t{", 5), 4);
	assert_int_equal(frame_blanks("\n\n", 2), 2);
}

static void control_answers_a_request_that_comes_in_pieces(void **state)
{
	static const char all[] = ECHO(7);
	struct fixture *f = *state;
	scoped_fd fd = client(f);

	for (size_t i = 0; i < sizeof(all) - 1; i++) {
		assert_int_equal(f->n_requests, 0);
		say_n(fd, all + i, 1);
		settle(&f->loop);
	}
	/* neither a newline nor a half-close was needed */
	expect(f, fd, SAID(7));
}

static void control_answers_many_requests_in_order(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);

	say(fd, ECHO(1) "\n\n  " ECHO(2) ECHO(3) "\r\n" ECHO(4) "\n");
	expect(f, fd, SAID(1) SAID(2) SAID(3) SAID(4));
	say(fd, ECHO(5));
	expect(f, fd, SAID(5));
}

static void control_ends_a_one_shot_client_behind_the_reply(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);

	say(fd, ECHO(1));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect_end(f, fd, SAID(1));
}

static void control_answers_half_a_request_at_its_half_close(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);
	char buf[512] = "";
	size_t len = 0;

	say(fd, "{\"execute\":\"ec");
	settle(&f->loop);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	WAIT(&f->loop, ended(fd, buf, sizeof(buf), &len));
	assert_ptr_equal(strstr(buf, "{\"error\":{\"desc\":\"bad request"),
			 buf);
	assert_int_equal(f->n_requests, 0);
}

static void control_serves_a_client_that_did_not_wait(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	say(fd, ECHO(1));
	fd_drop(&fd);
	WAIT(&f->loop, f->n_requests == 1);
	settle(&f->loop);
}

/* ---- other manners ---- */

static const struct control_manners once = {
	.too_long = 64,
	.once = true,
	.length = "long",
	.json = "json",
	.object = "object",
	.verb = "verb",
};

#define ERROR(desc) "{\"error\":{\"desc\":\"" desc "\"}}"

static void control_once_answers_one_request_without_a_newline(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f), two = client(f);

	control_set_manners(f->control, &once);
	say(fd, "\n{ \"execute\":\n \"echo\",");
	settle(&f->loop);
	assert_int_equal(f->n_requests, 0);
	say(fd, "\"arguments\":{}\n");
	settle(&f->loop);
	say(fd, "}\n");
	expect_end(f, fd, "{\"return\":{}}");
	say(two, "{\"execute\":\"no\"} {}" ECHO(2));
	expect_end(f, two, ERROR("no such verb: no"));
	assert_int_equal(f->n_requests, 2);
}

static void control_once_has_words_of_its_own(void **state)
{
	static const struct {
		const char *said, *want;
	} cases[] = {
		{ "", ERROR("json") },
		{ "{", ERROR("json") },
		{ "[]", ERROR("object") },
		{ "{}", ERROR("verb") },
		{ "0123456701234567012345670123456701234567012345670123456701234567",
		  ERROR("long") },
	};
	struct fixture *f = *state;

	control_set_manners(f->control, &once);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_fd fd = client(f);

		say(fd, cases[i].said);
		if (i < ARRAY_SIZE(cases) - 1)
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		expect_end(f, fd, cases[i].want);
	}
}

static void control_once_takes_what_a_slow_one_has_said(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);

	control_set_manners(f->control, &once);
	limits(f, 50, 10000, 10000);
	say(fd, "{\"execute\"");
	expect_end(f, fd, ERROR("json"));
}

/* ---- what is no request ---- */

static void control_refuses_what_is_no_request_and_goes_on(void **state)
{
	static const char *const bad[] = {
		"hello\n",
		"{\n",
		"}",
		"[]\n",
		"\"execute\"\n",
		"{}",
		"{\"execute\":1}",
		"{\"execute\":\"echo\",\"arguments\":[]}",
		"{\"execute\":\"echo\",\"execute\":\"echo\"}",
		"{\"execute\":\"\xff\xfe\"}",
		"{\"execute\":\"no\\u0000such\"}",
		"{\"execute\":\"other\"}",
	};
	struct fixture *f = *state;
	scoped_fd fd = client(f);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char buf[1024] = "";
		size_t len = 0;

		say(fd, bad[i]);
		WAIT(&f->loop, hear(fd, buf, sizeof(buf), &len) && len);
		if (strstr(buf, "{\"error\":{\"desc\":\"") != buf ||
		    buf[len - 1] != '\n' || strchr(buf, '\n') != buf + len - 1)
			fail_msg("'%s': %s", bad[i], buf);
	}
	say(fd, ECHO(9));
	expect(f, fd, SAID(9));
}

static void control_refuses_a_nul_byte(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);
	char buf[1024] = "";
	size_t len = 0;

	say_n(fd, "{\"execute\0\":1}", 14);
	WAIT(&f->loop, hear(fd, buf, sizeof(buf), &len) && len);
	assert_non_null(strstr(buf, "error"));
}

static void control_refuses_a_request_that_is_too_long(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);
	char blob[4096], buf[1024] = "";
	size_t sent = 0, len = 0;

	memset(blob, 'x', sizeof(blob));
	say(fd, "{\"execute\":\"");
	/* far more than is allowed: it must not block us, nor lose the reply */
	while (sent < 4 * CONTROL_REQUEST_MAX) {
		ssize_t n = send(fd, blob, sizeof(blob), MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		turn(&f->loop);
	}
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	WAIT(&f->loop, ended(fd, buf, sizeof(buf), &len));
	assert_non_null(strstr(buf, "too long"));
	assert_int_equal(f->n_requests, 0);
}

static void control_takes_a_request_of_the_greatest_length(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);
	char *all = malloc(CONTROL_REQUEST_MAX);
	size_t sent = 0;

	assert_non_null(all);
	memset(all, ' ', CONTROL_REQUEST_MAX);
	memcpy(all, ECHO(3), strlen(ECHO(3)) - 1);
	all[CONTROL_REQUEST_MAX - 1] = '}';
	while (sent < CONTROL_REQUEST_MAX) {
		ssize_t n = send(fd, all + sent, CONTROL_REQUEST_MAX - sent,
				 MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		turn(&f->loop);
	}
	expect(f, fd, SAID(3));
	free(all);
}

/* ---- slow, silent and rude clients ---- */

static void control_drops_who_never_ends_a_request(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f), idle = client(f);
	char buf[1024] = "";
	size_t len = 0;

	limits(f, 50, 10000, 10000);
	say(fd, "{\"execute\"");
	WAIT(&f->loop, ended(fd, buf, sizeof(buf), &len) || len);
	assert_non_null(strstr(buf, "error"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	WAIT(&f->loop, ended(fd, buf, sizeof(buf), &len));
	/* who asked for nothing may stay */
	say(idle, ECHO(1));
	expect(f, idle, SAID(1));
}

static void control_drops_who_does_not_read_a_reply(void **state)
{
	struct fixture *f = *state;
	scoped_fd rude = client(f), other = client(f);

	limits(f, 10000, 100, 10000);
	say(rude, "{\"execute\":\"big\"}");
	WAIT(&f->loop, f->n_requests == 1);
	settle(&f->loop);
	say(other, ECHO(1));
	expect(f, other, SAID(1));
	/* EPOLLHUP, or an error: it was closed with most of it unsent */
	WAIT(&f->loop, send(rude, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
}

static void control_gives_a_slow_reader_all_of_it(void **state)
{
	struct fixture *f = *state;
	scoped_fd fd = client(f);
	size_t got = 0;
	char buf[3000];

	must_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 4096);
	say(fd, "{\"execute\":\"big\"}");
	while (got < BIG + 1) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0)
			got += (size_t)n;
		turn(&f->loop);
	}
	assert_int_equal(buf[0] != 0, 1);
	say(fd, ECHO(1));
	expect(f, fd, SAID(1));
}

static void control_stops_reading_from_who_floods_it(void **state)
{
	struct fixture *f = *state;
	scoped_fd flood = client(f), other = client(f);
	unsigned int served;

	/* requests without end, and no reply is ever read */
	for (int i = 0; i < 20000; i++) {
		(void)send(flood, "{\"execute\":\"big\"}", 17, MSG_NOSIGNAL);
		if (i % 100 == 0)
			turn(&f->loop);
	}
	settle(&f->loop);
	served = f->n_requests;
	assert_in_range(served, 1, 3);
	say(other, ECHO(1));
	expect(f, other, SAID(1));
	assert_int_equal(f->n_requests, served + 1);
}

static void control_forgets_who_goes_before_the_answer(void **state)
{
	struct fixture *f = *state;
	int gone = client(f);
	scoped_fd stays = client(f);

	say(gone, "{\"execute\":\"later\"}");
	WAIT(&f->loop, f->n_requests == 1);
	say(stays, "{\"execute\":\"later\"}" ECHO(2));
	/* a half-close is no going away */
	assert_int_equal(shutdown(stays, SHUT_WR), 0);
	WAIT(&f->loop, f->n_requests == 2);
	fd_drop(&gone);
	settle(&f->loop);
	assert_ptr_equal(f->waiting.next, f->waiting.prev); /* one is left */
	assert_false(list_empty(&f->waiting));
	control_return(container_of(f->waiting.next, struct control_call, link),
		       json_integer(5));
	expect_end(f, stays, "{\"return\":5}\n" SAID(2));
}

static void control_serves_a_hundred_clients(void **state)
{
	struct fixture *f = *state;
	int fds[100];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client(f);
		say(fds[i], ECHO(1) "\n");
		assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		expect_end(f, fds[i], SAID(1));
		fd_drop(&fds[i]);
	}
}

static void control_makes_idle_clients_give_way(void **state)
{
	struct fixture *f = *state;
	int idle[CONTROL_CLIENTS_MAX];
	scoped_fd late = -1;
	char buf[64] = "";
	size_t len = 0;

	limits(f, 10000, 10000, 100);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		idle[i] = client(f);
	settle(&f->loop);
	late = client(f);
	say(late, ECHO(1));
	expect(f, late, SAID(1));
	/* and not more of them than had to: the last ones to be full */
	WAIT(&f->loop, ended(idle[0], buf, sizeof(buf), &len));
	assert_int_equal(len, 0);
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		fd_drop(&idle[i]);
	settle(&f->loop);
}

static void control_leaves_no_descriptor_behind(void **state)
{
	struct fixture *f = *state;
	size_t before = count_fds();

	for (int i = 0; i < 200; i++) {
		int fd = client(f);

		say(fd, i % 3 ? ECHO(1) : "{\"execute\":\"later\"}");
		if (i % 2)
			turn(&f->loop);
		fd_drop(&fd);
	}
	settle(&f->loop);
	assert_true(list_empty(&f->waiting));
	assert_int_equal(count_fds(), before);
}

/* ---- the file ---- */

/* Return: what control_path_listen() said, its message in @msg */
static int try_listen(const char *path, struct own_file *p, char *msg)
{
	struct capture c = capture_start(STDERR_FILENO);
	int fd = control_path_listen(path, p);

	(void)capture_stop(&c, msg, 1024);
	return fd;
}

static void control_path_is_for_its_owner_only(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->sock, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void control_path_of_a_living_one_is_refused(void **state)
{
	struct fixture *f = *state;
	struct own_file p;
	char msg[1024];
	scoped_fd fd = -1;

	assert_true(try_listen(f->sock, &p, msg) < 0);
	assert_true(is_one_message(msg));
	assert_non_null(strstr(msg, "in use"));
	fd = client(f);
	say(fd, ECHO(1));
	expect(f, fd, SAID(1));
}

static void control_path_may_be_taken_from_a_living_one(void **state)
{
	struct fixture *f = *state;
	char msg[1024], path[109];
	struct own_file p;
	struct capture c;
	scoped_fd fd = control_path_replace(f->sock, &p), conn = client(f);
	scoped_fd got = -1;

	assert_true(fd >= 0 && conn >= 0);
	got = accept(fd, NULL, NULL);
	assert_true(got >= 0);
	own_file_drop(&f->path); /* isn't its own any more */
	assert_int_equal(access(f->sock, F_OK), 0);
	own_file_drop(&p);
	assert_int_equal(access(f->sock, F_OK), -1);
	memset(path, 'p', sizeof(path));
	path[108] = '\0';
	c = capture_start(STDERR_FILENO);
	assert_int_equal(control_path_replace(path, &p), -ENAMETOOLONG);
	capture_stop(&c, msg, sizeof(msg));
	assert_non_null(strstr(msg, "too long (>= 108)"));
}

static void control_path_of_a_dead_one_is_taken(void **state)
{
	struct fixture *f = *state;
	struct own_file p;
	char msg[1024];
	int fd;

	f->control = control_free(f->control); /* the file stays */
	fd = try_listen(f->sock, &p, msg);
	assert_true(fd >= 0);
	assert_string_equal(msg, "");
	/* the first owner's end doesn't take it away */
	own_file_drop(&f->path);
	assert_int_equal(access(f->sock, F_OK), 0);
	fd_drop(&fd);
	own_file_drop(&p);
	own_file_drop(&p);
	assert_int_equal(access(f->sock, F_OK), -1);
}

static void control_path_of_another_thing_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[128], target[160], msg[1024];
	struct own_file p;
	scoped_fd file = -1;

	(void)snprintf(path, sizeof(path), "%s/file", f->dir);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_true(try_listen(path, &p, msg) < 0);
	assert_true(is_one_message(msg));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	/* nor is a link followed, not even to a dead socket */
	(void)snprintf(target, sizeof(target), "%s/none", f->dir);
	assert_int_equal(symlink(target, path), 0);
	assert_true(try_listen(path, &p, msg) < 0);
	assert_true(is_one_message(msg));
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(unlink(path), 0);
	assert_true(try_listen(f->dir, &p, msg) < 0);
	assert_true(is_one_message(msg));
}

static void control_path_may_be_long(void **state)
{
	struct fixture *f = *state;
	char deep[512], path[600], msg[1024];
	struct own_file p;
	int fd, c;

	(void)snprintf(deep, sizeof(deep), "%s/%0200d", f->dir, 1);
	assert_int_equal(mkdir(deep, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/sock", deep);
	fd = try_listen(path, &p, msg);
	assert_true(fd >= 0);
	c = control_path_connect(AT_FDCWD, path);
	assert_true(c >= 0);
	fd_drop(&c);
	fd_drop(&fd);
	own_file_drop(&p);
	assert_int_equal(rmdir(deep), 0);
}

static void control_path_that_can_not_be_is_one_message(void **state)
{
	static const char *const bad[] = { "/",
					   "/tmp/.",
					   "/tmp/..",
					   "/tmp/x/",
					   "/nonexistent/dir/sock",
					   "/proc/sock" };
	struct own_file p;
	char msg[1024], name[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(try_listen(bad[i], &p, msg) < 0);
		if (!is_one_message(msg))
			fail_msg("%s: '%s'", bad[i], msg);
		assert_int_equal(p.dir, -1);
		own_file_drop(&p);
	}
	memset(name, 'n', sizeof(name));
	name[200] = '\0';
	assert_true(try_listen(name, &p, msg) < 0);
	assert_true(is_one_message(msg));
	name[200] = 'n';
	name[299] = '\0';
	assert_true(try_listen(name, &p, msg) < 0);
	assert_true(is_one_message(msg));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			frame_ends_with_its_brace_a_newline_or_not_at_all),
		TEST(control_answers_a_request_that_comes_in_pieces),
		TEST(control_answers_many_requests_in_order),
		TEST(control_ends_a_one_shot_client_behind_the_reply),
		TEST(control_answers_half_a_request_at_its_half_close),
		TEST(control_serves_a_client_that_did_not_wait),
		TEST(control_once_answers_one_request_without_a_newline),
		TEST(control_once_has_words_of_its_own),
		TEST(control_once_takes_what_a_slow_one_has_said),
		TEST(control_refuses_what_is_no_request_and_goes_on),
		TEST(control_refuses_a_nul_byte),
		TEST(control_refuses_a_request_that_is_too_long),
		TEST(control_takes_a_request_of_the_greatest_length),
		TEST(control_drops_who_never_ends_a_request),
		TEST(control_drops_who_does_not_read_a_reply),
		TEST(control_gives_a_slow_reader_all_of_it),
		TEST(control_stops_reading_from_who_floods_it),
		TEST(control_forgets_who_goes_before_the_answer),
		TEST(control_serves_a_hundred_clients),
		TEST(control_makes_idle_clients_give_way),
		TEST(control_leaves_no_descriptor_behind),
		TEST(control_path_is_for_its_owner_only),
		TEST(control_path_of_a_living_one_is_refused),
		TEST(control_path_may_be_taken_from_a_living_one),
		TEST(control_path_of_a_dead_one_is_taken),
		TEST(control_path_of_another_thing_is_refused),
		TEST(control_path_may_be_long),
		cmocka_unit_test(control_path_that_can_not_be_is_one_message),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
