// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slirp4netns takes its options by getopt_long(), and so do we: what engines
 * rely on (options behind positionals, abbreviations, messages) comes along.
 *
 * It looks at an option's value at once or at the end; the order matters to who
 * reads the first error only, but is kept.
 */
#include "setup/personality/slirp4netns_opts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/parse.h"
#include "setup/cli/config_net.h"

#define MTU_DEFAULT 1500
#define MTU_LEAST   88 /* Linux' TCP sends 48 bytes in a segment, or more */
#define MTU_MOST    65521
#define HOST_DHCP   15

static int set_fd(const char *name, const char *value, int *out)
{
	uint64_t fd;

	if (parse_uint(value, 0, INT_MAX, &fd)) {
		log_error("%s must be a non-negative integer", name);
		return -EINVAL;
	}
	*out = (int)fd;
	return 0;
}

static int set_configure(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->configure = true;
	return 0;
}

static int set_exit_fd(struct slirp4netns_config *cfg, const char *value)
{
	return set_fd("exit-fd", value, &cfg->uplink.exit_fd);
}

static int set_ready_fd(struct slirp4netns_config *cfg, const char *value)
{
	return set_fd("ready-fd", value, &cfg->uplink.ready_fd);
}

static int set_mtu(struct slirp4netns_config *cfg, const char *value)
{
	uint64_t mtu;

	if (parse_uint(value, 1, MTU_MOST, &mtu)) {
		log_error("MTU must be a positive integer (< 65522)");
		return -EINVAL;
	}
	if (mtu < MTU_LEAST) {
		log_error("MTU %s: not supported by podsplice (%d or more)",
			  value, MTU_LEAST);
		return -EINVAL;
	}
	cfg->uplink.net.plan.mtu_bytes = (uint32_t)mtu;
	return 0;
}

static int set_ipv6(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->uplink.net.plan.has_ipv6 = true;
	return 0;
}

static int set_api(struct slirp4netns_config *cfg, const char *value)
{
	cfg->uplink.api = value;
	return 0;
}

static int set_cidr(struct slirp4netns_config *cfg, const char *value)
{
	cfg->cidr = value;
	return 0;
}

static int set_no_loopback(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->uplink.net.host_loopback = false;
	return 0;
}

static int set_type(struct slirp4netns_config *cfg, const char *value)
{
	cfg->type = value;
	return 0;
}

static int set_userns(struct slirp4netns_config *cfg, const char *value)
{
	if (access(value, F_OK)) {
		log_error("userns path doesn't exist: %s", value);
		return -EINVAL;
	}
	cfg->uplink.userns = value;
	return 0;
}

/* Whether it is asked for or not: the processes are locked up. */
static int set_locked(struct slirp4netns_config *cfg, const char *value)
{
	(void)cfg;
	(void)value;
	return 0;
}

static int set_outbound4(struct slirp4netns_config *cfg, const char *value)
{
	cfg->outbound4 = value;
	return 0;
}

static int set_outbound6(struct slirp4netns_config *cfg, const char *value)
{
	cfg->outbound6 = value;
	return 0;
}

static int set_no_dns(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->uplink.net.serve_dns = false;
	return 0;
}

static int set_mac(struct slirp4netns_config *cfg, const char *value)
{
	cfg->mac = value;
	return 0;
}

static int set_target_type(struct slirp4netns_config *cfg, const char *value)
{
	cfg->target_type = value;
	return 0;
}

static int set_help(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->what = SLIRP4NETNS_HELP;
	return 0;
}

static int set_version(struct slirp4netns_config *cfg, const char *value)
{
	(void)value;
	cfg->what = SLIRP4NETNS_VERSION;
	return 0;
}

static const struct {
	const char *name;
	char letter;
	const char *arg, *help; /* no help: the old name of what follows it */
	int (*apply)(struct slirp4netns_config *cfg, const char *value);
} opts[] = {
	{ "configure", 'c', NULL,
	  "bring the interface up, with address and default route",
	  set_configure },
	{ "exit-fd", 'e', "FD", "end when the other end of FD is closed",
	  set_exit_fd },
	{ "ready-fd", 'r', "FD", "write \"1\" to FD when the network works",
	  set_ready_fd },
	{ "mtu", 'm', "MTU", "88 to 65521 (default=1500)", set_mtu },
	{ "enable-ipv6", '6', NULL, "IPv6, by router advertisements",
	  set_ipv6 },
	{ "api-socket", 'a', "PATH", "make a socket there to publish ports by",
	  set_api },
	{ "cidr", 0, "CIDR", "the IPv4 network (default=10.0.2.0/24)",
	  set_cidr },
	{ "no-host-loopback", 0, NULL, NULL, set_no_loopback },
	{ "disable-host-loopback", 0, NULL,
	  "keep the gateway's address from reaching the host's 127.0.0.1",
	  set_no_loopback },
	{ "netns-type", 0, "TYPE", "path, pid or tapfd (default=pid)",
	  set_type },
	{ "userns-path", 0, "PATH",
	  "user namespace with power over the network namespace", set_userns },
	{ "create-sandbox", 0, NULL, NULL, set_locked },
	{ "enable-sandbox", 0, NULL,
	  "nothing: the processes are locked up always", set_locked },
	{ "enable-seccomp", 0, NULL, "nothing: they are", set_locked },
	{ "outbound-addr", 0, "IPv4|IFACE", "source address of what goes out",
	  set_outbound4 },
	{ "outbound-addr6", 0, "IPv6|IFACE", "the same for IPv6",
	  set_outbound6 },
	{ "disable-dns", 0, NULL, "serve no DNS", set_no_dns },
	{ "macaddress", 0, "MAC", "hardware address of the interface, with -c",
	  set_mac },
	{ "target-type", 0, "TYPE", "netns, the only one", set_target_type },
	{ "help", 'h', NULL, "print this help", set_help },
	{ "version", 'v', NULL, "print the version", set_version },
};

#define N_OPTS ARRAY_SIZE(opts)

void slirp4netns_usage(FILE *f, const char *name)
{
	(void)fprintf(f,
		      "Usage: %s [OPTION]... PID|PATH|FD [TAPNAME]\n"
		      "The network of an unprivileged network namespace, by "
		      "podsplice.\n\n",
		      name);
	for (size_t i = 0; i < N_OPTS; i++) {
		char left[64], letter[] = "-x, ";

		letter[1] = opts[i].letter;
		(void)snprintf(left, sizeof(left), "%s--%s%s%s",
			       opts[i].letter ? letter : "", opts[i].name,
			       opts[i].arg ? "=" : "",
			       opts[i].arg ? opts[i].arg : "");
		if (opts[i].help)
			(void)fprintf(f, "%-28s %s\n", left, opts[i].help);
	}
}

/* ---- what can be told at the end only ---- */

static int finish_cidr(struct slirp4netns_config *cfg)
{
	struct podnet *plan = &cfg->uplink.net.plan;
	const char *slash = strchr(cfg->cidr, '/');
	uint64_t n;
	int rc;

	if (slash && !parse_uint(slash + 1, 0, 32, &n) && (n < 1 || n > 25)) {
		log_error("prefix length needs to be 1-25");
		return -EINVAL;
	}
	rc = cidr_parse(cfg->cidr, AF_INET, &plan->net4, &plan->prefix4);
	if (rc == -ERANGE)
		log_error("CIDR needs to be a network address like "
			  "10.0.2.0/24, not like 10.0.2.100/24");
	else if (rc)
		log_error("invalid CIDR: %s", cfg->cidr);
	return rc ? -EINVAL : 0;
}

/* Six numbers of one or two digits; one that is no device's own is refused. */
static int finish_mac(struct slirp4netns_config *cfg)
{
	uint8_t *mac = cfg->uplink.net.plan.pod_mac, any = 0;
	const char *p = cfg->mac;
	bool ok = true;

	for (int i = 0; i < 6 && ok; i++) {
		unsigned long byte;
		char *end;

		ok = isxdigit((unsigned char)*p);
		byte = strtoul(p, &end, 16);
		ok = ok && byte <= 0xff && *end == (i < 5 ? ':' : '\0');
		mac[i] = (uint8_t)byte;
		any |= mac[i];
		p = end + 1;
	}
	if (ok && any && !(mac[0] & 1))
		return 0;
	log_error("macaddress has to be a valid MAC address (hex string, 6 "
		  "bytes, each byte separated by a ':'%s): \"%s\" is an "
		  "invalid MAC address",
		  ok ? ", of one device" : "", cfg->mac);
	return -EINVAL;
}

static int finish_outbound(const char *value, int family, struct ip *out)
{
	const char *opt =
		family == AF_INET ? "outbound-addr" : "outbound-addr6";
	struct ip ip4, ip6;
	int rc;

	if (!value)
		return 0;
	if (!ip_parse(value, out) && out->family == family)
		return 0;
	rc = config_iface(value, &ip4, &ip6);
	if (rc)
		return log_errno(-rc, "%s %s", opt, value);
	*out = family == AF_INET ? ip4 : ip6;
	if (out->family)
		return 0;
	log_error("%s has to be valid ipv%c address or interface name: %s", opt,
		  family == AF_INET ? '4' : '6', value);
	return -EINVAL;
}

static void finish_ipv6(struct podnet *plan)
{
	if (!plan->has_ipv6 || plan->mtu_bytes >= MTU_MIN6)
		return;
	log_warn("MTU %u: too small for IPv6 (%d), there will be none",
		 plan->mtu_bytes, MTU_MIN6);
	plan->has_ipv6 = false;
}

static int finish(struct slirp4netns_config *cfg)
{
	struct uplink_config *up = &cfg->uplink;
	struct podnet *plan = &up->net.plan;
	int rc = cfg->cidr ? finish_cidr(cfg) : 0;

	if (!rc && cfg->mac)
		rc = finish_mac(cfg);
	if (!rc)
		rc = finish_outbound(cfg->outbound4, AF_INET,
				     &up->net.outbound4);
	if (!rc)
		rc = finish_outbound(cfg->outbound6, AF_INET6,
				     &up->net.outbound6);
	if (rc)
		return rc;
	finish_ipv6(plan);
	up->bare = !cfg->configure;
	up->plain = true;
	up->own_mtu = true;
	up->own_mac = cfg->mac;
	rc = config_net_finish(&up->net);
	plan->dhcp4 = ip_offset(&plan->net4, HOST_DHCP);
	return rc;
}

/* ---- positionals ---- */

static int take_target(struct slirp4netns_config *cfg, const char *word)
{
	bool by_pid = !cfg->type || strcmp(cfg->type, "pid") == 0;
	uint64_t pid;

	cfg->uplink.target = word;
	if (!by_pid) {
		if (!access(word, F_OK))
			return 0;
		log_error("existing path expected when --netns-type=%s: %s",
			  cfg->type, strerror(errno));
		return -EINVAL;
	}
	if (parse_uint(word, 1, INT_MAX, &pid)) {
		log_error("PID must be a positive integer");
		return -EINVAL;
	}
	/* its end is none: others may be in its network namespace, too */
	(void)snprintf(cfg->target, sizeof(cfg->target), "/proc/%d/ns/net",
		       (int)pid);
	cfg->uplink.target = cfg->target;
	return 0;
}

static int take_tap(struct slirp4netns_config *cfg, const char *word)
{
	char *tap = cfg->uplink.net.plan.tap;

	/* cut without a word */
	(void)snprintf(tap, IFNAMSIZ, "%s", word);
	if (config_ifname_ok(tap))
		return 0;
	log_error("TAPNAME \"%s\": no name for an interface", tap);
	return -EINVAL;
}

/* Its device has a name already; -c changes nothing of what is there. */
static int take_tapfd(struct slirp4netns_config *cfg, const char *word)
{
	struct ifreq ifr = { 0 };
	int rc = set_fd("tapfd", word, &cfg->uplink.tap);

	if (rc)
		return rc;
	if (ioctl(cfg->uplink.tap, TUNGETIFF, &ifr) ||
	    !(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) ||
	    (ifr.ifr_flags & IFF_VNET_HDR)) {
		log_error("tapfd %s: no TAP device, with IFF_NO_PI and without "
			  "IFF_VNET_HDR",
			  word);
		return -EINVAL;
	}
	cfg->configure = false;
	cfg->uplink.target = word;
	return take_tap(cfg, ifr.ifr_name);
}

static int refuse_types(const struct slirp4netns_config *cfg)
{
	const char *target = cfg->target_type;

	if (target && strcmp(target, "bess") == 0)
		log_error("--target-type=bess: not supported by podsplice "
			  "(give it a network namespace)");
	else if (target && strcmp(target, "netns") != 0)
		log_error("--target-type must be \"netns\" (\"bess\" is not "
			  "supported)");
	else if (cfg->mac && !cfg->configure)
		log_error(
			"--macaddr cannot be specified when --configure or -c "
			"is not specified");
	else
		return 0;
	return -EINVAL;
}

static int take_words(struct slirp4netns_config *cfg, int n, char **words)
{
	bool tapfd = cfg->type && strcmp(cfg->type, "tapfd") == 0;
	int rc = refuse_types(cfg);

	if (rc)
		return rc;
	if (n < (tapfd ? 1 : 2)) {
		log_error(tapfd ? "FD is needed"
				: "PID or PATH, and TAPNAME, are needed");
		return -EINVAL;
	}
	if (tapfd)
		rc = take_tapfd(cfg, words[0]);
	else
		rc = take_target(cfg, words[0]);
	if (!rc && !tapfd)
		rc = take_tap(cfg, words[1]);
	if (n > (tapfd ? 1 : 2))
		(void)printf("WARNING: too many arguments\n");
	return rc;
}

/* ---- all of it ---- */

static void warn_of_old(size_t i)
{
	(void)printf("WARNING: --%s is deprecated, please use --%s\n",
		     opts[i].name, opts[i + 1].name);
}

/* Return: 0 or -EINVAL; what getopt_long() says goes to stderr */
static int take_options(struct slirp4netns_config *cfg, int argc, char **argv)
{
	struct option longs[N_OPTS + 1] = { 0 };
	char letters[2 * N_OPTS + 1], *p = letters;
	int ch, at, rc = 0;

	for (size_t i = 0; i < N_OPTS; i++) {
		longs[i] = (struct option){ opts[i].name,
					    opts[i].arg ? required_argument
							: no_argument,
					    NULL, (int)(UCHAR_MAX + i) };
		if (opts[i].letter)
			*p++ = opts[i].letter;
		if (opts[i].letter && opts[i].arg)
			*p++ = ':';
	}
	*p = '\0';
	optind = 0; /* glibc: begin anew */
	while (!rc && cfg->what == SLIRP4NETNS_RUN &&
	       (ch = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (ch == '?')
			return -EINVAL;
		for (at = 0; ch < UCHAR_MAX && opts[at].letter != ch;)
			at++;
		if (ch >= UCHAR_MAX)
			at = ch - UCHAR_MAX;
		if (!opts[at].help)
			warn_of_old((size_t)at);
		rc = opts[at].apply(cfg, optarg);
	}
	return rc;
}

int slirp4netns_parse(struct slirp4netns_config *cfg, int argc, char **argv)
{
	struct net_config *net = &cfg->uplink.net;
	int rc;

	*cfg = (struct slirp4netns_config){
		.uplink = { .ready_fd = -1, .exit_fd = -1, .tap = -1 },
	};
	config_net_init(net);
	net->host_loopback = true;
	net->plan.has_ipv6 = false;
	net->plan.mtu_bytes = MTU_DEFAULT;
	rc = take_options(cfg, argc, argv);
	if (!rc && cfg->what != SLIRP4NETNS_RUN)
		return 0;
	if (!rc)
		rc = take_words(cfg, argc - optind, argv + optind);
	if (rc)
		slirp4netns_usage(stdout, argv[0]);
	else
		rc = finish(cfg);
	return rc;
}

void slirp4netns_free(struct slirp4netns_config *cfg)
{
	config_net_free(&cfg->uplink.net);
}
