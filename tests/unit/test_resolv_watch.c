// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watch of resolv.conf, on files below a directory of its own that stands
 * for the root: etc/resolv.conf -> ../run/resolver/stub.conf.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "setup/net/resolv.h"

#define CONF   "etc/resolv.conf"
#define TARGET "run/resolver/stub.conf"
#define QUIET  150 /* ms: long enough for a look */

struct fx {
	struct loop loop;
	struct loop_timer guard;
	struct resolv_watch *watch;
	char dir[64], path[128];
	size_t n_changes;
	struct resolv now;
};

static void put(const char *path, unsigned int server)
{
	char text[64];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int len =
		snprintf(text, sizeof(text), "nameserver 192.0.2.%u\n", server);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, (size_t)len), len);
	close(fd);
}

static void on_changed(void *arg, const struct resolv *now)
{
	struct fx *f = arg;

	f->n_changes++;
	f->now = *now;
	loop_stop(&f->loop, 0);
}

static void on_guard(struct loop_timer *t)
{
	loop_stop(&container_of(t, struct fx, guard)->loop, 0);
}

static void run(struct fx *f, int ms)
{
	f->loop.stopped = false;
	assert_int_equal(loop_timer_set(&f->loop, &f->guard,
					mono_add(mono_now(), mono_ms(ms))),
			 0);
	assert_int_equal(loop_run(&f->loop), 0);
	loop_timer_stop(&f->loop, &f->guard);
}

/* The next change says that there is this server; 0: none */
static void expect(struct fx *f, unsigned int server)
{
	size_t n = f->n_changes;

	run(f, 3000);
	assert_int_equal(f->n_changes, n + 1);
	assert_int_equal(f->now.n_servers, server != 0);
	if (server)
		assert_int_equal(ntohl(f->now.servers[0].v4.sin_addr.s_addr) &
					 255,
				 server);
}

static void expect_nothing(struct fx *f)
{
	size_t n = f->n_changes;

	run(f, QUIET);
	assert_int_equal(f->n_changes, n);
}

static void start(struct fx *f)
{
	assert_int_equal(
		resolv_watch_new(&f->watch, &f->loop, f->path, on_changed, f),
		0);
}

static int setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(loop_init(&f->loop), 0);
	f->guard.fn = on_guard;
	strcpy(f->dir, "/tmp/test_watch.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chdir(f->dir), 0);
	(void)snprintf(f->path, sizeof(f->path), "%s/" CONF, f->dir);
	assert_int_equal(mkdir("etc", 0755), 0);
	assert_int_equal(mkdir("run", 0755), 0);
	assert_int_equal(mkdir("run/resolver", 0755), 0);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fx *f = *state;

	f->watch = resolv_watch_free(f->watch);
	loop_deinit(&f->loop);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

static void rewrite_in_place_is_seen(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	put(CONF, 2);
	expect(f, 2);
	put(CONF, 3);
	expect(f, 3);
}

static void rename_over_it_is_seen(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	for (unsigned int i = 2; i < 5; i++) {
		put("etc/new", i);
		assert_int_equal(rename("etc/new", CONF), 0);
		expect(f, i);
	}
	put(CONF, 9); /* the new file is watched, too */
	expect(f, 9);
}

static void removal_and_return_are_seen(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	assert_int_equal(unlink(CONF), 0);
	expect(f, 0);
	put(CONF, 2);
	expect(f, 2);
}

static void target_of_a_link_is_watched(void **state)
{
	struct fx *f = *state;

	put(TARGET, 1);
	assert_int_equal(symlink("../" TARGET, CONF), 0);
	start(f);
	put(TARGET, 2);
	expect(f, 2);
	put("run/resolver/tmp", 3);
	assert_int_equal(rename("run/resolver/tmp", TARGET), 0);
	expect(f, 3);
}

static void swapped_link_is_seen(void **state)
{
	struct fx *f = *state;

	put(TARGET, 1);
	put("run/other", 2);
	assert_int_equal(symlink("../" TARGET, CONF), 0);
	start(f);
	assert_int_equal(symlink("../run/other", "etc/new"), 0);
	assert_int_equal(rename("etc/new", CONF), 0);
	expect(f, 2);
	put("run/other", 3);
	expect(f, 3);
	put(TARGET, 4); /* no longer on the way */
	expect_nothing(f);
}

static void directory_on_the_way_may_come_and_go(void **state)
{
	struct fx *f = *state;

	assert_int_equal(symlink("../" TARGET, CONF), 0);
	assert_int_equal(rmdir("run/resolver"), 0);
	start(f);
	assert_int_equal(mkdir("run/resolver", 0755), 0);
	put(TARGET, 1);
	expect(f, 1);
	assert_int_equal(rename("run/resolver", "run/away"), 0);
	expect(f, 0);
	assert_int_equal(rename("run/away", "run/resolver"), 0);
	expect(f, 1);
	assert_int_equal(rename("run", "var"), 0);
	expect(f, 0);
	assert_int_equal(symlink("var", "run"), 0);
	expect(f, 1);
	put(TARGET, 2);
	expect(f, 2);
}

static void links_in_a_circle_are_survived(void **state)
{
	struct fx *f = *state;

	assert_int_equal(symlink("other", CONF), 0);
	assert_int_equal(symlink("resolv.conf", "etc/other"), 0);
	start(f);
	assert_int_equal(unlink("etc/other"), 0);
	put("etc/other", 1);
	expect(f, 1);
}

static void the_same_content_is_no_change(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	put(CONF, 1);
	assert_int_equal(chmod(CONF, 0600), 0);
	expect_nothing(f);
}

static void other_files_start_no_timer(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	run(f, QUIET);
	put("etc/passwd", 1);
	put("run/x", 1);
	f->loop.stopped = false;
	run(f, 10);
	assert_int_equal(f->loop.n_timers, 0);
}

static void burst_is_one_change(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	for (unsigned int i = 2; i < 100; i++) {
		put("etc/new", i);
		assert_int_equal(rename("etc/new", CONF), 0);
	}
	expect(f, 99);
	expect_nothing(f);
	assert_int_equal(f->n_changes, 1);
}

static void endless_burst_is_still_reported(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	start(f);
	for (unsigned int i = 0; i < 200 && f->n_changes == 0; i++) {
		put(CONF, 2 + i % 100);
		run(f, 10);
	}
	assert_int_equal(f->n_changes, 1);
}

static void watch_costs_few_watches_and_leaks_none(void **state)
{
	struct fx *f = *state;
	char path[64], line[256];
	size_t n = 0;
	FILE *info;

	put(CONF, 1);
	start(f);
	for (unsigned int i = 2; i < 12; i++) {
		put("etc/new", i);
		assert_int_equal(rename("etc/new", CONF), 0);
		expect(f, i);
	}
	/* the descriptor behind the loop's: inotify; count its watches */
	for (int fd = f->loop.epfd + 1; n == 0 && fd < f->loop.epfd + 4; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = fopen(path, "re");
		while (info && fgets(line, sizeof(line), info))
			n += strncmp(line, "inotify ", 8) == 0;
		if (info)
			fclose(info);
	}
	assert_int_equal(n, 5); /* /, /tmp, the root, etc, the file */
}

/* For good: a mount namespace of one's own can't be left, so this runs last. */
static bool own_mounts(void)
{
	uid_t uid = getuid();
	char map[64];
	int flags = CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0);

	if (unshare(flags))
		return false;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (uid && fd_write_text("/proc/self/uid_map", map))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void bind_mounts_are_seen(void **state)
{
	struct fx *f = *state;

	put(CONF, 1);
	put("run/other", 2);
	if (!own_mounts()) {
		print_message("# may not make a mount namespace: %s\n",
			      strerror(errno));
		skip();
	}
	start(f);
	assert_int_equal(mount("run/other", CONF, NULL, MS_BIND, NULL), 0);
	expect(f, 2);
	put("run/other", 3); /* behind the mount */
	expect(f, 3);
	assert_int_equal(umount(CONF), 0);
	expect(f, 1);
	/* over a directory on the way */
	assert_int_equal(mount("run", "etc", NULL, MS_BIND, NULL), 0);
	expect(f, 0);
	assert_int_equal(umount("etc"), 0);
	expect(f, 1);
	expect_nothing(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(rewrite_in_place_is_seen),
		TEST(rename_over_it_is_seen),
		TEST(removal_and_return_are_seen),
		TEST(target_of_a_link_is_watched),
		TEST(swapped_link_is_seen),
		TEST(directory_on_the_way_may_come_and_go),
		TEST(links_in_a_circle_are_survived),
		TEST(the_same_content_is_no_change),
		TEST(other_files_start_no_timer),
		TEST(burst_is_one_change),
		TEST(endless_burst_is_still_reported),
		TEST(watch_costs_few_watches_and_leaks_none),
		TEST(bind_mounts_are_seen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
