// SPDX-License-Identifier: GPL-2.0-or-later
/* Which variables name sockets to hide, and where such sockets are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setup/pod/agents.h"

/* Paths, a blank behind each. */
static int collect(void *arg, const char *path)
{
	char *all = arg;

	strcat(all, path);
	strcat(all, " ");
	return 0;
}

static int refuse(void *arg, const char *path)
{
	(void)path;
	(*(int *)arg)++;
	return -5;
}

static void expect(const char *var, const char *paths)
{
	char all[256] = "";

	assert_int_equal(agents_sockets(var, collect, all), 0);
	assert_string_equal(all, paths);
}

static void plain_paths_are_found(void **state)
{
	(void)state;
	expect("SSH_AUTH_SOCK=/tmp/a b", "/tmp/a b ");
	expect("GPG_AGENT_INFO=/tmp/S.agent:12:1", "/tmp/S.agent ");
	expect("SSH_AUTH_SOCK=", "");
	expect("SSH_AUTH_SOCK=relative", "");
	expect("SSH_AGENT_PID=12", "");
	expect("PATH=/bin", "");
}

static void every_path_of_a_bus_address_is_found(void **state)
{
	(void)state;
	expect("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/bus,guid=1a",
	       "/run/bus ");
	expect("DBUS_SESSION_BUS_ADDRESS="
	       "unix:abstract=/x;unix:guid=1,path=/a%2fb;tcp:host=h",
	       "/a/b ");
	expect("DBUS_SESSION_BUS_ADDRESS=unix:path=/a;unix:path=/b", "/a /b ");
	expect("DBUS_SESSION_BUS_ADDRESS=unix:path=/a%2", "/a%2 ");
	expect("DBUS_SESSION_BUS_ADDRESS=;,:=", "");
}

static void only_local_engines_are_hidden(void **state)
{
	(void)state;
	expect("DOCKER_HOST=unix:///run/d.sock", "/run/d.sock ");
	expect("DOCKER_HOST=tcp://192.0.2.1:2375", "");
	assert_true(agents_hides("DOCKER_HOST=unix:///run/d.sock"));
	assert_false(agents_hides("DOCKER_HOST=tcp://192.0.2.1:2375"));
}

static void names_are_compared_whole(void **state)
{
	(void)state;
	assert_true(agents_hides("SSH_AUTH_SOCK=/x"));
	assert_false(agents_hides("SSH_AUTH_SOCKET=/x"));
	assert_false(agents_hides("SSH_AUTH_SOCK"));
	assert_false(agents_hides("SSH_AUTH=/x"));
}

static void a_path_that_is_too_long_is_none(void **state)
{
	char var[8192] = "SSH_AUTH_SOCK=/";

	(void)state;
	memset(var + 15, 'x', sizeof(var) - 16);
	expect(var, "");
}

static void an_error_of_the_callback_ends_the_search(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(agents_sockets("DBUS_SESSION_BUS_ADDRESS="
					"unix:path=/a;unix:path=/b",
					refuse, &n),
			 -5);
	assert_int_equal(n, 1);
}

static void known_places_below_home_are_searched(void **state)
{
	char home[] = "/tmp/test_agents.XXXXXX", dir[64], sock[96], var[64];
	char all[4096] = "";
	char *env[] = { var, NULL };
	int fd;

	(void)state;
	assert_non_null(mkdtemp(home));
	(void)snprintf(dir, sizeof(dir), "%s/.gnupg", home);
	(void)snprintf(sock, sizeof(sock), "%s/S.gpg-agent", dir);
	(void)snprintf(var, sizeof(var), "HOME=%s", home);
	assert_int_equal(mkdir(dir, 0700), 0);
	fd = open(sock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(agents_known(env, collect, all), 0);
	assert_non_null(strstr(all, sock));
	(void)unlink(sock);
	(void)rmdir(dir);
	(void)rmdir(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_paths_are_found),
		cmocka_unit_test(every_path_of_a_bus_address_is_found),
		cmocka_unit_test(only_local_engines_are_hidden),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(a_path_that_is_too_long_is_none),
		cmocka_unit_test(an_error_of_the_callback_ends_the_search),
		cmocka_unit_test(known_places_below_home_are_searched),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
