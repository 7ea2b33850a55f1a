// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slirp4netns is `uplink` by another name, with other defaults: its options are
 * turned into those of uplink, and what differs is asked for there. Different
 * are the process' end (a signal is seen by who waits for it), what it prints,
 * and that it takes any descriptor.
 */
#include "setup/personality/slirp4netns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/stack.h"
#include "setup/cli/uplink_verb.h"
#include "setup/personality/slirp4netns_opts.h"
#include "version.h"

/* Engines show it, and look for "version" and "commit:" at most. */
static void print_version(void)
{
	const struct scmp_version *seccomp = seccomp_version();

	(void)printf("slirp4netns version 1.3.0 (podsplice)\n"
		     "commit: %s\n"
		     "libslirp: %s\n"
		     "SLIRP_CONFIG_VERSION_MAX: %u\n"
		     "libseccomp: %u.%u.%u\n",
		     PODSPLICE_VERSION, stack_version(), stack_config_max(),
		     seccomp->major, seccomp->minor, seccomp->micro);
}

static void print_ip(const char *what, const struct ip *ip)
{
	char buf[ADDR_TEXT_MAX];

	(void)printf("* %-16s %s\n", what, ip_format(ip, buf));
}

static void print_banner(const struct uplink_config *cfg,
			 const struct podnet *plan)
{
	struct ip mask = { .family = AF_INET };
	struct ip last = ip_offset(&plan->dhcp4, 15);
	const uint8_t *mac = plan->pod_mac;

	mask.v4.s_addr = htonl(~0U << (32 - plan->prefix4));
	(void)printf("Starting slirp\n* %-16s %u\n", "MTU:", plan->mtu_bytes);
	print_ip("Network:", &plan->net4);
	print_ip("Netmask:", &mask);
	print_ip("Gateway:", &plan->gw4);
	if (cfg->net.serve_dns)
		print_ip("DNS:", &plan->dns4);
	print_ip("DHCP begin:", &plan->dhcp4);
	print_ip("DHCP end:", &last);
	print_ip("Recommended IP:", &plan->pod4);
	if (cfg->api)
		(void)printf("* %-16s %s\n", "API Socket:", cfg->api);
	if (cfg->net.outbound4.family)
		print_ip("Outbound IPv4:", &cfg->net.outbound4);
	if (cfg->net.outbound6.family)
		print_ip("Outbound IPv6:", &cfg->net.outbound6);
	if (cfg->own_mac)
		(void)printf("* %-16s %02x:%02x:%02x:%02x:%02x:%02x\n",
			     "MAC address:", mac[0], mac[1], mac[2], mac[3],
			     mac[4], mac[5]);
	if (cfg->net.host_loopback)
		(void)printf("WARNING: the host's 127.0.0.1 can be reached at "
			     "the gateway's address "
			     "(--disable-host-loopback prevents it)\n");
	/* who doesn't read it misses it */
	(void)fflush(stdout);
}

/* One of the first three stays what it is. Return: -1 when there is none. */
static int above_std(int fd)
{
	if (fd <= STDERR_FILENO)
		return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

/* Where there can be one: nobody waits for a byte in a closed descriptor. */
static void check_ready_fd(struct uplink_config *cfg)
{
	int fd = cfg->ready_fd;

	if (fd < 0)
		return;
	cfg->ready_fd = above_std(fd);
	if (cfg->ready_fd < 0)
		log_warn("ready-fd %d: is not open: nobody is told", fd);
}

/* One that isn't open has come to its end; a file's never comes. */
static int check_exit_fd(struct uplink_config *cfg)
{
	int fd = cfg->exit_fd, ends[2];
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st)) {
		log_warn("exit-fd %d: is not open: this is the end", fd);
		if (pipe2(ends, O_CLOEXEC))
			return log_errno(errno, "pipe");
		fd_drop(&ends[1]);
		cfg->exit_fd = ends[0];
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		log_warn("exit-fd %d: a file has no other end: ignored", fd);
		cfg->exit_fd = -1;
	} else {
		cfg->exit_fd = above_std(fd);
	}
	return 0;
}

/* As it would have been without anything to clean up. */
static void end_by(int sig)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int run(struct uplink_config *cfg)
{
	int sig, rc;

	cfg->there = print_banner;
	if (cfg->tap >= 0)
		cfg->tap = above_std(cfg->tap);
	check_ready_fd(cfg);
	rc = check_exit_fd(cfg);
	if (!rc)
		rc = uplink_serve(cfg, &sig);
	if (!rc && sig)
		end_by(sig);
	return rc;
}

int slirp4netns_main(int argc, char **argv)
{
	struct slirp4netns_config cfg;
	int rc = slirp4netns_parse(&cfg, argc, argv);

	if (!rc && cfg.what == SLIRP4NETNS_HELP)
		slirp4netns_usage(stdout, argv[0]);
	else if (!rc && cfg.what == SLIRP4NETNS_VERSION)
		print_version();
	else if (!rc)
		rc = run(&cfg.uplink);
	slirp4netns_free(&cfg);
	if (fflush(stdout) && !rc && cfg.what != SLIRP4NETNS_RUN)
		rc = -errno;
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
