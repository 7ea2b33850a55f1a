// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No event tells that a socket listens, so the kernel is asked four times a
 * second, only for sockets that do: how many connections there are costs
 * nothing. A pod with so many listeners that the answer takes long, or that
 * makes us search for free ports all the time, is looked at less often: it gets
 * a twentieth of a processor at most.
 *
 * While others come and go, the kernel's list may lack one that stays. So a
 * port is withdrawn when it is missing the second time.
 *
 * One that can't be published, or that portfwd can't take, is tried again every
 * few seconds: mostly it is descriptors that are missing, and they come back.
 */
#include "setup/helper/autopublish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"

#define LOOK_MS	    250
#define BUSY_SHARE  20
#define MISSED_MAX  2
#define AGAIN_LOOKS 16
/* the kernel's default for ip_local_port_range: a client that is bound there,
 * and not connected, looks like a server */
#define UDP_CLIENTS 32768
#define N_PORTS	    65536

struct followed {
	uint16_t port; /* of the pod */
	uint8_t proto; /* enum spec_proto */
	uint8_t missed;
	uint8_t pause;	  /* so many looks until it is tried again */
	bool told_failed; /* that it couldn't be */
	uint32_t id; /* of what is, or was until `port rm`; 0: it couldn't be */
};

struct autopublish {
	struct loop *loop;
	struct loop_timer timer;
	struct publisher *publisher;
	struct sockdiag *sockets;
	const struct podnet *plan;
	autopublish_fn changed;
	void *arg;
	bool told_many, told_short, told_blind;
	struct followed ports[AUTOPUBLISH_MAX];
	size_t n;
	/* by enum spec_proto: a bit for each port that is listened on */
	uint64_t seen[2][N_PORTS / 64];
};

/* ---- what there is ---- */

struct look {
	struct autopublish *a;
	enum spec_proto proto;
};

static void see(void *arg, const union endpoint *local)
{
	const struct look *l = arg;
	const struct podnet *plan = l->a->plan;
	struct ip ip = endpoint_ip(local);
	uint16_t port = endpoint_port(local);

	if (!ip_is_any(&ip) && !ip_equal(&ip, &plan->pod4) &&
	    !(plan->has_ipv6 && ip_equal(&ip, &plan->pod6)))
		return;
	if (port && (l->proto == SPEC_TCP || port < UDP_CLIENTS))
		l->a->seen[l->proto][port / 64] |= UINT64_C(1) << port % 64;
}

/* Return: true, or false: nothing is known */
static bool look_for(struct autopublish *a, enum spec_proto proto)
{
	struct look l = { a, proto };
	int rc = sockdiag_listening(
		a->sockets, proto == SPEC_TCP ? IPPROTO_TCP : IPPROTO_UDP, see,
		&l);

	if (rc && !a->told_blind)
		log_warn("--publish-all: the pod's sockets can't be listed: %s",
			 strerror(-rc));
	a->told_blind = rc;
	return !rc;
}

/* ---- withdrawing ---- */

static const char *proto_name(const struct followed *f)
{
	return f->proto == SPEC_UDP ? "udp" : "tcp";
}

static void withdraw(struct autopublish *a, const struct followed *f)
{
	struct published *p = publisher_find(a->publisher, f->id);

	if (!p)
		return; /* it couldn't be, or `port rm` was used */
	publisher_remove(a->publisher, p, false);
	log_info("--publish-all: port %u/%s of the pod: withdrawn", f->port,
		 proto_name(f));
}

/* ---- publishing ---- */

/* By a SPEC of the user's. */
static bool is_published(const struct autopublish *a, enum spec_proto proto,
			 uint16_t port)
{
	list_for_each (e, &a->publisher->specs) {
		const struct published *p =
			container_of(e, struct published, link);

		if (!p->removed && p->spec.proto == proto &&
		    port >= p->spec.pod_port &&
		    port - p->spec.pod_port < p->spec.count)
			return true;
	}
	return false;
}

static void tell_short(struct autopublish *a)
{
	if (!a->told_short)
		log_warn(
			"--publish-all: too many open files: not all ports of the pod are published (ulimit -Hn shows how many files are allowed)");
	a->told_short = true;
}

/* Once for each port, or, where a pod could have us say it at will, once. */
static void tell_failed(struct autopublish *a, struct followed *f, int err,
			const char *why)
{
	if (err == -EMFILE)
		tell_short(a);
	else if (!f->told_failed)
		log_warn("--publish-all: port %u/%s of the pod: %s", f->port,
			 proto_name(f), why);
	f->told_failed = true;
}

/* Return: is it, now? Else it is tried again later. */
static bool publish(struct autopublish *a, struct followed *f)
{
	struct spec spec = {
		.proto = f->proto,
		.host_port = f->port,
		.pod_port = f->port,
		.count = 1,
	};
	struct published *p = NULL;
	char why[256];
	int rc;

	log_hold(why, sizeof(why));
	rc = publisher_add(a->publisher, &spec, &p);
	if (rc == -EADDRINUSE || rc == -EACCES) {
		spec.host_port = 0;
		rc = publisher_add(a->publisher, &spec, &p);
	}
	log_hold(NULL, 0);
	if (rc) {
		f->pause = AGAIN_LOOKS;
		tell_failed(a, f, rc, why);
		return false;
	}
	f->id = p->id;
	log_info("--publish-all: port %u/%s of the pod: published on %u%s%s",
		 f->port, proto_name(f), p->ports[0], why[0] ? ": " : "", why);
	return true;
}

static void tell_many(struct autopublish *a)
{
	if (!a->told_many)
		log_warn(
			"--publish-all: %d ports of the pod are published, no more will be (use -p)",
			AUTOPUBLISH_MAX);
	a->told_many = true;
}

/* Return: as check_followed() */
static bool follow_new(struct autopublish *a, enum spec_proto proto)
{
	size_t before = a->n;

	for (size_t w = 0; w < N_PORTS / 64; w++) {
		for (uint64_t bits = a->seen[proto][w]; bits;
		     bits &= bits - 1) {
			uint16_t port =
				(uint16_t)(w * 64 +
					   (size_t)__builtin_ctzll(bits));

			if (a->n == AUTOPUBLISH_MAX) {
				tell_many(a);
				return a->n != before;
			}
			if (is_published(a, proto, port))
				continue;
			a->ports[a->n] =
				(struct followed){ .port = port,
						   .proto = (uint8_t)proto };
			(void)publish(a, &a->ports[a->n++]);
		}
	}
	return a->n != before;
}

/* ---- all of them ---- */

/* Return: as publish() */
static bool try_again(struct autopublish *a, struct followed *f)
{
	if (f->pause) {
		f->pause--;
		return false;
	}
	return !is_published(a, f->proto, f->port) && publish(a, f);
}

/* Leaves in a->seen what isn't followed yet. Return: has anything changed? */
static bool check_followed(struct autopublish *a)
{
	bool changed = false;
	size_t kept = 0;

	for (size_t i = 0; i < a->n; i++) {
		struct followed f = a->ports[i];
		uint64_t *word = &a->seen[f.proto][f.port / 64];
		uint64_t bit = UINT64_C(1) << f.port % 64;

		f.missed = *word & bit ? 0 : (uint8_t)(f.missed + 1);
		*word &= ~bit;
		if (f.missed == MISSED_MAX) {
			withdraw(a, &f);
			changed = true;
			continue;
		}
		if (!f.id && !f.missed)
			changed |= try_again(a, &f);
		a->ports[kept++] = f;
	}
	a->n = kept;
	return changed;
}

/* ---- in time ---- */

static void look(struct autopublish *a)
{
	bool changed;

	memset(a->seen, 0, sizeof(a->seen));
	/* who knows only half would withdraw the other */
	if (!look_for(a, SPEC_TCP) || !look_for(a, SPEC_UDP))
		return;
	changed = check_followed(a);
	changed |= follow_new(a, SPEC_TCP);
	changed |= follow_new(a, SPEC_UDP);
	if (changed)
		a->changed(a->arg);
}

static int look_later(struct autopublish *a, struct mono busy)
{
	struct mono pause = mono_ms(LOOK_MS);

	if (busy.ns * BUSY_SHARE > pause.ns)
		pause.ns = busy.ns * BUSY_SHARE;
	return loop_timer_set(a->loop, &a->timer, mono_add(mono_now(), pause));
}

static void on_timer(struct loop_timer *t)
{
	struct autopublish *a = container_of(t, struct autopublish, timer);
	struct mono begin = mono_now();

	look(a);
	/* logged; then what is published stays */
	(void)look_later(a, mono_sub(mono_now(), begin));
}

bool autopublish_lost(struct autopublish *a, uint32_t id)
{
	for (size_t i = 0; a && i < a->n; i++) {
		struct followed *f = &a->ports[i];

		if (f->id != id)
			continue;
		f->id = 0;
		f->pause = AGAIN_LOOKS;
		tell_short(a);
		return true;
	}
	return false;
}

int autopublish_new(struct autopublish **out, struct loop *loop,
		    struct publisher *publisher, struct sockdiag *sockets,
		    const struct podnet *plan, autopublish_fn changed,
		    void *arg)
{
	struct autopublish *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return log_errno(ENOMEM, "--publish-all");
	a->loop = loop;
	a->timer.fn = on_timer;
	a->publisher = publisher;
	a->sockets = sockets;
	a->plan = plan;
	a->changed = changed;
	a->arg = arg;
	rc = look_later(a, (struct mono){ 0 });
	if (rc) {
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

struct autopublish *autopublish_free(struct autopublish *a)
{
	if (!a)
		return NULL;
	loop_timer_stop(a->loop, &a->timer);
	free(a);
	return NULL;
}
