// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What netstack and portfwd are told: all there is when they start, and later
 * what is new. News are the state as it is now, so one that finds no room can
 * wait, and is sent once whatever happens meanwhile.
 */
#include "setup/helper/helpers_internal.h"

#include <errno.h>

#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/netstack.h"
#include "portfwd/portfwd.h"

#define TELL_AGAIN_MS 100

/* ---- at the start ---- */

static int send_servers(const struct helpers *h)
{
	const struct net_config *net = h->net;
	struct netstack_servers list = { 0 };

	if (net->n_dns) {
		for (size_t i = 0; i < net->n_dns; i++)
			list.servers[list.n++] =
				endpoint_make(&net->dns[i], 53);
	} else {
		for (size_t i = 0; i < h->resolv->n_servers; i++)
			list.servers[list.n++] = h->resolv->servers[i];
	}
	return msg_send(h->children[HELPER_NETSTACK].ctl, NETSTACK_SERVERS,
			&list, sizeof(list), NULL, 0);
}

int helpers_config_netstack(const struct helpers *h)
{
	const struct net_config *net = h->net;
	const struct hop *hop = &h->hop;
	struct netstack_config cfg = {
		.plan = *h->plan,
		.host_loopback = net->host_loopback,
		.host_ports = net->host_ports,
		.serve_dns = net->serve_dns,
		.splice = helpers_splice(h),
		.outbound4 = net->outbound4,
		.outbound6 = net->outbound6,
		.has_tap_hop = hop->tap_hop >= 0,
		.has_dns = { hop->dns[0] >= 0, hop->dns[1] >= 0 },
	};
	int fds[4], rc;
	size_t n = 0;

	rc = send_servers(h);
	fds[n++] = hop->tap;
	if (cfg.has_tap_hop)
		fds[n++] = hop->tap_hop;
	for (int i = 0; i < 2; i++)
		if (cfg.has_dns[i])
			fds[n++] = hop->dns[i];
	if (!rc)
		rc = msg_send(h->children[HELPER_NETSTACK].ctl, NETSTACK_CONFIG,
			      &cfg, sizeof(cfg), fds, n);
	return rc;
}

int helpers_config_portfwd(const struct helpers *h)
{
	const struct net_config *net = h->net;
	const struct hop *hop = &h->hop;
	struct portfwd_config cfg = {
		.plan = *h->plan,
		.host_loopback = net->host_loopback,
		.host_ports = net->host_ports,
		.route6 = h->route6,
		.direct = net->forward.kind != OUTLET_HOP,
		.connected = net->forward.kind == OUTLET_UNIX,
		.lost = { h->lost[0], h->lost[1] },
		.splice = helpers_splice(h),
		.outbound4 = net->outbound4,
		.outbound6 = net->outbound6,
		.has_tproxy = { hop->tproxy[0] >= 0, hop->tproxy[1] >= 0 },
	};
	int ctl = h->children[HELPER_PORTFWD].ctl;
	unsigned int tries = 0;
	int fds[2], rc;
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		if (cfg.has_tproxy[i])
			fds[n++] = hop->tproxy[i];
	do
		rc = msg_send(ctl, PORTFWD_CONFIG, &cfg, sizeof(cfg), fds, n);
	while (msg_patience(rc, &tries));
	if (!rc)
		rc = publisher_send(h->publisher, ctl);
	if (!rc)
		rc = msg_send(ctl, PORTFWD_START, NULL, 0, NULL, 0);
	return rc;
}

/* ---- news ---- */

static int send_route6(const struct helpers *h)
{
	uint8_t has = h->route6;

	return msg_send(h->children[HELPER_PORTFWD].ctl, PORTFWD_ROUTE6, &has,
			sizeof(has), NULL, 0);
}

static int send_target(const struct helpers *h)
{
	const struct portfwd_target t = { *h->plan,
					  { h->lost[0], h->lost[1] } };

	return msg_send(h->children[HELPER_PORTFWD].ctl, PORTFWD_TARGET, &t,
			sizeof(t), NULL, 0);
}

int helpers_tell(struct helpers *h, enum helper_news what)
{
	static const struct {
		enum helper who;
		int (*send)(const struct helpers *h);
		const char *text;
	} news[] = {
		[HELPER_NEWS_ROUTE6] = { HELPER_PORTFWD, send_route6,
					 "the IPv6 route" },
		[HELPER_NEWS_TARGET] = { HELPER_PORTFWD, send_target,
					 "its new target" },
		[HELPER_NEWS_SERVERS] = { HELPER_NETSTACK, send_servers,
					  "the new resolvers" },
	};
	enum helper who = news[what].who;
	int rc = news[what].send(h);

	h->untold[what] = msg_again(rc);
	if (h->untold[what])
		return loop_timer_set(
			h->loop, &h->tell_again,
			mono_add(loop_now(h->loop), mono_ms(TELL_AGAIN_MS)));
	/* one that is being started reads it with its configuration */
	if (rc && h->children[who].pid)
		return log_errno(-rc, "tell %s about %s", h->children[who].role,
				 news[what].text);
	return 0;
}

void helpers_on_tell_again(struct loop_timer *t)
{
	struct helpers *h = container_of(t, struct helpers, tell_again);

	for (int i = 0; i < HELPER_NEWS_N; i++)
		if (h->untold[i])
			(void)helpers_tell(h, (enum helper_news)i); /* logged */
}
