// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from the pod through parser, policy and switch. The input is a series
 * of frames: two bytes of length (the topmost bit: it comes from the hop),
 * then that many bytes, or what is left of them.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/frame.h"
#include "netstack/policy.h"
#include "netstack/switch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth)
{
	if (!truth)
		abort();
}

static struct ip address(const char *text)
{
	struct ip ip;

	check(ip_parse(text, &ip) == 0);
	return ip;
}

static struct podnet make_plan(void)
{
	return (struct podnet){
		.net4 = address("10.0.2.0"),
		.gw4 = address("10.0.2.2"),
		.dns4 = address("10.0.2.3"),
		.pod4 = address("10.0.2.100"),
		.prefix4 = 24,
		.has_ipv6 = true,
		.net6 = address("fd00::"),
		.gw6 = address("fd00::2"),
		.dns6 = address("fd00::3"),
		.pod6 = address("fd00::100"),
		.prefix6 = 64,
	};
}

static void check_parsed(const struct frame *f, const uint8_t *buf, size_t len)
{
	check(f->eth == buf && f->len == len);
	check(!f->has_ports || (f->is_ip && !f->is_fragment));
	check(!f->is_ip || f->src.family == f->dst.family);
	if (f->payload)
		check(f->payload >= buf &&
		      f->payload_len <= (size_t)(buf + len - f->payload));
}

/* What connect() on the host would take for the host, by another way. */
static void check_allowed(const struct frame *f)
{
	const uint8_t *b = ip_bytes(&f->dst);
	struct ip dst = ip_unmap(&f->dst);

	if (!f->is_ip)
		return;
	check(!ip_is_loopback(&f->dst) && !ip_is_any(&f->dst));
	check(dst.family == f->dst.family); /* not mapped */
	if (dst.family == AF_INET)
		check(b[0] != 0 && b[0] != 127);
}

static void one_frame(struct flow_switch *sw, const struct podnet *plan,
		      const uint8_t *buf, size_t len, bool from_hop)
{
	struct frame f;

	if (!frame_parse(buf, len, &f))
		return;
	check_parsed(&f, buf, len);
	if (from_hop) {
		switch_from_hop(sw, &f);
	} else if (!switch_from_pod(sw, &f)) {
		bool strict = policy_allows(&f, plan, false);

		if (strict || policy_allows(&f, plan, true))
			check_allowed(&f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct podnet plan = make_plan();
	struct flow_switch *sw = NULL;

	check(switch_new(&sw, &plan, size & 1) == 0);
	while (size > 2) {
		size_t len = (size_t)(data[0] & 0x7f) << 8 | data[1];
		bool from_hop = data[0] & 0x80;
		uint8_t *exact;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		exact = malloc(len ? len : 1); /* so that ASan sees its end */
		check(exact != NULL);
		memcpy(exact, data, len);
		one_frame(sw, &plan, exact, len, from_hop);
		free(exact);
		data += len;
		size -= len;
	}
	check(switch_count(sw) <= SWITCH_FLOWS_MAX);
	switch_free(sw);
	return 0;
}
