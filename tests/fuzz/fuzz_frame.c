// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from the pod through parser, policy and switch. The input is a series
 * of frames: two bytes of length (the topmost bit: it comes from the hop),
 * then that many bytes, or what is left of them.
 */
#include "netstack/frame.h"
#include "netstack/policy.h"
#include "netstack/switch.h"
#include "tests/fuzz/fuzz.h"

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
		(void)switch_from_hop(sw, &f, MONO_ZERO);
	} else if (!switch_from_pod(sw, &f, MONO_ZERO)) {
		bool strict = policy_allows(&f, plan, false);

		if (strict || policy_allows(&f, plan, true))
			check_allowed(&f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct podnet plan = fuzz_plan();
	struct tape t = { data, size };
	struct flow_switch *sw = NULL;

	check(switch_new(&sw, &plan, size & 1) == 0);
	while (t.left > 2) {
		uint16_t head = tape_u16(&t);
		size_t len = head & 0x7fff;
		uint8_t *frame = tape_bytes(&t, &len);

		one_frame(sw, &plan, frame, len, head & 0x8000);
		free(frame);
	}
	check(switch_count(sw) <= SWITCH_FLOWS_MAX);
	switch_free(sw);
	return 0;
}
