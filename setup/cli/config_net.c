// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The NET options: one apply function each, and their table.
 *
 * While options are applied the plan holds only what was asked for, with
 * family 0, an empty name or zero for the rest. config_net_finish(), in
 * config_plan.c, then fills in the defaults, so that the order of options never
 * matters and an option that makes no sense with another can be told from a
 * default.
 */
#include "setup/cli/config_net.h"

#include <ctype.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/parse.h"

#define DOMAIN_MAX 253

/* Does @a/@n share an address with @b/@m? */
static bool nets_overlap(const struct ip *a, unsigned int n, const struct ip *b,
			 unsigned int m)
{
	return ip_in_net(a, b, n < m ? n : m);
}

static int set_cidr(void *target, const char *value)
{
	static const struct {
		const char *net, *why;
	} bad[] = {
		{ "0.0.0.0/8", "0.0.0.0/8 means \"this host\"" },
		{ "127.0.0.0/8", "127.0.0.0/8 is loopback" },
		{ "169.254.0.0/16", "169.254.0.0/16 is link-local" },
		{ "224.0.0.0/3", "224.0.0.0/3 is multicast and reserved" },
	};
	struct net_config *cfg = target;
	unsigned int prefix;
	struct ip net;
	int rc = cidr_parse(value, AF_INET, &net, &prefix);

	if (rc == -ERANGE) {
		log_error("--cidr %s: not a network address (like 10.0.2.0/24, "
			  "not like 10.0.2.100/24)",
			  value);
		return -EINVAL;
	}
	if (rc) {
		log_error("--cidr %s: no IPv4 network (A.B.C.0/N)", value);
		return -EINVAL;
	}
	if (prefix < 1 || prefix > 25) {
		log_error("--cidr %s: the prefix is not in 1..25", value);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned int n;
		struct ip b;

		if (cidr_parse(bad[i].net, AF_INET, &b, &n) ||
		    !nets_overlap(&net, prefix, &b, n))
			continue;
		log_error("--cidr %s: %s (choose another network)", value,
			  bad[i].why);
		return -EINVAL;
	}
	cfg->plan.net4 = net;
	cfg->plan.prefix4 = prefix;
	return 0;
}

static int set_cidr6(void *target, const char *value)
{
	static const struct ip unspecified = { .family = AF_INET6 };
	struct net_config *cfg = target;
	unsigned int prefix;
	struct ip net;
	int rc = cidr_parse(value, AF_INET6, &net, &prefix);

	if (rc == -ERANGE) {
		log_error("--cidr6 %s: not a network address (like fd00::/64, "
			  "not like fd00::1/64)",
			  value);
		return -EINVAL;
	}
	if (rc) {
		log_error("--cidr6 %s: no IPv6 network (P::/64)", value);
		return -EINVAL;
	}
	if (prefix != 64) {
		log_error("--cidr6 %s: the prefix is not 64", value);
		return -EINVAL;
	}
	if (ip_is_multicast(&net) || ip_is_linklocal(&net) ||
	    ip_in_net(&net, &unspecified, 64)) {
		log_error("--cidr6 %s: a reserved network (choose one in "
			  "fd00::/8)",
			  value);
		return -EINVAL;
	}
	cfg->plan.net6 = net;
	cfg->plan.prefix6 = prefix;
	return 0;
}

static int set_no_ipv6(void *target, const char *value)
{
	struct net_config *cfg = target;

	(void)value;
	cfg->plan.has_ipv6 = false;
	return 0;
}

static int set_mtu(void *target, const char *value)
{
	struct net_config *cfg = target;
	uint64_t v;

	if (parse_uint(value, MTU_MIN, MTU_MAX, &v)) {
		log_error("--mtu %s: not in %d..%d (from %d with --no-ipv6)",
			  value, MTU_MIN6, MTU_MAX, MTU_MIN);
		return -EINVAL;
	}
	cfg->plan.mtu_bytes = (uint32_t)v;
	return 0;
}

/*
 * The kernel's rules (dev_valid_name), without what it takes for a pattern
 * ('%') and what it can't make sysctls for (all, default).
 */
bool config_ifname_ok(const char *s)
{
	static const char *const taken[] = { ".", "..", "lo", "all",
					     "default" };

	if (!*s || strlen(s) >= IFNAMSIZ)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcmp(s, taken[i]) == 0)
			return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || strchr("/:%", *s))
			return false;
	return true;
}

static int set_tap(void *target, const char *value)
{
	struct net_config *cfg = target;

	if (!config_ifname_ok(value)) {
		log_error("--tap %s: no name for an interface (1..%d "
			  "characters, no '/', ':', '%%' or blanks, not lo)",
			  value, IFNAMSIZ - 1);
		return -EINVAL;
	}
	/* fits: config_ifname_ok() */
	(void)snprintf(cfg->plan.tap, sizeof(cfg->plan.tap), "%s", value);
	return 0;
}

static int set_mac(void *target, const char *value)
{
	struct net_config *cfg = target;

	if (parse_mac(value, cfg->plan.pod_mac)) {
		log_error("--mac %s: no unicast address "
			  "(xx:xx:xx:xx:xx:xx, the first byte even)",
			  value);
		return -EINVAL;
	}
	return 0;
}

static int add_host_port(void *target, const char *value)
{
	struct hostports *h = &((struct net_config *)target)->host_ports;
	const char *colon = strchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : strlen(value);
	uint64_t host = 0, pod = 0;
	int rc = parse_uint_n(value, len, 1, 65535, &host);

	pod = host;
	if (!rc && colon)
		rc = parse_uint(colon + 1, 1, 65535, &pod);
	if (rc) {
		log_error(
			"--host-port %s: no port (HOST or HOST:POD, 1..65535)",
			value);
		return -EINVAL;
	}
	if (hostport_find(h, (uint16_t)pod)) {
		log_error(
			"--host-port %s: port %u of the gateway is taken by another --host-port",
			value, (unsigned int)pod);
		return -EINVAL;
	}
	if (h->n == HOSTPORT_MAX) {
		log_error(
			"--host-port %s: more than %d of them (use --host-loopback)",
			value, HOSTPORT_MAX);
		return -EINVAL;
	}
	h->list[h->n++] = (struct hostport){ (uint16_t)host, (uint16_t)pod };
	return 0;
}

static int add_dns(void *target, const char *value)
{
	struct net_config *cfg = target;
	struct ip ip;

	if (ip_parse(value, &ip) || ip_is_any(&ip) || ip_is_multicast(&ip)) {
		log_error("--dns %s: no address of a resolver", value);
		return -EINVAL;
	}
	if (ip.family == AF_INET6 && ip_is_linklocal(&ip)) {
		log_error("--dns %s: a link-local address has no meaning "
			  "without its interface (give another one)",
			  value);
		return -EINVAL;
	}
	if (cfg->n_dns == CONFIG_DNS_MAX) {
		log_error("--dns %s: more than %d resolvers", value,
			  CONFIG_DNS_MAX);
		return -EINVAL;
	}
	cfg->dns[cfg->n_dns++] = ip_unmap(&ip);
	return 0;
}

static int set_no_dns(void *target, const char *value)
{
	struct net_config *cfg = target;

	(void)value;
	cfg->serve_dns = false;
	return 0;
}

/* Labels of letters, digits, '-' and '_', as resolvers take them; or ".". */
static bool domain_ok(const char *s)
{
	size_t len = strlen(s), label = 0;

	if (strcmp(s, ".") == 0)
		return true;
	if (!len || len > DOMAIN_MAX + (s[len - 1] == '.'))
		return false;
	for (; *s; s++) {
		if (*s == '.') {
			if (!label)
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_')
			return false;
		if ((*s == '-' && (!label || !s[1] || s[1] == '.')) ||
		    ++label > 63)
			return false;
	}
	return true;
}

static int add_search(void *target, const char *value)
{
	struct net_config *cfg = target;

	if (!domain_ok(value)) {
		log_error("--dns-search %s: no domain name (\".\" for none)",
			  value);
		return -EINVAL;
	}
	if (cfg->n_search == CONFIG_SEARCH_MAX) {
		log_error("--dns-search %s: more than %d domains", value,
			  CONFIG_SEARCH_MAX);
		return -EINVAL;
	}
	cfg->search[cfg->n_search++] = value;
	return 0;
}

/* Can a socket have @ip as its source? Only bind() knows local routes too. */
static bool is_local(const struct ip *ip)
{
	union endpoint ep = endpoint_make(ip, 0);
	scoped_fd fd = socket(ip->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, &ep.sa, endpoint_len(&ep)) == 0;
}

static int outbound_addr(struct net_config *cfg, struct ip ip,
			 const char *value)
{
	ip = ip_unmap(&ip);
	if (ip_is_any(&ip) || ip_is_multicast(&ip) ||
	    (ip.family == AF_INET6 && ip_is_linklocal(&ip))) {
		log_error("--outbound %s: can't be a source (give an address "
			  "of this host, or an interface)",
			  value);
		return -EINVAL;
	}
	if (!is_local(&ip)) {
		log_error("--outbound %s: no address of this host", value);
		return -EINVAL;
	}
	*(ip.family == AF_INET ? &cfg->outbound4 : &cfg->outbound6) = ip;
	return 0;
}

int config_iface(const char *name, struct ip *out4, struct ip *out6)
{
	struct ip found4 = { 0 }, found6 = { 0 };
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return -errno;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		union endpoint ep = { 0 };

		if (!i->ifa_addr || strcmp(i->ifa_name, name) != 0)
			continue;
		if (i->ifa_addr->sa_family == AF_INET && !found4.family) {
			memcpy(&ep.v4, i->ifa_addr, sizeof(ep.v4));
			found4 = endpoint_ip(&ep);
		}
		if (i->ifa_addr->sa_family != AF_INET6 || found6.family)
			continue;
		memcpy(&ep.v6, i->ifa_addr, sizeof(ep.v6));
		found6 = endpoint_ip(&ep);
		if (ip_is_linklocal(&found6))
			found6.family = 0;
	}
	freeifaddrs(all);
	*out4 = found4;
	*out6 = found6;
	return 0;
}

static int outbound_iface(struct net_config *cfg, const char *name)
{
	struct ip found4 = { 0 }, found6 = { 0 };
	int rc = config_iface(name, &found4, &found6);

	if (rc)
		return log_errno(-rc, "--outbound %s", name);
	if (!found4.family && !found6.family) {
		log_error("--outbound %s: the interface has no address to send "
			  "from",
			  name);
		return -EINVAL;
	}
	if (found4.family)
		cfg->outbound4 = found4;
	if (found6.family)
		cfg->outbound6 = found6;
	return 0;
}

static int set_outbound(void *target, const char *value)
{
	struct ip ip;

	if (ip_parse(value, &ip) == 0)
		return outbound_addr(target, ip, value);
	if (!*value || strlen(value) >= IFNAMSIZ || !if_nametoindex(value)) {
		log_error("--outbound %s: no address and no interface of this "
			  "host",
			  value);
		return -EINVAL;
	}
	return outbound_iface(target, value);
}

static int set_datapath(void *target, const char *value)
{
	static const char *const names[] = {
		[DATAPATH_AUTO] = "auto",
		[DATAPATH_SPLICE] = "splice",
		[DATAPATH_SLIRP] = "slirp",
	};
	struct net_config *cfg = target;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			cfg->datapath = (enum datapath)i;
			return 0;
		}
	}
	log_error("--datapath %s: not auto, splice or slirp", value);
	return -EINVAL;
}

int config_net_publish(struct net_config *cfg, const char *value)
{
	char err[SPEC_ERR_MAX];
	struct spec *specs = cfg->specs, spec;

	if (spec_parse(value, &spec, err)) {
		log_error("--publish %s: %s", value, err);
		return -EINVAL;
	}
	specs = config_grow(specs, cfg->n_specs, sizeof(*specs));
	if (!specs)
		return -ENOMEM;
	cfg->specs = specs;
	specs[cfg->n_specs++] = spec;
	return 0;
}

static int add_publish(void *target, const char *value)
{
	return config_net_publish(target, value);
}

static int set_pcap(void *target, const char *value)
{
	struct net_config *cfg = target;

	return recorder_parse(value, &cfg->pcap);
}

static const struct opt net_opts[] = {
	{ "publish", 'p', "SPEC",
	  "publish a port: [ADDR:][HOST:]POD[/tcp|/udp], ranges too; may be "
	  "repeated (none)",
	  add_publish },
	{ "publish-all", 'P', NULL,
	  "publish what the pod listens on, while it does",
	  OPT_FLAG(struct net_config, publish_all) },
	{ "cidr", 0, "A.B.C.0/N",
	  "the pod's IPv4 network: gateway .2, DNS .3, pod .100 (10.0.2.0/24)",
	  set_cidr },
	{ "cidr6", 0, "P::/64",
	  "the pod's IPv6 network: gateway ::2, DNS ::3, pod ::100 (fd00::/64)",
	  set_cidr6 },
	{ "no-ipv6", 0, NULL, "no IPv6 in the pod", set_no_ipv6 },
	{ "mtu", 0, "BYTES",
	  "1280..65520, from 576 with --no-ipv6 (the host's uplink's)",
	  set_mtu },
	{ "tap", 0, "NAME", "the pod's network interface (tap0)", set_tap },
	{ "mac", 0, "MAC", "its hardware address (random, local)", set_mac },
	{ "host-loopback", 0, NULL,
	  "let the gateway's address reach the host's 127.0.0.1 and ::1 (off)",
	  OPT_FLAG(struct net_config, host_loopback) },
	{ "host-port", 0, "HOST[:POD]",
	  "only this port of the host's 127.0.0.1 and ::1, at the gateway's "
	  "port POD; may be repeated (none)",
	  add_host_port },
	{ "dns", 0, "ADDR",
	  "resolver behind the pod's DNS address; may be repeated (the host's)",
	  add_dns },
	{ "no-dns", 0, NULL, "serve no DNS", set_no_dns },
	{ "dns-search", 0, "DOMAIN",
	  "search domain, \".\" for none; may be repeated (the host's)",
	  add_search },
	{ "outbound", 0, "ADDR|IFACE",
	  "source address of what goes out; once for each family, or an "
	  "interface for both (the host's choice)",
	  set_outbound },
	{ "datapath", 0, "PATH",
	  "auto, splice (fail when the kernel can't), or slirp (auto)",
	  set_datapath, "auto splice slirp" },
	{ "pcap", 0, "FILE",
	  "capture what crosses the pod's interface: FILE[,max=SIZE][,raw] "
	  "(none)",
	  set_pcap },
};

const struct opt_table config_net_opts = { "Network", net_opts,
					   ARRAY_SIZE(net_opts) };
