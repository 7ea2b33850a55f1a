// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of first SYNs between a pod that sends what it likes and a portfwd
 * that answers late, twice, wrongly, for SYNs long gone, or dies. The input is
 * a series of steps.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "netstack/base/checksum.h"
#include "netstack/frame.h"
#include "netstack/syn.h"
#include "tests/fuzz/fuzz.h"

#define IDS	 64 /* questions remembered */
#define BURST	 9000
#define SYN_LEN4 (FRAME_ETH_LEN + 20 + 20)
#define SYN_LEN6 (FRAME_ETH_LEN + 40 + 20)

struct world {
	struct loop loop;
	struct loop_job stop;
	struct podnet plan;
	struct syn_table *syn;
	int portfwd; /* its end, or -1 */
	uint32_t ids[IDS];
	size_t n_asked;
	size_t n_verdicts; /* sent, good or bad */
	size_t n_out;	   /* SYNs that left the table for TAP or libslirp */
};

static void on_stop(struct loop_job *job)
{
	loop_stop(&container_of(job, struct world, stop)->loop, 0);
}

static void turn(struct world *w)
{
	w->loop.stopped = false;
	loop_defer(&w->loop, &w->stop);
	check(loop_run(&w->loop) == 0);
}

/* Written back to the hop, or an answer to who sent the SYN: both are whole. */
static void to_tap(void *arg, const void *frame, size_t len)
{
	struct world *w = arg;
	struct frame f;

	check(frame_parse(frame, len, &f) && f.is_ip);
	if (frame_is_first_syn(&f))
		check(memcmp(f.eth, w->plan.gw_mac, 6) == 0 &&
		      memcmp(f.eth + 6, w->plan.pod_mac, 6) == 0);
	w->n_out++;
}

static void to_stack(void *arg, const void *frame, size_t len)
{
	struct world *w = arg;
	struct frame f;

	check(frame_parse(frame, len, &f) && frame_is_first_syn(&f));
	w->n_out++;
}

static size_t build_syn(uint8_t *buf, bool v6, uint16_t sport, uint16_t dport)
{
	uint8_t *ip = buf + FRAME_ETH_LEN, *tcp = ip + (v6 ? 40 : 20);

	memset(buf, 0, SYN_LEN6);
	store16(buf + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	ip[0] = v6 ? 0x60 : 0x45;
	ip[v6 ? 6 : 9] = IPPROTO_TCP;
	store16(ip + (v6 ? 4 : 2), v6 ? 20 : 40);
	ip[v6 ? 8 : 12] = 10;
	ip[v6 ? 24 : 16] = 198;
	store16(tcp, sport);
	store16(tcp + 2, dport);
	tcp[12] = 5 << 4;
	tcp[13] = FRAME_TCP_SYN;
	return v6 ? SYN_LEN6 : SYN_LEN4;
}

static void take(struct world *w, const uint8_t *buf, size_t len)
{
	struct frame f;

	if (frame_parse(buf, len, &f) && frame_is_first_syn(&f))
		(void)syn_take(w->syn, &f);
}

/* More than the table holds. */
static void burst(struct world *w, bool v6, uint16_t sport, unsigned int n)
{
	uint8_t buf[SYN_LEN6];

	for (unsigned int i = 0; i < n; i++) {
		take(w, buf, build_syn(buf, v6, (uint16_t)(sport + i), 80));
		if (i % SYN_BATCH == SYN_BATCH - 1)
			syn_flush(w->syn);
	}
}

static void raw_frame(struct world *w, struct tape *t)
{
	size_t len = tape_u8(t);
	uint8_t *frame = tape_bytes(t, &len);

	take(w, frame, len);
	free(frame);
}

static void hear(struct world *w)
{
	struct msg m;

	while (w->portfwd >= 0 && msg_recv(w->portfwd, &m) > 0) {
		struct syn_ask ask;

		check(m.type == SYN_ASK && m.len && m.len % sizeof(ask) == 0 &&
		      m.len <= SYN_BATCH * sizeof(ask));
		for (size_t at = 0; at < m.len; at += sizeof(ask)) {
			memcpy(&ask, m.body + at, sizeof(ask));
			w->ids[w->n_asked++ % IDS] = ask.id;
		}
		msg_drop(&m);
	}
}

static void verdict(struct world *w, struct tape *t)
{
	struct syn_verdict v[SYN_BATCH];
	size_t n = tape_u8(t) % SYN_BATCH + 1;

	for (size_t i = 0; i < n; i++) {
		uint8_t which = tape_u8(t);

		v[i].id = w->ids[which % IDS] + (which >> 6 == 3);
		v[i].what = tape_u8(t) % (SYN_N_WHATS + 1U);
	}
	if (w->portfwd >= 0 &&
	    !msg_send(w->portfwd, SYN_VERDICT, v, n * sizeof(v[0]), NULL, 0))
		w->n_verdicts += n;
}

static void garbage(struct world *w, struct tape *t)
{
	uint32_t type = tape_u8(t);
	size_t len = tape_u8(t);
	uint8_t *body = tape_bytes(t, &len);

	if (w->portfwd >= 0 &&
	    !msg_send(w->portfwd, type, body, len, NULL, 0) &&
	    type == SYN_VERDICT)
		w->n_verdicts += len / sizeof(struct syn_verdict);
	free(body);
}

static int new_peer(struct world *w)
{
	int ends[2];

	fd_drop(&w->portfwd);
	check(msg_pair(ends) == 0 && fd_nonblock(ends[1]) == 0);
	w->portfwd = ends[1];
	return ends[0];
}

static void step(struct world *w, struct tape *t)
{
	uint8_t op = tape_u8(t);

	switch (op % 9) {
	case 0: {
		uint16_t sport = tape_u16(t);

		burst(w, op & 0x80, sport, 1);
		break;
	}
	case 1:
		raw_frame(w, t);
		break;
	case 2:
		syn_flush(w->syn);
		break;
	case 3:
		hear(w);
		break;
	case 4:
		verdict(w, t);
		break;
	case 5:
		garbage(w, t);
		break;
	case 6:
		check(syn_attach(w->syn, new_peer(w)) == 0);
		break;
	case 7:
		fd_drop(&w->portfwd);
		w->portfwd = -1;
		break;
	case 8:
		burst(w, op & 0x80, tape_u16(t),
		      tape_u8(t) == 255 ? BURST : 300);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .plan = fuzz_plan(), .portfwd = -1 };
	struct syn_ops ops = { to_tap, to_stack, &w };
	struct tape t = { data, size };

	check(loop_init(&w.loop) == 0);
	w.stop.fn = on_stop;
	list_init(&w.stop.link);
	check(syn_new(&w.syn, &w.loop, &w.plan, new_peer(&w), &ops) == 0);
	while (t.left) {
		step(&w, &t);
		turn(&w);
		check(w.n_out <= w.n_verdicts);
	}
	/* who reads is asked about all */
	for (int i = 0; i < SYN_PENDING_MAX / SYN_BATCH; i++) {
		hear(&w);
		turn(&w);
	}
	syn_free(w.syn);
	fd_drop(&w.portfwd);
	loop_deinit(&w.loop);
	return 0;
}
