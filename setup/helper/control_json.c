// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What isn't known is null, never left out: a reader finds the same keys in
 * every reply. The part of a process that didn't answer is null, and the
 * process is named in "incomplete". Bytes and packets of libslirp are frames;
 * what the kernel moves has no packets for us to count.
 */
#include "setup/helper/control_json.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portfwd/source.h"
#include "setup/helper/publisher.h"
#include "setup/pod/infra.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Of a process that may not have answered. */
static json_t *number_if(bool known, uint64_t n)
{
	return known ? number(n) : json_null();
}

static json_t *ip_json(const struct ip *ip)
{
	char text[ADDR_TEXT_MAX];

	return ip->family ? json_string(ip_format(ip, text)) : json_null();
}

static json_t *net_json(const struct ip *ip, unsigned int prefix)
{
	char text[ADDR_TEXT_MAX];

	return json_sprintf("%s/%u", ip_format(ip, text), prefix);
}

static json_t *endpoint_json(const union endpoint *ep)
{
	char text[ADDR_TEXT_MAX];

	if (!ep->sa.sa_family)
		return json_null();
	return json_string(endpoint_format(ep, text));
}

static json_t *pid_json(pid_t pid)
{
	return pid > 0 ? json_integer(pid) : json_null();
}

/* ---- info ---- */

static json_t *network_json(const struct control_facts *f)
{
	const struct podnet *p = f->plan;
	bool v6 = p && p->has_ipv6;

	if (!p)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s}", "cidr",
			 net_json(&p->net4, p->prefix4), "address",
			 ip_json(&p->pod4), "gateway", ip_json(&p->gw4), "dns",
			 f->serve_dns ? ip_json(&p->dns4) : json_null(),
			 "cidr6",
			 v6 ? net_json(&p->net6, p->prefix6) : json_null(),
			 "address6", v6 ? ip_json(&p->pod6) : json_null(),
			 "mtu", (json_int_t)p->mtu_bytes, "tap", p->tap);
}

/* The inode numbers, as ls -i /proc/PID/ns has them. */
static json_t *namespaces_json(const struct control_facts *f)
{
	json_t *all = json_object();

	for (int i = 0; i < INFRA_NS_MNT; i++) {
		struct stat st = { 0 };
		bool known = f->namespaces && !fstat(f->namespaces[i], &st);

		(void)json_object_set_new(all, infra_ns_names[i].name,
					  number_if(known, st.st_ino));
	}
	return all;
}

static const char *state_text(const struct control_facts *f)
{
	return f->state_reason ? "degraded" : "running";
}

json_t *control_json_info(const struct control_facts *f)
{
	json_t *pids =
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "infra",
			  pid_json(f->infra), "supervisor", pid_json(getpid()),
			  "netstack", pid_json(f->pids[QUERY_NETSTACK]),
			  "portfwd", pid_json(f->pids[QUERY_PORTFWD]), "maker",
			  pid_json(f->pids[QUERY_MAKER]));

	return json_pack("{s:i, s:s, s:s?, s:s, s:s?, s:o, s:o, s:o}", "schema",
			 CONTROL_SCHEMA, "state", state_text(f), "state_reason",
			 f->state_reason, "datapath", f->datapath,
			 "datapath_reason", f->datapath_reason, "pids", pids,
			 "namespaces", namespaces_json(f), "network",
			 network_json(f));
}

/* ---- ports ---- */

static json_t *host_addr_json(const struct spec *spec)
{
	if (spec->ifname[0])
		return json_sprintf("%%%s", spec->ifname);
	return spec->host_addr.family ? ip_json(&spec->host_addr)
				      : json_string("::");
}

static json_t *pod_addr_json(const struct control_facts *f,
			     const struct spec *spec)
{
	const struct podnet *p = f->pod;

	if (f->forward->path)
		return json_sprintf("unix:%s", f->forward->path);
	if (spec->pod_addr.family)
		return ip_json(&spec->pod_addr);
	return ip_json(p->pod4.family ? &p->pod4 : &p->pod6);
}

static const char *proto_text(const struct spec *spec)
{
	return spec->proto == SPEC_UDP ? "udp" : "tcp";
}

static json_t *lost_json(const struct port_record *r)
{
	static const char *const why[SOURCE_LOST_N] = {
		[SOURCE_LOST_OFF] = "source=off",
		[SOURCE_LOST_LOCAL] = "loopback or link-local client",
		[SOURCE_LOST_POD] = "client in the pod's own subnets",
		[SOURCE_LOST_FAMILY] = "the pod serves the other family only",
		[SOURCE_LOST_ROUTE] = "the pod has no IPv6 route",
		[SOURCE_LOST_ADDRESS] = "the client's address can't be bound",
		[SOURCE_LOST_ANSWER] = "answers to it don't come back",
	};

	return json_pack("{s:I, s:s?}", "n", (json_int_t)r->lost, "why",
			 r->lost && r->lost_why < SOURCE_LOST_N
				 ? why[r->lost_why]
				 : NULL);
}

static json_t *port_json(const struct published *p,
			 const struct control_facts *f, bool whole)
{
	const struct spec *spec = &p->spec;
	const struct port_record *r = &p->record;
	bool told = whole && p->told;

	return json_pack(
		"{s:I, s:s, s:o, s:i, s:i, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o}",
		"id", (json_int_t)p->id, "proto", proto_text(spec), "host_addr",
		host_addr_json(spec), "host_port", (int)p->ports[0], "count",
		(int)spec->count, "pod_addr", pod_addr_json(f, spec),
		"pod_port", (int)spec->pod_port, "source",
		spec->source == SPEC_SOURCE_OFF ? "off" : "keep", "source_lost",
		told ? lost_json(r) : json_null(), "flows",
		number_if(told, r->flows), "bytes_in",
		number_if(told, r->bytes_in), "bytes_out",
		number_if(told, r->bytes_out), "errors",
		number_if(told, r->errors));
}

/* @id: only that one; 0: all */
static json_t *port_list(const struct control_facts *f, uint32_t id, bool whole)
{
	json_t *list = json_array();

	list_for_each (e, &f->publisher->specs) {
		const struct published *p =
			container_of(e, struct published, link);

		if (!p->removed && (!id || p->id == id))
			(void)json_array_append_new(list,
						    port_json(p, f, whole));
	}
	return list;
}

json_t *control_json_missing(bool whole)
{
	return whole ? json_array() : json_pack("[s]", "portfwd");
}

json_t *control_json_ports(const struct control_facts *f, uint32_t id,
			   bool whole)
{
	return json_pack("{s:i, s:o, s:o}", "schema", CONTROL_SCHEMA, "ports",
			 port_list(f, id, whole), "incomplete",
			 control_json_missing(whole));
}

json_t *control_json_port_list(const struct control_facts *f)
{
	return port_list(f, 0, false);
}

static json_t *hostfwd_json(const struct published *p, unsigned int i,
			    const struct control_facts *f)
{
	const struct ip *host = &p->spec.host_addr;

	return json_pack("{s:I, s:s, s:o, s:i, s:o, s:i}", "id",
			 (json_int_t)p->id, "proto", proto_text(&p->spec),
			 "host_addr",
			 host->family ? ip_json(host) : json_string("0.0.0.0"),
			 "host_port", (int)p->ports[i], "guest_addr",
			 pod_addr_json(f, &p->spec), "guest_port",
			 (int)(p->spec.pod_port + i));
}

json_t *control_json_hostfwd(const struct control_facts *f)
{
	json_t *list = json_array();

	list_for_each (e, &f->publisher->specs) {
		const struct published *p =
			container_of(e, struct published, link);

		for (unsigned int i = 0; !p->removed && i < p->spec.count; i++)
			(void)json_array_append_new(list,
						    hostfwd_json(p, i, f));
	}
	return list;
}

/* ---- stats ---- */

static json_t *flows_json(const struct query_stats *st)
{
	const struct portfwd_totals *p = &st->portfwd;
	const struct stack_stats *s = &st->netstack.stack;
	bool fwd = st->has[QUERY_PORTFWD], net = st->has[QUERY_NETSTACK];

	return json_pack(
		"{s:{s:o, s:o}, s:{s:o, s:o}, s:{s:o, s:o}, s:{s:o, s:o}}",
		"udp", "open", number_if(fwd, p->open[FLOW_UDP]), "total",
		number_if(fwd, p->total[FLOW_UDP]), "splice", "open",
		number_if(fwd, p->open[FLOW_SPLICE]), "total",
		number_if(fwd, p->total[FLOW_SPLICE]), "copy", "open",
		number_if(fwd, p->open[FLOW_COPY]), "total",
		number_if(fwd, p->total[FLOW_COPY]), "slirp", "open",
		number_if(net, s->open), "total", number_if(net, s->opened));
}

static json_t *way_json(bool known, uint64_t in, uint64_t out)
{
	return json_pack("{s:o, s:o, s:n, s:n}", "bytes_in",
			 number_if(known, in), "bytes_out",
			 number_if(known, out), "packets_in", "packets_out");
}

static json_t *traffic_json(const struct query_stats *st)
{
	const struct portfwd_totals *p = &st->portfwd;
	const struct stack_stats *s = &st->netstack.stack;
	bool fwd = st->has[QUERY_PORTFWD], net = st->has[QUERY_NETSTACK];

	return json_pack(
		"{s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:{s:o, s:o, s:o, s:o}}",
		"udp", "bytes_in", number_if(fwd, p->bytes_in[FLOW_UDP]),
		"bytes_out", number_if(fwd, p->bytes_out[FLOW_UDP]),
		"packets_in", number_if(fwd, p->udp_packets_in), "packets_out",
		number_if(fwd, p->udp_packets_out), "splice",
		way_json(fwd, p->bytes_in[FLOW_SPLICE],
			 p->bytes_out[FLOW_SPLICE]),
		"copy",
		way_json(fwd, p->bytes_in[FLOW_COPY], p->bytes_out[FLOW_COPY]),
		"slirp", "bytes_in", number_if(net, s->bytes_in), "bytes_out",
		number_if(net, s->bytes_out), "packets_in",
		number_if(net, s->packets_in), "packets_out",
		number_if(net, s->packets_out));
}

/* Those of both are what those who answered know. */
static json_t *errors_json(const struct query_stats *st)
{
	const struct portfwd_totals *p = &st->portfwd;
	const struct netstack_totals *n = &st->netstack;
	bool fwd = st->has[QUERY_PORTFWD], net = st->has[QUERY_NETSTACK];

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "refused",
		number_if(fwd, p->refused), "unreachable",
		number_if(fwd, p->unreachable), "timeout",
		number_if(fwd, p->timeout), "emfile",
		number_if(fwd || net, p->emfile + n->dns.starved + n->shed),
		"pipe_quota", number_if(fwd, p->pipe_quota), "parse",
		number_if(net, n->parse + n->dns.dropped), "policy",
		number_if(fwd || net, p->policy + n->refused), "source_lost",
		number_if(fwd, p->source_lost), "evicted",
		number_if(fwd, p->evicted));
}

static json_t *mem_json(bool known, const struct procmem *m)
{
	if (!known)
		return json_null();
	return json_pack(
		"{s:o, s:o}", "rss",
		number_if(m->rss_bytes != PROCMEM_UNKNOWN, m->rss_bytes),
		"private",
		number_if(m->private_bytes != PROCMEM_UNKNOWN,
			  m->private_bytes));
}

static json_t *memory_json(const struct query_stats *st,
			   const struct procmem *own)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "supervisor", mem_json(true, own),
		"netstack",
		mem_json(st->has[QUERY_NETSTACK], &st->netstack.mem), "portfwd",
		mem_json(st->has[QUERY_PORTFWD], &st->portfwd.mem), "maker",
		mem_json(st->has[QUERY_MAKER], &st->maker.mem));
}

static json_t *missing_json(const struct control_facts *f,
			    const struct query_stats *st)
{
	json_t *list = json_array();

	for (int i = 0; i < QUERY_N_WHO; i++)
		if (!st->has[i] && (i != QUERY_NETSTACK || f->plan))
			(void)json_array_append_new(
				list,
				json_string(query_who_name((enum query_who)i)));
	return list;
}

json_t *control_json_stats(const struct control_facts *f,
			   const struct query_stats *st,
			   const struct procmem *own)
{
	bool net = st->has[QUERY_NETSTACK];
	json_t *dns =
		json_pack("{s:o, s:o}", "queries",
			  number_if(net, st->netstack.dns.queries), "failures",
			  number_if(net, st->netstack.dns.failures));
	json_t *restarts =
		json_pack("{s:o, s:o, s:o}", "netstack",
			  number(f->restarts[QUERY_NETSTACK]), "portfwd",
			  number(f->restarts[QUERY_PORTFWD]), "maker",
			  number(f->restarts[QUERY_MAKER]));

	return json_pack("{s:i, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "schema", CONTROL_SCHEMA, "state", state_text(f),
			 "state_reason", f->state_reason, "flows",
			 flows_json(st), "traffic", traffic_json(st), "errors",
			 errors_json(st), "dns", dns, "restarts", restarts,
			 "memory", memory_json(st, own), "incomplete",
			 missing_json(f, st));
}

/* ---- flows ---- */

json_t *control_json_flow(const struct flow_record *r, int32_t uid)
{
	static const char *const paths[] = { "splice", "copy", "udp" };
	static const char *const states[] = { "connecting", "written", "open",
					      "half-closed" };
	bool udp = r->path == FLOW_UDP;
	json_t *rtt = r->rtt_us == FLOW_RTT_UNKNOWN
			      ? json_null()
			      : json_real(r->rtt_us / 1e3);

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:f, s:I, s:I, s:o, s:i}",
		"proto", udp ? "udp" : "tcp", "path",
		r->path < FLOW_N_PATHS ? paths[r->path] : paths[0], "direction",
		r->direction == FLOW_INGRESS ? "ingress" : "egress", "pod",
		endpoint_json(&r->pod), "remote", endpoint_json(&r->remote),
		"host", endpoint_json(&r->host), "state",
		r->state < sizeof(states) / sizeof(*states) ? states[r->state]
							    : "open",
		"age", (double)r->age_ms / 1e3, "bytes_in",
		(json_int_t)r->bytes_in, "bytes_out", (json_int_t)r->bytes_out,
		"rtt_ms", rtt, "uid", (int)uid);
}
