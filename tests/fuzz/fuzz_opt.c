// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any words, cut at newlines, as the command line of `run`. It is parsed, or
 * refused with a reason of one line; what was parsed keeps the promises of
 * config.h. Nothing is opened, executed or asked on the way: the calls that
 * could do it are replaced here by ones that end the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/cli/config_net.h"
#include "setup/cli/config_run.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 64

static bool parsing;

/*
 * The fuzzer and its runner open files, too, but not while we parse: only
 * --log-file does, to append, and finds that it may not.
 */
static int guarded_open(const char *path, int flags)
{
	if (parsing) {
		check(flags & O_APPEND);
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

#undef open
int open(const char *path, int flags, ...)
{
	return guarded_open(path, flags);
}

int execve(const char *path, char *const argv[], char *const env[])
{
	(void)path;
	(void)argv;
	(void)env;
	abort();
}

pid_t fork(void)
{
	abort();
}

int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	(void)fd;
	(void)addr;
	(void)len;
	abort();
}

static void check_net(const struct net_config *net)
{
	const struct podnet *p = &net->plan;

	check(p->net4.family == AF_INET && p->prefix4 >= 1 && p->prefix4 <= 25);
	check(ip_in_net(&p->pod4, &p->net4, p->prefix4));
	check(!p->has_ipv6 || ip_in_net(&p->pod6, &p->net6, 64));
	check(!p->mtu_bytes ||
	      (p->mtu_bytes >= (p->has_ipv6 ? MTU_MIN6 : 576) &&
	       p->mtu_bytes <= 65520));
	check(p->tap[0] && memchr(p->tap, '\0', sizeof(p->tap)) != NULL);
	check(!(p->pod_mac[0] & 1) && memcmp(p->pod_mac, p->gw_mac, 6) != 0);
	check(net->n_dns <= CONFIG_DNS_MAX &&
	      net->n_search <= CONFIG_SEARCH_MAX);
	check(net->host_ports.n <= HOSTPORT_MAX);
	check(!net->n_dns || net->serve_dns);
	for (size_t i = 0; i < net->n_specs; i++)
		for (size_t k = 0; k < i; k++)
			check(!spec_conflicts(&net->specs[k], &net->specs[i]));
}

static void check_run(const struct run_config *cfg)
{
	check(cfg->argv && (cfg->argv[0] || cfg->bundle_dir));
	check(!cfg->workdir || cfg->workdir[0] == '/');
	for (size_t i = 0; i < cfg->n_env; i++)
		check(strchr(cfg->env[i], '=') > cfg->env[i]);
	for (size_t i = 0; i < cfg->n_volumes; i++) {
		const struct volume *v = &cfg->volumes[i];

		check(v->src[0] == '/' && v->dst[0] == '/');
		check(strlen(v->src) < PATH_MAX && strlen(v->dst) < PATH_MAX);
	}
	check_net(&cfg->net);
}

/* --help is printed on stdout, which is the runner's */
static int parse_quietly(struct run_config *cfg, char **argv, char *why,
			 size_t cap)
{
	static FILE *null;
	FILE *out = stdout;
	int rc;

	if (!null)
		null = fopen("/dev/null", "we");
	check(null != NULL);
	stdout = null;
	log_hold(why, cap);
	parsing = true;
	rc = config_run_parse(cfg, argv);
	parsing = false;
	log_hold(NULL, 0);
	log_init(LOG_ERROR, STDERR_FILENO);
	stdout = out;
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = malloc(size + 1), *rest = words, *argv[WORDS_MAX + 1];
	struct run_config cfg;
	char why[1024] = "";
	size_t n = 0;
	int rc;

	check(words != NULL);
	if (size)
		memcpy(words, data, size);
	words[size] = '\0';
	while (rest && n < WORDS_MAX)
		argv[n++] = strsep(&rest, "\n");
	argv[n] = NULL;
	rc = parse_quietly(&cfg, argv, why, sizeof(why));
	check(rc <= 1);
	if (rc == 0)
		check_run(&cfg);
	if (rc < 0)
		check(why[0] && !strchr(why, '\n'));
	else
		check(!why[0]);
	config_run_free(&cfg);
	free(words);
	return 0;
}
