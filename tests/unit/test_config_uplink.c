// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of `uplink`: what it fills in, what it refuses. */
#include "setup/cli/config_uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "tests/unit/words.h"

struct line {
	struct words words;
	struct uplink_config cfg;
};

static int parse(struct line *l, const char *words)
{
	struct capture c = capture_start(STDERR_FILENO);
	int rc;

	words_cut(&l->words, words);
	rc = config_uplink_parse(&l->cfg, l->words.argv);
	capture_stop(&c, l->words.said, sizeof(l->words.said));
	return rc;
}

static void must_fail(const char *words, const char *why)
{
	struct line l = { 0 };
	int rc = parse(&l, words);

	words_refused(&l.words, rc, why);
}

static void uplink_takes_a_target_and_nothing_else(void **state)
{
	struct line l = { 0 };

	(void)state;
	assert_int_equal(parse(&l, "1234"), 0);
	assert_string_equal(l.cfg.target, "1234");
	assert_int_equal(l.cfg.ready_fd, -1);
	assert_int_equal(l.cfg.exit_fd, -1);
	assert_null(l.cfg.control);
	assert_null(l.cfg.pidfile);
	assert_null(l.cfg.userns);
	assert_false(l.cfg.bare || l.cfg.own_mac || l.cfg.own_mtu);
	assert_string_equal(l.cfg.net.plan.tap, "tap0");
	config_uplink_free(&l.cfg);
}

static void uplink_takes_options_before_and_behind_its_target(void **state)
{
	struct line l = { 0 };
	int fds[2];
	char words[256];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	(void)snprintf(words, sizeof(words),
		       "--ready-fd %d --userns /u /run/netns/a -p 80:80 "
		       "--exit-fd=%d --pidfile p --control c --no-configure "
		       "--mtu 1400 --mac 02:00:00:00:00:01",
		       fds[1], fds[0]);
	assert_int_equal(parse(&l, words), 0);
	assert_string_equal(l.cfg.target, "/run/netns/a");
	assert_string_equal(l.cfg.userns, "/u");
	assert_string_equal(l.cfg.pidfile, "p");
	assert_string_equal(l.cfg.control, "c");
	assert_int_equal(l.cfg.ready_fd, fds[1]);
	assert_int_equal(l.cfg.exit_fd, fds[0]);
	assert_true(l.cfg.bare && l.cfg.own_mac && l.cfg.own_mtu);
	assert_int_equal(l.cfg.net.n_specs, 1);
	config_uplink_free(&l.cfg);
	close(fds[0]);
	close(fds[1]);
}

static void uplink_refuses_what_makes_no_sense(void **state)
{
	char words[64];
	int fds[2];

	(void)state;
	must_fail("--no-ipv6", "none");
	must_fail("1 2", "several");
	must_fail("--ready-fd 2 1", "from 3 on");
	must_fail("--ready-fd 99999999999 1", "no descriptor");
	must_fail("--exit-fd 1x 1", "no descriptor");
	must_fail("--exit-fd 19999 1", "--exit-fd 19999: Bad file");
	must_fail("--pidfile= 1", "--pidfile: the path is empty");
	must_fail("--dns-search a 1", "--dns-search: uplink writes no");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	(void)snprintf(words, sizeof(words), "--ready-fd %d --exit-fd %d 1",
		       fds[0], fds[0]);
	must_fail(words, "that is the --ready-fd");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uplink_takes_a_target_and_nothing_else),
		cmocka_unit_test(
			uplink_takes_options_before_and_behind_its_target),
		cmocka_unit_test(uplink_refuses_what_makes_no_sense),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
