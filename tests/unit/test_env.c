// SPDX-License-Identifier: GPL-2.0-or-later
/* The command's environment, and what is dropped from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "setup/pod/env.h"

static size_t length(char *const *env)
{
	size_t n = 0;

	while (env[n])
		n++;
	return n;
}

static void a_later_value_replaces_an_earlier_one(void **state)
{
	const char *const add[] = { "A=1", "AB=2", "A=3", "B=" };
	char **env = env_add(NULL, add, ARRAY_SIZE(add));

	(void)state;
	assert_non_null(env);
	assert_int_equal(length(env), 3);
	assert_string_equal(env_get(env, "A"), "3");
	assert_string_equal(env_get(env, "AB"), "2");
	assert_string_equal(env_get(env, "B"), "");
	assert_null(env_get(env, "C"));
	free(env);
}

static void a_string_without_a_value_is_skipped(void **state)
{
	const char *const add[] = { "A", "B=1" };
	char **env = env_add(NULL, add, ARRAY_SIZE(add));

	(void)state;
	assert_non_null(env);
	assert_int_equal(length(env), 1);
	free(env);
}

static void without_a_rootfs_agents_are_dropped_unless_asked_for(void **state)
{
	static const char *add[] = { "SSH_AUTH_SOCK=/mine" };
	char *caller[] = { (char[]){ "SSH_AUTH_SOCK=/agent" },
			   (char[]){ "XDG_RUNTIME_DIR=/run/user/1" },
			   (char[]){ "SSH_AUTH_SOCK_OTHER=x" },
			   (char[]){ "PATH=/bin" }, NULL };
	struct run_config run = { 0 };
	char **saved = environ, **env;

	(void)state;
	environ = caller;
	env = env_command(&run, NULL);
	assert_non_null(env);
	assert_int_equal(length(env), 2);
	assert_string_equal(env_get(env, "PATH"), "/bin");
	free(env);
	run.env = add;
	run.n_env = 1;
	env = env_command(&run, NULL);
	environ = saved;
	assert_non_null(env);
	assert_string_equal(env_get(env, "SSH_AUTH_SOCK"), "/mine");
	free(env);
}

static void with_a_rootfs_it_starts_from_nothing(void **state)
{
	static const char *add[] = { "HOME=/x", "A=1" };
	struct run_config run = { .rootfs = "/r",
				  .env = add,
				  .n_env = ARRAY_SIZE(add) };
	char **env = env_command(&run, NULL);

	(void)state;
	assert_non_null(env);
	assert_int_equal(length(env), 5);
	assert_string_equal(env_get(env, "HOME"), "/x");
	assert_string_equal(env_get(env, "container"), "podsplice");
	assert_non_null(env_get(env, "HOSTNAME"));
	assert_null(env_get(env, "TERM"));
	free(strstr(env[3], "HOSTNAME=")); /* the one string it owns */
	free(env);
}

static void with_a_rootfs_and_a_terminal_it_names_the_terminal(void **state)
{
	struct run_config run = { .rootfs = "/r", .tty = true };
	char **env = env_command(&run, NULL);

	(void)state;
	assert_non_null(env);
	assert_string_equal(env_get(env, "TERM"), "xterm");
	free(strstr(env[3], "HOSTNAME="));
	free(env);
}

static void a_users_home_is_its_own_unless_asked_for(void **state)
{
	static const char *add[] = { "HOME=/x" };
	char *caller[] = { (char[]){ "HOME=/caller" }, NULL };
	struct run_config run = { 0 };
	char **saved = environ, **env;

	(void)state;
	environ = caller;
	env = env_command(&run, "/srv/web");
	assert_non_null(env);
	assert_int_equal(length(env), 1);
	assert_string_equal(env_get(env, "HOME"), "/srv/web");
	free(env[0]);
	free(env);
	run.env = add;
	run.n_env = 1;
	env = env_command(&run, NULL);
	environ = saved;
	assert_non_null(env);
	assert_string_equal(env_get(env, "HOME"), "/x");
	free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_value_replaces_an_earlier_one),
		cmocka_unit_test(a_string_without_a_value_is_skipped),
		cmocka_unit_test(
			without_a_rootfs_agents_are_dropped_unless_asked_for),
		cmocka_unit_test(with_a_rootfs_it_starts_from_nothing),
		cmocka_unit_test(
			with_a_rootfs_and_a_terminal_it_names_the_terminal),
		cmocka_unit_test(a_users_home_is_its_own_unless_asked_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
