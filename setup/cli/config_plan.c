// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the NET options that were given to a whole address plan.
 *
 * The addresses are slirp4netns': users, firewall rules and engines know
 * 10.0.2.2, .3 and .100 by heart. (An IPv4 prefix is at most 25 bits long, or
 * the pod's host number wouldn't fit.) The gateway's hardware address is not
 * ours to choose: libslirp makes it of 52:55 and the gateway's IPv4 address.
 */
#include "setup/cli/config_net.h"

#include <string.h>
#include <sys/random.h>

#define HOST_GW	 2
#define HOST_DNS 3
#define HOST_POD 100

void config_net_init(struct net_config *cfg)
{
	*cfg = (struct net_config){ .manager = MANAGER_NULL,
				    .plan.has_ipv6 = true,
				    .serve_dns = true };
}

void config_net_free(struct net_config *cfg)
{
	free(cfg->pcap.path);
	cfg->pcap.path = NULL;
	free(cfg->specs);
	cfg->specs = NULL;
	cfg->n_specs = 0;
}

/* Options that contradict each other, in whatever order they came. */
static int check_sense(const struct net_config *cfg)
{
	const struct podnet *plan = &cfg->plan;

	if (!plan->has_ipv6 && plan->net6.family) {
		log_error("--cidr6: makes no sense with --no-ipv6 (drop one)");
		return -EINVAL;
	}
	if (!cfg->serve_dns && cfg->n_dns) {
		log_error("--dns: makes no sense with --no-dns (drop one)");
		return -EINVAL;
	}
	if (plan->has_ipv6 && plan->mtu_bytes && plan->mtu_bytes < MTU_MIN6) {
		log_error("--mtu %u: IPv6 needs at least %d (or --no-ipv6)",
			  plan->mtu_bytes, MTU_MIN6);
		return -EINVAL;
	}
	return 0;
}

static int fill_macs(struct podnet *plan)
{
	static const uint8_t none[6];
	uint8_t *mac = plan->pod_mac;

	plan->gw_mac[0] = 0x52;
	plan->gw_mac[1] = 0x55;
	memcpy(&plan->gw_mac[2], ip_bytes(&plan->gw4), 4);
	if (memcmp(mac, plan->gw_mac, 6) == 0) {
		log_error("--mac: that is the gateway's (choose another one)");
		return -EINVAL;
	}
	if (memcmp(mac, none, 6) != 0)
		return 0;
	do {
		if (getrandom(mac, 6, 0) != 6)
			return log_errno(errno, "getrandom");
		mac[0] = (uint8_t)((mac[0] & 0xfe) | 2); /* unicast, local */
	} while (memcmp(mac, plan->gw_mac, 6) == 0);
	return 0;
}

static int fill_plan(struct podnet *plan)
{
	if (!plan->net4.family) {
		plan->net4 = (struct ip){ .family = AF_INET };
		plan->net4.v4.s_addr = htonl(0x0a000200);
		plan->prefix4 = 24;
	}
	plan->gw4 = ip_offset(&plan->net4, HOST_GW);
	plan->dns4 = ip_offset(&plan->net4, HOST_DNS);
	plan->pod4 = ip_offset(&plan->net4, HOST_POD);
	if (plan->has_ipv6 && !plan->net6.family) {
		plan->net6 = (struct ip){ .family = AF_INET6 };
		plan->net6.v6.s6_addr[0] = 0xfd;
		plan->prefix6 = 64;
	}
	if (plan->has_ipv6) {
		/* hexadecimal: they are read as ::2, ::3 and ::100 */
		plan->gw6 = ip_offset(&plan->net6, 0x2);
		plan->dns6 = ip_offset(&plan->net6, 0x3);
		plan->pod6 = ip_offset(&plan->net6, 0x100);
	}
	if (!plan->tap[0])
		strcpy(plan->tap, "tap0");
	return fill_macs(plan);
}

static int conflict(const struct net_config *cfg, const struct spec *spec)
{
	char a[SPEC_TEXT_MAX], b[SPEC_TEXT_MAX];

	for (const struct spec *s = cfg->specs; s < spec; s++) {
		if (!spec_conflicts(s, spec))
			continue;
		log_error("--publish %s: conflicts with --publish %s (one host "
			  "port serves one of them)",
			  spec_format(spec, b, sizeof(b)),
			  spec_format(s, a, sizeof(a)));
		return -EINVAL;
	}
	return 0;
}

/*
 * Two SPECs for one host port. A bitmap of the ports seen spares comparing
 * each pair of what may be thousands.
 */
static int check_conflicts(const struct net_config *cfg)
{
	uint8_t seen[2][65536 / 8] = { 0 };

	for (size_t i = 0; i < cfg->n_specs; i++) {
		const struct spec *s = &cfg->specs[i];
		unsigned int first = s->host_port;
		bool again = false;

		for (unsigned int p = first; first && p < first + s->count;
		     p++) {
			uint8_t *byte = &seen[s->proto][p / 8];

			again |= *byte >> p % 8 & 1;
			*byte |= (uint8_t)(1U << p % 8);
		}
		if (again && conflict(cfg, s))
			return -EINVAL;
	}
	return 0;
}

int config_net_finish(struct net_config *cfg)
{
	int rc = check_sense(cfg);

	if (!rc && !cfg->forward.kind)
		rc = fill_plan(&cfg->plan);
	if (!rc)
		rc = check_conflicts(cfg);
	return rc;
}
