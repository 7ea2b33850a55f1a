// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of `run`: what it fills in, what it takes for granted, and
 * the one line it says to each malformed one.
 */
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"
#include "tests/unit/capture.h"

#define WORDS_MAX 40

/* A command line, kept as long as the config that borrows from it. */
struct line {
	char *copy, *argv[WORDS_MAX];
	struct run_config cfg;
	int rc;
	char text[2048]; /* what was logged */
};

/* Parse @words (of run; of exec or pod-create, if that is the first), cut at
 * blanks; "\t" stands for a blank inside a word. */
static void line_parse(struct line *l, const char *words)
{
	struct capture c = capture_start(STDERR_FILENO);
	char *p = l->copy = strdup(words);
	size_t n = 0;
	bool exec = strncmp(words, "exec ", 5) == 0;

	while (p && n < WORDS_MAX - 1) {
		char *word = strsep(&p, " ");

		for (char *t = word; (t = strchr(t, '\t')); t++)
			*t = ' ';
		if (*word)
			l->argv[n++] = word;
	}
	l->argv[n] = NULL;
	if (exec)
		l->rc = config_exec_parse(&l->cfg, l->argv + 1);
	else if (n && strcmp(l->argv[0], "pod-create") == 0)
		l->rc = config_pod_parse(&l->cfg, l->argv + 1);
	else
		l->rc = config_run_parse(&l->cfg, l->argv);
	capture_stop(&c, l->text, sizeof(l->text));
}

static void line_drop(struct line *l)
{
	config_run_free(&l->cfg);
	free(l->copy);
}

static void line_good(struct line *l, const char *words)
{
	line_parse(l, words);
	if (l->rc || l->text[0])
		fail_msg("%s: %d %s", words, l->rc, l->text);
}

static void is_ip(const struct ip *ip, const char *want)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(ip_format(ip, text), want);
}

static void config_fills_the_default_address_plan(void **state)
{
	const uint8_t gw[6] = { 0x52, 0x55, 10, 0, 2, 2 };
	struct line l;
	const struct podnet *p = &l.cfg.net.plan;

	(void)state;
	line_good(&l, "true");
	is_ip(&p->net4, "10.0.2.0");
	is_ip(&p->gw4, "10.0.2.2");
	is_ip(&p->dns4, "10.0.2.3");
	is_ip(&p->pod4, "10.0.2.100");
	assert_int_equal(p->prefix4, 24);
	assert_true(p->has_ipv6);
	is_ip(&p->net6, "fd00::");
	is_ip(&p->gw6, "fd00::2");
	is_ip(&p->dns6, "fd00::3");
	is_ip(&p->pod6, "fd00::100");
	assert_int_equal(p->prefix6, 64);
	assert_int_equal(p->mtu_bytes, 0);
	assert_string_equal(p->tap, "tap0");
	assert_memory_equal(p->gw_mac, gw, 6);
	assert_int_equal(p->pod_mac[0] & 3, 2);
	assert_true(l.cfg.net.serve_dns);
	assert_false(l.cfg.net.host_loopback);
	assert_int_equal(l.cfg.net.datapath, DATAPATH_AUTO);
	assert_int_equal(l.cfg.net.outbound4.family, 0);
	assert_int_equal(l.cfg.net.outbound6.family, 0);
	assert_int_equal(l.cfg.net.n_specs, 0);
	assert_null(l.cfg.rootfs);
	assert_null(l.cfg.hostname);
	assert_null(l.cfg.workdir);
	assert_string_equal(l.cfg.argv[0], "true");
	assert_null(l.cfg.argv[1]);
	line_drop(&l);
}

static void config_gives_each_pod_another_hardware_address(void **state)
{
	struct line a, b;

	(void)state;
	line_good(&a, "true");
	line_good(&b, "true");
	assert_memory_not_equal(a.cfg.net.plan.pod_mac, b.cfg.net.plan.pod_mac,
				6);
	line_drop(&a);
	line_drop(&b);
}

static void config_takes_every_net_option(void **state)
{
	const uint8_t mac[6] = { 0x02, 0, 0, 0xaa, 0xbb, 0x01 };
	const uint8_t gw[6] = { 0x52, 0x55, 172, 20, 128, 2 };
	struct line l;
	const struct net_config *n = &l.cfg.net;

	(void)state;
	line_good(&l, "--cidr 172.20.128.0/25 --cidr6=2001:db8:1:2::/64 "
		      "--mtu 1400 --tap eth0 --mac 02:00:00:aa:BB:01 "
		      "--host-loopback --dns 192.0.2.53 --dns=2001:db8::53 "
		      "--dns 127.0.0.53 --dns-search example.org "
		      "--dns-search a_b.test. --datapath=slirp "
		      "--outbound 127.0.0.1 -p 8080:80 -p[::1]:53:53/udp "
		      "--publish=90 --log-level warn cmd");
	is_ip(&n->plan.gw4, "172.20.128.2");
	is_ip(&n->plan.pod4, "172.20.128.100");
	assert_int_equal(n->plan.prefix4, 25);
	is_ip(&n->plan.pod6, "2001:db8:1:2::100");
	assert_memory_equal(n->plan.gw_mac, gw, 6);
	assert_memory_equal(n->plan.pod_mac, mac, 6);
	assert_int_equal(n->plan.mtu_bytes, 1400);
	assert_string_equal(n->plan.tap, "eth0");
	assert_true(n->host_loopback);
	assert_int_equal(n->n_dns, 3);
	is_ip(&n->dns[1], "2001:db8::53");
	assert_int_equal(n->n_search, 2);
	assert_string_equal(n->search[1], "a_b.test.");
	assert_int_equal(n->datapath, DATAPATH_SLIRP);
	is_ip(&n->outbound4, "127.0.0.1");
	assert_int_equal(n->outbound6.family, 0);
	assert_int_equal(n->n_specs, 3);
	assert_int_equal(n->specs[0].host_port, 8080);
	assert_int_equal(n->specs[1].proto, SPEC_UDP);
	assert_int_equal(n->specs[2].pod_port, 90);
	line_drop(&l);
}

static void config_takes_every_run_option(void **state)
{
	char cwd[PATH_MAX], src[PATH_MAX + 8];
	struct line l;
	const struct run_config *c = &l.cfg;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	(void)snprintf(src, sizeof(src), "%s/sub/dir", cwd);
	setenv("CONFIG_TEST_SET", "from=caller", 1);
	unsetenv("CONFIG_TEST_UNSET");
	line_good(&l, "-it --rm --rootfs /tmp -h web.example.org -w /srv "
		      "-v /a:/b -v sub/dir:/c:ro --volume=/d:/e:rw "
		      "-eA=1 -e B= -e CONFIG_TEST_SET -e CONFIG_TEST_UNSET "
		      "-e A=2=3 -- sh -c --help");
	assert_true(c->interactive);
	assert_true(c->tty);
	assert_string_equal(c->rootfs, "/tmp");
	assert_string_equal(c->hostname, "web.example.org");
	assert_string_equal(c->workdir, "/srv");
	assert_int_equal(c->n_volumes, 3);
	assert_string_equal(c->volumes[0].src, "/a");
	assert_string_equal(c->volumes[0].dst, "/b");
	assert_false(c->volumes[0].read_only);
	assert_string_equal(c->volumes[1].src, src);
	assert_true(c->volumes[1].read_only);
	assert_false(c->volumes[2].read_only);
	assert_int_equal(c->n_env, 3);
	assert_string_equal(c->env[0], "A=2=3");
	assert_string_equal(c->env[1], "B=");
	assert_string_equal(c->env[2], "CONFIG_TEST_SET=from=caller");
	assert_string_equal(c->argv[0], "sh");
	assert_string_equal(c->argv[2], "--help");
	assert_null(c->argv[3]);
	line_drop(&l);
	assert_int_equal(c->n_volumes, 0);
	config_run_free(&l.cfg);
}

static void config_takes_what_the_container_is_to_be(void **state)
{
	struct line l;
	const struct run_config *c = &l.cfg;

	(void)state;
	line_good(&l, "--rootfs /a:b:O --cap-add NET_RAW --cap-drop=CAP_CHOWN "
		      "--cap-drop mknod -u web:33 --tmpfs /t "
		      "--tmpfs=/u:ro,exec,size=64m,mode=0750,nosuid x");
	assert_string_equal(c->rootfs, "/a:b");
	assert_int_equal(c->root_mode, ROOT_OVERLAY);
	assert_false(c->read_only);
	assert_true(c->caps.add == 1ULL << 13);
	assert_true(c->caps.drop == (1ULL << 0 | 1ULL << 27));
	assert_string_equal(c->user, "web:33");
	assert_int_equal(c->n_tmpfs, 2);
	assert_string_equal(c->tmpfs[0].dst, "/t");
	assert_null(c->tmpfs[0].size);
	assert_null(c->tmpfs[0].mode);
	assert_true(c->tmpfs[0].attrs == SYS_MOUNT_INERT);
	assert_string_equal(c->tmpfs[1].dst, "/u");
	assert_string_equal(c->tmpfs[1].size, "64m");
	assert_string_equal(c->tmpfs[1].mode, "0750");
	assert_true(c->tmpfs[1].attrs ==
		    (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
	line_drop(&l);
	line_good(&l, "--rootfs /a:O --rootfs /b:ro --read-only x");
	assert_string_equal(c->rootfs, "/b");
	assert_int_equal(c->root_mode, ROOT_READ_ONLY);
	assert_true(c->read_only);
	line_drop(&l);
	line_good(&l, "--bundle /b");
	assert_string_equal(c->bundle_dir, "/b");
	assert_null(c->argv[0]);
	line_drop(&l);
	line_good(&l, "--bundle b --runtime runc -e A=1 -v /a:/a x");
	assert_string_equal(c->runtime, "runc");
	assert_string_equal(c->argv[0], "x");
	line_drop(&l);
	line_good(&l, "--rootfs /a:o x");
	assert_string_equal(c->rootfs, "/a:o");
	assert_int_equal(c->root_mode, ROOT_PLAIN);
	line_drop(&l);
}

static void config_takes_what_exec_is_to_do(void **state)
{
	struct line l;
	const struct run_config *c = &l.cfg;

	(void)state;
	line_good(&l, "exec -it -u 1 -w /x -e A=1 web -- ls -l --");
	assert_string_equal(c->name, "web");
	assert_true(c->interactive && c->tty);
	assert_string_equal(c->user, "1");
	assert_string_equal(c->workdir, "/x");
	assert_int_equal(c->n_env, 1);
	assert_string_equal(c->argv[0], "ls");
	assert_string_equal(c->argv[2], "--");
	line_drop(&l);
	line_good(&l, "exec web ls");
	assert_string_equal(c->name, "web");
	assert_string_equal(c->argv[0], "ls");
	line_drop(&l);
	line_good(&l, "exec --control /s -- ls");
	assert_null(c->name);
	assert_string_equal(c->argv[0], "ls");
	line_drop(&l);
}

static void config_takes_what_is_about_pods(void **state)
{
	struct line l;

	(void)state;
	line_good(&l, "pod-create --name web -p 8080:80 --mtu 1400");
	assert_true(l.cfg.is_pod && l.cfg.detach);
	assert_string_equal(l.cfg.name, "web");
	assert_int_equal(l.cfg.share,
			 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
	assert_int_equal(l.cfg.net.n_specs, 1);
	line_drop(&l);
	line_good(&l, "pod-create --share pid,net");
	assert_int_equal(l.cfg.share, CLONE_NEWNET | CLONE_NEWPID);
	line_drop(&l);
	line_good(&l, "--pod web --pid pod -p 8080:80 x");
	assert_string_equal(l.cfg.pod, "web");
	assert_true(l.cfg.pod_pid && !l.cfg.new_pod && !l.cfg.is_pod);
	line_drop(&l);
	line_good(&l, "-d --pod web --restart on-failure x");
	assert_int_equal(l.cfg.restart, RESTART_ON_FAILURE);
	line_drop(&l);
	line_good(&l, "--pod new:web --cidr 10.9.0.0/24 -d --rm x");
	assert_true(l.cfg.new_pod);
	config_pod_of_run(&l.cfg);
	assert_string_equal(l.cfg.name, "web");
	assert_null(l.cfg.pod);
	assert_true(l.cfg.is_pod && l.cfg.detach && !l.cfg.remove);
	is_ip(&l.cfg.net.plan.pod4, "10.9.0.100");
	line_drop(&l);
}

static void config_takes_what_is_at_the_edge(void **state)
{
	static const char *const t[] = {
		"--mtu 1280 x",
		"--mtu 65520 x",
		"--mtu 576 --no-ipv6 x",
		"--no-ipv6 --mtu 576 x",
		"--mtu 1000 --mtu 1500 x", /* the last wins */
		"--cidr 10.0.0.0/8 x",
		"--cidr 10.0.2.128/25 x",
		"--cidr 169.253.0.0/16 x",
		"--cidr 223.255.255.0/24 x",
		"--cidr6 fdff:ffff:ffff:ffff::/64 x",
		"--cidr6 0:0:0:1::/64 x",
		"--tap fifteen-chars-i x",
		"--tap ... x",
		"--tap a x",
		"--mac fe:ff:ff:ff:ff:ff x",
		"--mac 52:55:0a:00:02:03 x",
		"--hostname a x",
		"--hostname 0-9.x x",
		"--hostname "
		"123456789012345678901234567890123456789012345678901234567890."
		"abc x",
		"--dns-search . x",
		"--dns-search _tcp.example.org. x",
		"--no-dns --dns-search a x",
		"--datapath splice --datapath auto x",
		"-p 80 -p 80 x",
		"-p 8080:80 -p 8080:80/udp x",
		"-p 8000-8005:1-6 -p 8006:80 x",
		"-p 127.0.0.1:8080:80 -p 127.0.0.2:8080:80 x",
		"-p 0.0.0.0:8080:80 -p [::]:8080:80 x",
		"-v /a:/b -v /a:/c x",
		"-v /a:/a/./b x",
		"-e A= x",
		"-e HOME x",
		"-- x",
		"-",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct line l;

		line_good(&l, t[i]);
		line_drop(&l);
	}
}

static const struct {
	const char *words, *line; /* a part of it */
} bad[] = {
	{ "", "run: no command given (see podsplice run --help)" },
	{ "-it", "run: no command given" },
	{ "exec -it", "exec: no container given (see podsplice exec --help)" },
	{ "exec web", "exec: no command given (see podsplice exec --help)" },
	{ "exec web --", "exec: no command given" },
	{ "exec --control /s --", "exec: no command given" },
	{ "exec --rm web x", "exec: unknown option '--rm'" },
	{ "--", "run: no command given" },
	{ "--foo x", "run: unknown option '--foo'" },
	{ "--host-loopbak x", "did you mean '--host-loopback'?" },
	{ "--dsn 1.1.1.1 x", "did you mean '--dns'?" },
	{ "--mtu", "option '--mtu' needs a value" },
	{ "--rm=1 x", "option '--rm' takes no value" },
	{ "--name Web x", "--name Web: no name" },
	{ "--name .web x", "--name .web: no name" },
	{ "--name= x", "--name : no name" },
	{ "--name a/b x", "no name" },
	{ "--host-port 0 x", "--host-port 0: no port" },
	{ "--host-port 80:x x", "--host-port 80:x: no port" },
	{ "--host-port 80:70000 x", "--host-port 80:70000: no port" },
	{ "--host-port 1:5 --host-port 2:5 x", "is taken by another" },
	{ "--log-file /nonexistent/f x", "--log-file /nonexistent/f: No such" },
	{ "--log-level loud x", "--log-level loud: not error, warn" },
	{ "--cidr 10.0.2.0 x", "--cidr 10.0.2.0: no IPv4 network" },
	{ "--cidr 10.0.2.0/ x", "no IPv4 network" },
	{ "--cidr= x", "--cidr : no IPv4 network" },
	{ "--cidr fd00::/64 x", "no IPv4 network" },
	{ "--cidr 10.0.2.0/33 x", "no IPv4 network" },
	{ "--cidr 10.0.2.0/24x x", "no IPv4 network" },
	{ "--cidr 10.0.2.1/24 x", "not a network address (like 10.0.2.0/24" },
	{ "--cidr 10.0.2.0/26 x", "the prefix is not in 1..25" },
	{ "--cidr 0.0.0.0/0 x", "the prefix is not in 1..25" },
	{ "--cidr 0.0.0.0/24 x", "this host" },
	{ "--cidr 0.0.0.0/1 x", "this host" },
	{ "--cidr 127.1.0.0/16 x", "is loopback" },
	{ "--cidr 126.0.0.0/7 x", "is loopback" },
	{ "--cidr 224.0.0.0/24 x", "multicast" },
	{ "--cidr 240.0.0.0/24 x", "reserved" },
	{ "--cidr 128.0.0.0/1 x", "is link-local" },
	{ "--cidr 169.254.2.0/24 x", "is link-local" },
	{ "--cidr6 fd00:: x", "--cidr6 fd00::: no IPv6 network" },
	{ "--cidr6 10.0.0.0/24 x", "no IPv6 network" },
	{ "--cidr6 [fd00::]/64 x", "no IPv6 network" },
	{ "--cidr6 fd00::1/64 x", "not a network address" },
	{ "--cidr6 fd00::/63 x", "the prefix is not 64" },
	{ "--cidr6 fd00::/96 x", "the prefix is not 64" },
	{ "--cidr6 fe80::/64 x", "a reserved network" },
	{ "--cidr6 ff02::/64 x", "a reserved network" },
	{ "--cidr6 ::/64 x", "a reserved network" },
	{ "--cidr6 fd01::/64 --no-ipv6 x", "makes no sense with --no-ipv6" },
	{ "--no-ipv6 --cidr6 fd01::/64 x", "makes no sense with --no-ipv6" },
	{ "--mtu 0 x", "--mtu 0: not in 1280..65520" },
	{ "--mtu 575 --no-ipv6 x", "--mtu 575: not in" },
	{ "--mtu 65521 x", "--mtu 65521: not in" },
	{ "--mtu 1279 x", "--mtu 1279: IPv6 needs at least 1280" },
	{ "--mtu 1500b x", "--mtu 1500b: not in" },
	{ "--mtu -1 x", "--mtu -1: not in" },
	{ "--tap= x", "--tap : no name for an interface" },
	{ "--tap lo x", "no name for an interface" },
	{ "--tap . x", "no name for an interface" },
	{ "--tap .. x", "no name for an interface" },
	{ "--tap a/b x", "no name for an interface" },
	{ "--tap a:b x", "no name for an interface" },
	{ "--tap a\tb x", "no name for an interface" },
	{ "--tap tap%d x", "no name for an interface" },
	{ "--tap all x", "no name for an interface" },
	{ "--tap sixteen-charact0 x", "no name for an interface" },
	{ "--mac 01:00:5e:00:00:01 x", "no unicast address" },
	{ "--mac 00:00:00:00:00:00 x", "no unicast address" },
	{ "--mac 02:00:00:00:00 x", "no unicast address" },
	{ "--mac 02-00-00-00-00-01 x", "no unicast address" },
	{ "--mac 52:55:0a:00:02:02 x", "that is the gateway's" },
	{ "--mac 52:55:0a:07:07:02 --cidr 10.7.7.0/24 x", "the gateway's" },
	{ "--dns localhost x", "--dns localhost: no address of a resolver" },
	{ "--dns 0.0.0.0 x", "no address of a resolver" },
	{ "--dns ff02::fb x", "no address of a resolver" },
	{ "--dns fe80::1 x", "link-local" },
	{ "--dns 1.1.1.1 --dns 1.1.1.1 --dns 1.1.1.1 --dns 1.1.1.1 --dns "
	  "1.1.1.1 --dns 1.1.1.1 --dns 1.1.1.1 --dns 1.1.1.1 --dns 9.9.9.9 x",
	  "--dns 9.9.9.9: more than 8 resolvers" },
	{ "--no-dns --dns 1.1.1.1 x", "--dns: makes no sense with --no-dns" },
	{ "--dns 1.1.1.1 --no-dns x", "--dns: makes no sense with --no-dns" },
	{ "--dns-search= x", "--dns-search : no domain name" },
	{ "--dns-search a..b x", "no domain name" },
	{ "--dns-search .a x", "no domain name" },
	{ "--dns-search .. x", "no domain name" },
	{ "--dns-search -a x", "no domain name" },
	{ "--dns-search a-.b x", "no domain name" },
	{ "--dns-search a\tb x", "no domain name" },
	{ "--dns-search a\nb x", "no domain name" },
	{ "--dns-search "
	  "a123456789012345678901234567890123456789012345678901234567890123 x",
	  "no domain name" },
	{ "--outbound nosuchif0 x", "no address and no interface" },
	{ "--outbound= x", "no address and no interface" },
	{ "--outbound 192.0.2.77 x", "192.0.2.77: no address of this host" },
	{ "--outbound 0.0.0.0 x", "can't be a source" },
	{ "--outbound 224.0.0.1 x", "can't be a source" },
	{ "--outbound fe80::1 x", "can't be a source" },
	{ "--datapath fast x", "--datapath fast: not auto, splice or slirp" },
	{ "-p http x", "--publish http: 'http' is no pod port" },
	{ "-p 80/sctp x", "--publish 80/sctp: sctp can't be published" },
	{ "-p 8080:80 -p 8080:81 x",
	  "--publish 8080:81/tcp: conflicts with --publish 8080:80/tcp" },
	{ "-p 8000-8005:1-6 -p 8005:80 x", "conflicts with" },
	{ "-p 127.0.0.1:8080:80 -p 8080:80 x", "conflicts with" },
	{ "-p 1.1.1.1:1:1 -p 1.1.1.2:1:1 -p 1.1.1.1:1:1 x", "conflicts with" },
	{ "--rootfs= x", "--rootfs: the path is empty" },
	{ "--rootfs :ro x", "--rootfs: the path is empty" },
	{ "--rootfs :O x", "--rootfs: the path is empty" },
	{ "--rootfs /r:O --read-only x", "no sense with --rootfs /r:O" },
	{ "--bundle /b --rootfs /r", "--rootfs: not with --bundle (root.path" },
	{ "--bundle= x", "--bundle: the path is empty" },
	{ "--runtime crun x", "--runtime crun: of which bundle?" },
	{ "--read-only=1 x", "option '--read-only' takes no value" },
	{ "-u= x", "--user : not USER or USER:GROUP" },
	{ "-u a: x", "--user a:: not USER or USER:GROUP" },
	{ "-u :a x", "--user :a: not USER or USER:GROUP" },
	{ "-u a:b:c x", "not USER or USER:GROUP" },
	{ "-u 4294967295 x", "numbers below 4294967295" },
	{ "-u", "option '-u' needs a value" },
	{ "--cap-add= x", "--cap-add : no such capability" },
	{ "--cap-add net_rawr x", "--cap-add net_rawr: no such capability" },
	{ "--cap-drop CAP_ x", "--cap-drop CAP_: no such capability" },
	{ "--cap-add kill --cap-drop CAP_KILL x", "both added and dropped" },
	{ "--cap-drop ALL --cap-add all x", "both added and dropped" },
	{ "--tmpfs= x", "--tmpfs: the path is empty" },
	{ "--tmpfs :size=1m x", "--tmpfs: the path is empty" },
	{ "--tmpfs t x", "must be an absolute path" },
	{ "--tmpfs / x", "and not /" },
	{ "--tmpfs /a/../b x", "without '..'" },
	{ "--tmpfs /t: x", "--tmpfs /t:: unknown option ''" },
	{ "--tmpfs /t:ro, x", "unknown option ''" },
	{ "--tmpfs /t:suid x", "unknown option 'suid'" },
	{ "--tmpfs /t:size= x", "unknown option 'size='" },
	{ "--tmpfs /t:size=0 x", "unknown option 'size=0'" },
	{ "--tmpfs /t:size=101% x", "unknown option 'size=101%'" },
	{ "--tmpfs /t:size=1mm x", "unknown option 'size=1mm'" },
	{ "--tmpfs /t:size=-1 x", "unknown option 'size=-1'" },
	{ "--tmpfs /t:mode=8 x", "unknown option 'mode=8'" },
	{ "--tmpfs /t:mode=17777 x", "unknown option 'mode=17777'" },
	{ "--tmpfs /t --tmpfs /t x", "/t is mounted on twice" },
	{ "--tmpfs /t -v /a:/t x", "/t is mounted on twice" },
	{ "-v /a:/t --tmpfs /t x", "/t is mounted on twice" },
	{ "-w srv x", "--workdir srv: not an absolute path" },
	{ "-w= x", "--workdir: the path is empty" },
	{ "-h= x", "--hostname : no host name" },
	{ "-h -a x", "no host name" },
	{ "-h a- x", "no host name" },
	{ "-h a..b x", "no host name" },
	{ "-h a. x", "no host name" },
	{ "-h a_b x", "no host name" },
	{ "-h "
	  "123456789012345678901234567890123456789012345678901234567890.abcd"
	  " x",
	  "no host name" },
	{ "-h "
	  "1234567890123456789012345678901234567890123456789012345678901234"
	  " x",
	  "no host name" },
	{ "-v /a x", "--volume /a: not SRC:DST[:ro|rw]" },
	{ "-v :/b x", "not SRC:DST" },
	{ "-v /a: x", "must be an absolute path" },
	{ "-v /a:b x", "must be an absolute path" },
	{ "-v /a:/ x", "and not /" },
	{ "-v /a://./ x", "and not /" },
	{ "-v /a:/b/../c x", "without '..'" },
	{ "-v /a:/b:rx x", "unknown mode 'rx'" },
	{ "-v /a:/b: x", "unknown mode ''" },
	{ "-v /a:/b:ro:rw x", "unknown mode 'ro:rw'" },
	{ "-v /a:/b -v /c:/b x", "/b is mounted on twice" },
	{ "--pod Web x", "--pod Web: no name of a pod" },
	{ "--pod new: x", "no name of a pod" },
	{ "--pod web --mtu 1400 x", "only -p goes with it" },
	{ "--pod web --no-dns x", "only -p goes with it" },
	{ "--pod web --control /tmp/x x", "only -p goes with it" },
	{ "--pid pod x", "--pid pod: in which one?" },
	{ "-d --restart never x", "--restart never: not no, on-failure or" },
	{ "-d --restart always x", "--restart: only in the background of a" },
	{ "--pod web --restart always x", "--restart: only in the backgr" },
	{ "--pid host --pod web x", "--pid host: not pod" },
	{ "pod-create --share ipc,uts", "without net" },
	{ "pod-create --share net,", "not a list of" },
	{ "pod-create --share net --hostname box", "don't share one" },
	{ "pod-create web", "takes no name but --name" },
	{ "-e =1 x", "--env =1: no name" },
	{ "--env= x", "--env : no name" },
};

static void config_says_in_one_line_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct line l;

		line_parse(&l, bad[i].words);
		if (l.rc != -EINVAL || !is_one_message(l.text) ||
		    !strstr(l.text, bad[i].line))
			fail_msg("'%s': %d '%s' lacks '%s'", bad[i].words, l.rc,
				 l.text, bad[i].line);
		assert_null(l.cfg.volumes);
		assert_null(l.cfg.env);
		assert_null(l.cfg.net.specs);
		line_drop(&l);
	}
}

static void config_refuses_paths_that_are_too_long(void **state)
{
	static const char *const before[] = { "--rootfs=", "--workdir=",
					      "--volume=", "--tmpfs=" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(before) * 2; i++) {
		char words[3 * PATH_MAX] = "";
		struct line l;

		strcat(words, before[i % ARRAY_SIZE(before)]);
		strcat(words, i < ARRAY_SIZE(before) ? "/" : "r/");
		memset(words + strlen(words), 'x', PATH_MAX);
		strcat(words, ":/b cmd");
		line_parse(&l, words);
		assert_int_equal(l.rc, -EINVAL);
		assert_true(is_one_message(l.text));
		if (!strstr(l.text, "the path is too long"))
			fail_msg("%s", l.text);
		line_drop(&l);
	}
}

static void config_finds_the_addresses_of_an_interface(void **state)
{
	struct line l;

	(void)state;
	line_good(&l, "--outbound lo x");
	is_ip(&l.cfg.net.outbound4, "127.0.0.1");
	if (l.cfg.net.outbound6.family)
		is_ip(&l.cfg.net.outbound6, "::1");
	line_drop(&l);
}

static void config_log_level_may_stand_among_the_options(void **state)
{
	struct line l;

	(void)state;
	line_good(&l, "--log-level=debug x");
	assert_true(log_wants(LOG_DEBUG));
	line_drop(&l);
	log_init(LOG_WARN, STDERR_FILENO);
}

static void config_help_goes_to_stdout_and_fits_80_columns(void **state)
{
	struct capture c = capture_start(STDOUT_FILENO);
	char text[16384], *p = text;
	struct line l;

	(void)state;
	line_parse(&l, "--mtu 1500 --help --foo");
	capture_stop(&c, text, sizeof(text));
	assert_int_equal(l.rc, 1);
	assert_string_equal(l.text, "");
	assert_non_null(strstr(text, "Usage: podsplice run "));
	while (*p) {
		size_t len = strcspn(p, "\n");

		assert_true(len < 80);
		assert_true(p[len] == '\n');
		p += len + 1;
	}
	line_drop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_fills_the_default_address_plan),
		cmocka_unit_test(
			config_gives_each_pod_another_hardware_address),
		cmocka_unit_test(config_takes_every_net_option),
		cmocka_unit_test(config_takes_every_run_option),
		cmocka_unit_test(config_takes_what_the_container_is_to_be),
		cmocka_unit_test(config_takes_what_exec_is_to_do),
		cmocka_unit_test(config_takes_what_is_about_pods),
		cmocka_unit_test(config_takes_what_is_at_the_edge),
		cmocka_unit_test(config_says_in_one_line_what_is_wrong),
		cmocka_unit_test(config_refuses_paths_that_are_too_long),
		cmocka_unit_test(config_finds_the_addresses_of_an_interface),
		cmocka_unit_test(config_log_level_may_stand_among_the_options),
		cmocka_unit_test(
			config_help_goes_to_stdout_and_fits_80_columns),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
