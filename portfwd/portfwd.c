// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The port forwarder's process: takes listeners from the supervisor and gives
 * them to ingress.c and udp.c (published ports) and egress.c (TCP out of the
 * pod), whose flows share one relay. It ends when the supervisor does.
 */
#include "portfwd/portfwd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "netstack/loop.h"
#include "portfwd/egress.h"
#include "portfwd/ingress.h"
#include "portfwd/relay.h"
#include "portfwd/report.h"
#include "portfwd/udp.h"

struct portfwd {
	struct loop loop;
	struct loop_source ctl;
	int peer, maker;
	int (*lock)(void *arg);
	void *lock_arg;
	struct portfwd_config cfg;
	struct relay relay;
	struct egress *egress; /* NULL: libslirp's */
	struct source source;
	struct pool *pool; /* NULL until configured, as the next */
	struct ingress *ingress;
	struct udp *udp;
	struct report report;
	bool started;
};

static int start_egress(struct portfwd *pf, struct msg *m)
{
	struct egress_config cfg = { .plan = &pf->cfg.plan,
				     .host_loopback = pf->cfg.host_loopback,
				     .host_ports = &pf->cfg.host_ports,
				     .outbound4 = pf->cfg.outbound4,
				     .outbound6 = pf->cfg.outbound6 };
	int tproxy[2] = { -1, -1 };
	size_t next = 0;

	for (int i = 0; i < 2; i++)
		if (pf->cfg.has_tproxy[i])
			tproxy[i] = msg_take_fd(m, next++);
	return egress_new(&pf->egress, &pf->loop, &pf->relay, &cfg,
			  fd_take(&pf->peer), tproxy);
}

static int configure(struct portfwd *pf, struct msg *m)
{
	int rc;

	if (m->len != sizeof(pf->cfg) || pf->ingress)
		return log_errno(EPROTO, "portfwd: configuration");
	memcpy(&pf->cfg, m->body, sizeof(pf->cfg));
	pf->source.plan = &pf->cfg.plan;
	pf->source.no_route6 = !pf->cfg.route6;
	pf->source.direct = pf->cfg.direct;
	pf->source.connected = pf->cfg.connected;
	memcpy(pf->source.lost, pf->cfg.lost, sizeof(pf->source.lost));
	rc = pool_new(&pf->pool, &pf->loop, fd_take(&pf->maker),
		      pf->cfg.plan.has_ipv6);
	if (!rc)
		rc = ingress_new(&pf->ingress, &pf->loop, &pf->relay,
				 &pf->source, pf->pool);
	if (!rc)
		rc = udp_new(&pf->udp, &pf->loop, &pf->source, pf->pool);
	if (!rc && pf->cfg.splice)
		rc = start_egress(pf, m);
	pf->report.egress = pf->egress;
	pf->report.ingress = pf->ingress;
	pf->report.udp = pf->udp;
	return rc;
}

/*
 * Part of a SPEC is lost for want of descriptors or memory. At the start that
 * is fatal; later the open flows are worth more, and the supervisor sees in
 * the next PORTS_ARE that ports are missing.
 */
static int publish_failed(struct portfwd *pf, const struct msg *m)
{
	struct portfwd_publish p;

	if (m->len != sizeof(p) || !pf->started)
		return -EMFILE;
	memcpy(&p, m->body, sizeof(p));
	ingress_unpublish(pf->ingress, p.id, true);
	udp_unpublish(pf->udp, p.id);
	return 0;
}

static int publish(struct portfwd *pf, struct msg *m)
{
	struct portfwd_publish p;
	int rc;

	if (m->len != sizeof(p) || !pf->ingress)
		return log_errno(EPROTO, "portfwd: publish");
	memcpy(&p, m->body, sizeof(p));
	if (p.n != m->n_fds || p.n > PORTFWD_BATCH)
		return log_errno(EPROTO, "portfwd: publish");
	rc = p.spec.proto == SPEC_UDP
		     ? udp_publish(pf->udp, &p, m->fds)
		     : ingress_publish(pf->ingress, &p, m->fds);
	return rc ? publish_failed(pf, m) : 0;
}

static void unpublish(struct portfwd *pf, const struct msg *m)
{
	struct portfwd_unpublish u;

	if (m->len != sizeof(u) || !pf->ingress)
		return;
	memcpy(&u, m->body, sizeof(u));
	ingress_unpublish(pf->ingress, u.id, u.drop);
	udp_unpublish(pf->udp, u.id);
}

static int start(struct portfwd *pf)
{
	int rc;

	if (!pf->ingress)
		return log_errno(EPROTO, "portfwd: start");
	rc = pf->lock(pf->lock_arg);
	if (!rc)
		rc = ingress_start(pf->ingress);
	if (!rc)
		rc = udp_start(pf->udp);
	pf->started = !rc;
	return rc ? rc
		  : msg_must_send(pf->ctl.fd, "the supervisor", PORTFWD_READY,
				  NULL, 0, NULL, 0);
}

/* A process we speak with has been started again. */
static int new_end(struct portfwd *pf, struct msg *m)
{
	if (m->n_fds != 1)
		return log_errno(EPROTO, "portfwd: new end");
	if (m->type == PORTFWD_MAKER && pf->pool)
		return pool_attach(pf->pool, msg_take_fd(m, 0));
	if (m->type == PORTFWD_PEER && pf->egress)
		return egress_peer(pf->egress, msg_take_fd(m, 0));
	return 0;
}

static void ask(struct portfwd *pf, const struct msg *m)
{
	uint32_t cookie;

	if (m->len != sizeof(cookie))
		return;
	memcpy(&cookie, m->body, sizeof(cookie));
	if (m->type == PORTFWD_STATS)
		report_stats(&pf->report, cookie);
	else if (m->type == PORTFWD_FLOWS)
		report_flows(&pf->report, cookie);
	else
		report_ports(&pf->report, cookie);
}

/* What is relayed already goes on; UDP has no end to wait for. */
static void retarget(struct portfwd *pf, const struct msg *m)
{
	struct portfwd_target t;

	if (m->len != sizeof(t) || !pf->ingress || !pf->cfg.direct)
		return;
	memcpy(&t, m->body, sizeof(t));
	pf->cfg.plan = t.plan;
	memcpy(pf->source.lost, t.lost, sizeof(pf->source.lost));
	pool_families(pf->pool, t.plan.has_ipv6);
	udp_drop_flows(pf->udp);
	ingress_retarget(pf->ingress);
}

/* Return: 0 or -errno, which ends the process */
static int take(struct portfwd *pf, struct msg *m)
{
	switch (m->type) {
	case PORTFWD_CONFIG:
		return configure(pf, m);
	case PORTFWD_PUBLISH:
		return publish(pf, m);
	case PORTFWD_START:
		return start(pf);
	case PORTFWD_PEER:
	case PORTFWD_MAKER:
		return new_end(pf, m);
	case PORTFWD_ROUTE6:
		if (m->len == 1)
			pf->source.no_route6 = !m->body[0];
		return 0;
	case PORTFWD_TARGET:
		retarget(pf, m);
		return 0;
	case PORTFWD_UNPUBLISH:
		unpublish(pf, m);
		return 0;
	case PORTFWD_STATS:
	case PORTFWD_FLOWS:
	case PORTFWD_PORTS:
		ask(pf, m);
		return 0;
	default:
		return 0;
	}
}

static void on_ctl(struct loop_source *src, uint32_t revents)
{
	struct portfwd *pf = container_of(src, struct portfwd, ctl);
	struct msg m;
	int rc;

	if (revents & EPOLLOUT)
		report_room(&pf->report);
	rc = msg_recv(src->fd, &m);
	if (msg_again(rc))
		return;
	if (rc == -EMFILE && m.type == PORTFWD_PUBLISH &&
	    !publish_failed(pf, &m))
		return;
	if (rc < 0)
		(void)log_errno(-rc, "portfwd: message of the supervisor");
	if (rc <= 0) {
		loop_stop(&pf->loop, rc ? 1 : 0);
		return;
	}
	if (take(pf, &m))
		loop_stop(&pf->loop, 1);
	msg_drop(&m);
}

static void close_all(struct portfwd *pf)
{
	report_deinit(&pf->report);
	pf->ingress = ingress_free(pf->ingress);
	pf->udp = udp_free(pf->udp);
	pf->pool = pool_free(pf->pool);
	pf->egress = egress_free(pf->egress);
	relay_deinit(&pf->relay);
	loop_close(&pf->loop, &pf->ctl);
	fd_drop(&pf->peer);
	fd_drop(&pf->maker);
	loop_deinit(&pf->loop);
}

int portfwd_main(int ctl, int peer, int maker, int (*lock)(void *arg),
		 void *lock_arg)
{
	struct portfwd *pf = calloc(1, sizeof(*pf));
	int rc;

	if (!pf)
		return log_errno(ENOMEM, "portfwd") ? 1 : 0;
	pf->peer = peer;
	pf->lock = lock;
	pf->lock_arg = lock_arg;
	pf->maker = maker;
	pf->ctl = (struct loop_source){ ctl, EPOLLIN, on_ctl };
	rc = loop_init(&pf->loop);
	if (!rc)
		/* answers must not wait for a supervisor that doesn't read */
		rc = fd_nonblock(ctl);
	if (!rc)
		report_init(&pf->report, &pf->loop, &pf->ctl, &pf->relay);
	if (!rc)
		rc = relay_init(&pf->relay, &pf->loop);
	if (!rc)
		rc = loop_add(&pf->loop, &pf->ctl);
	if (!rc)
		rc = loop_run(&pf->loop);
	close_all(pf);
	free(pf);
	return rc ? 1 : 0;
}
