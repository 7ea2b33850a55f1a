// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A line of hosts for each name and address: some resolvers cut long lines
 * off.
 */
#include "setup/helper/pod_text.h"

#include <stdio.h>
#include <string.h>

static const char *search_words(const struct net_config *net, char *buf,
				size_t cap)
{
	size_t len = 0;

	if (!net->n_search)
		return NULL;
	for (size_t i = 0; i < net->n_search && len < cap; i++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s",
					i ? " " : "", net->search[i]);
	return buf;
}

void pod_text_resolv(const struct network *n, char buf[RESOLV_TEXT_MAX])
{
	struct resolv host = n->resolv;
	char words[1024];

	/* they speak of the host's resolvers: trust-ad would be a lie */
	if (n->cfg->n_dns)
		host.options[0] = '\0';
	resolv_pod_text(&host, n->cfg->serve_dns ? &n->plan : NULL,
			search_words(n->cfg, words, sizeof(words)), buf);
}

static void add_line(char *buf, const char *addr, const char *name, size_t len)
{
	size_t used = strlen(buf);

	if (snprintf(buf + used, POD_HOSTS_MAX - used, "%s\t%.*s\n", addr,
		     (int)len, name) >= (int)(POD_HOSTS_MAX - used))
		buf[used] = '\0';
}

static void add_name(char *buf, const struct ip *ip4, const struct ip *ip6,
		     const char *name, size_t len)
{
	char text[ADDR_TEXT_MAX];

	add_line(buf, ip_format(ip4, text), name, len);
	if (ip6)
		add_line(buf, ip_format(ip6, text), name, len);
}

void pod_text_hosts(const struct network *n, const char *names,
		    char buf[POD_HOSTS_MAX])
{
	static const char host[] = "host.containers.internal";
	const struct podnet *p = &n->plan;

	(void)snprintf(buf, POD_HOSTS_MAX,
		       "127.0.0.1\tlocalhost\n"
		       "::1\tlocalhost ip6-localhost ip6-loopback\n");
	/* there may be more names than have room */
	if (n->cfg->host_loopback || n->cfg->host_ports.n)
		add_name(buf, &p->gw4, p->has_ipv6 ? &p->gw6 : NULL, host,
			 strlen(host));
	for (size_t len; *names; names += len + (names[len] == ' ')) {
		len = strcspn(names, " ");
		add_name(buf, &p->pod4, p->has_ipv6 ? &p->pod6 : NULL, names,
			 len);
	}
}
