// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listeners are bound here, in the supervisor, and sent to portfwd in batches.
 * A large range may not fit in the socket: the rest follows as there is room,
 * and the loop waits for nothing.
 *
 * A port is free when the last process has closed it. So whoever wants to know
 * that one is free, or that portfwd could take a new one, asks portfwd for its
 * ports behind what was sent: messages are read in order (query.h).
 */
#include "setup/helper/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/adopt.h"
#include "portfwd/listen.h"

/* What a service manager gives a service to start in (DefaultTimeoutStartSec in
 * systemd-system.conf(5)). */
#define EARLY_S 90

/* Descriptors that a SPEC must leave: for flows, restarts, and questions. Of
 * few it is a part of them. */
#define SPARE_FDS   512
#define SPARE_SHARE 4

/* How long to wait for what no descriptor tells of. */
#define SEND_AGAIN_MS 100

static void on_room(struct loop_source *src, uint32_t revents);
static void on_again(struct loop_timer *t);

void publisher_init(struct publisher *pb)
{
	*pb = (struct publisher){ .ctl = -1,
				  .room = LOOP_SOURCE_NULL,
				  .again.fn = on_again };
	list_init(&pb->specs);
}

static void published_free(struct published *p)
{
	if (p->fds)
		listen_close(p->fds, p->spec.count);
	list_del(&p->link);
	free(p->fds);
	free(p->ports);
	free(p);
}

static void stop_waiting(struct publisher *pb)
{
	loop_close(pb->loop, &pb->room);
	loop_timer_stop(pb->loop, &pb->again);
}

void publisher_deinit(struct publisher *pb)
{
	if (pb->loop)
		stop_waiting(pb);
	while (!list_empty(&pb->specs))
		published_free(
			container_of(pb->specs.next, struct published, link));
}

/* ---- sending ---- */

/* Return: 0 or -errno, not logged */
static int send_batch(struct published *p, int ctl)
{
	struct portfwd_publish body = {
		.spec = p->spec,
		.id = p->id,
		.first = (uint16_t)p->sent,
		.again = p->again,
		.early_s = p->passed ? EARLY_S : 0,
	};
	unsigned int left = p->spec.count - p->sent;
	int rc;

	body.n = (uint16_t)(left < PORTFWD_BATCH ? left : PORTFWD_BATCH);
	memcpy(body.host_ports, p->ports + p->sent,
	       body.n * sizeof(body.host_ports[0]));
	rc = msg_send(ctl, PORTFWD_PUBLISH, &body, sizeof(body),
		      p->fds + p->sent, body.n);
	if (!rc)
		p->sent += body.n;
	return rc;
}

int publisher_send(struct publisher *pb, int ctl)
{
	unsigned int tries = 0;
	int rc = 0;

	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		p->sent = 0;
		p->again = false;
		while ((!rc || msg_patience(rc, &tries)) &&
		       p->sent < p->spec.count)
			rc = send_batch(p, ctl);
	}
	return rc;
}

/* Return: 0: portfwd knows all of @p; else as msg_send() */
static int send_change(struct published *p, int ctl)
{
	struct portfwd_unpublish u = { .id = p->id, .drop = p->drop };
	int rc = 0;

	if (p->removed && !p->sent && !p->again)
		return 0; /* it has never heard of it */
	if (p->removed)
		return msg_send(ctl, PORTFWD_UNPUBLISH, &u, sizeof(u), NULL, 0);
	while (!rc && p->sent < p->spec.count)
		rc = send_batch(p, ctl);
	return rc;
}

/*
 * Return: 0: all is sent, or -errno. A portfwd that is gone is as one that
 * isn't there: its successor is told everything.
 */
static int send_changes(struct publisher *pb)
{
	list_for_each_safe (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);
		int rc = pb->ctl < 0 ? 0 : send_change(p, pb->ctl);

		if (rc && rc != -EPIPE)
			return rc;
		if (p->removed)
			published_free(p);
	}
	return 0;
}

/* Return: is there a descriptor that tells when there is room? */
static bool watch_room(struct publisher *pb)
{
	if (pb->room.fd >= 0)
		return true;
	/* a duplicate: the original is watched for what comes in */
	pb->room = (struct loop_source){ fcntl(pb->ctl, F_DUPFD_CLOEXEC, 0),
					 EPOLLOUT, on_room };
	if (pb->room.fd >= 0 && !loop_add(pb->loop, &pb->room))
		return true;
	fd_drop(&pb->room.fd);
	return false;
}

/*
 * Send what there is, and arrange for the rest. That the socket has room says
 * nothing of what else may be missing: memory, or the kernel's patience with
 * this user, who has too many descriptors in flight elsewhere (ETOOMANYREFS).
 *
 * Return: as send_changes()
 */
static int send_on(struct publisher *pb)
{
	int rc = send_changes(pb);

	if (rc == -EAGAIN && watch_room(pb))
		return rc;
	stop_waiting(pb);
	if (rc) /* logged; then with the next change */
		(void)loop_timer_set(
			pb->loop, &pb->again,
			mono_add(loop_now(pb->loop), mono_ms(SEND_AGAIN_MS)));
	return rc;
}

static void flush(struct publisher *pb)
{
	int rc = publisher_busy(pb) ? 0 : send_on(pb);

	if (rc && !msg_again(rc))
		log_warn("portfwd is told of its ports later: %s",
			 strerror(-rc));
}

static void go_on(struct publisher *pb)
{
	if (!send_on(pb) && pb->sent)
		pb->sent(pb->arg);
}

static void on_room(struct loop_source *src, uint32_t revents)
{
	struct publisher *pb = container_of(src, struct publisher, room);

	(void)revents;
	pb->moves++;
	go_on(pb);
}

static void on_again(struct loop_timer *t)
{
	go_on(container_of(t, struct publisher, again));
}

void publisher_attach(struct publisher *pb, struct loop *loop, int ctl)
{
	bool busy = publisher_busy(pb);

	pb->loop = loop;
	stop_waiting(pb);
	pb->ctl = ctl;
	if (ctl < 0)
		list_for_each (e, &pb->specs)
			container_of(e, struct published, link)->sent = 0;
	flush(pb);
	if (busy && !publisher_busy(pb) && pb->sent)
		pb->sent(pb->arg);
}

bool publisher_busy(const struct publisher *pb)
{
	return pb->room.fd >= 0 || pb->again.pos;
}

/* ---- what is published ---- */

static bool leaves_spare(const struct published *p)
{
	struct rlimit lim;
	rlim_t spare;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return true; /* can't fail */
	spare = lim.rlim_cur / SPARE_SHARE;
	if (spare > SPARE_FDS)
		spare = SPARE_FDS;
	/* the lowest free number is taken: the last one is the highest */
	return (rlim_t)p->fds[p->spec.count - 1] + spare < lim.rlim_cur;
}

static int open_all(const struct publisher *pb, struct published *p)
{
	unsigned int n = p->spec.count;
	char text[SPEC_TEXT_MAX];
	int rc;

	p->fds = malloc(n * sizeof(*p->fds));
	p->ports = calloc(n, sizeof(*p->ports));
	if (p->fds)
		memset(p->fds, -1, n * sizeof(*p->fds));
	if (!p->fds || !p->ports)
		return log_errno(ENOMEM, "published ports");
	rc = adopt_open(pb->passed, pb->n_passed, &p->spec, p->fds, p->ports);
	if (rc < 0)
		return rc;
	p->passed = rc;
	if (leaves_spare(p))
		return 0;
	log_error("%s: too many open files (ulimit -Hn shows how many are "
		  "allowed)",
		  spec_format(&p->spec, text, sizeof(text)));
	return -EMFILE;
}

int publisher_add(struct publisher *pb, const struct spec *spec,
		  struct published **out)
{
	struct published *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return log_errno(ENOMEM, "published ports");
	list_init(&p->link);
	p->spec = *spec;
	rc = open_all(pb, p);
	if (rc) {
		published_free(p);
		return rc;
	}
	p->id = ++pb->last_id;
	list_append(&pb->specs, &p->link);
	if (pb->loop)
		flush(pb);
	if (out)
		*out = p;
	return 0;
}

static void mark_removed(struct published *p, bool drop)
{
	p->removed = true;
	p->drop = drop;
	listen_close(p->fds, p->spec.count);
}

void publisher_remove(struct publisher *pb, struct published *p, bool drop)
{
	mark_removed(p, drop);
	flush(pb);
}

/* Return: was any port bound anew? */
static bool rebind(struct published *p)
{
	struct spec spec = p->spec;
	bool any = false;
	unsigned int now;

	if (!spec.ifname[0] || p->removed)
		return false;
	now = if_nametoindex(spec.ifname);
	spec.host_port = p->ports[0];
	for (uint16_t k = 0; now && k < spec.count; k++) {
		uint16_t port;
		int fd;

		if (listen_device(p->fds[k]) == now)
			continue;
		if (listen_open_nth(&spec, k, &fd, &port))
			break;
		fd_drop(&p->fds[k]);
		p->fds[k] = fd;
		any = true;
	}
	return any;
}

void publisher_rebind(struct publisher *pb)
{
	bool any = false;

	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		if (!rebind(p))
			continue;
		log_info("%%%s: another interface: its ports are bound anew",
			 p->spec.ifname);
		p->sent = 0;
		p->again = any = true;
	}
	if (any)
		flush(pb);
}

struct published *publisher_find(const struct publisher *pb, uint32_t id)
{
	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		if (p->id == id && !p->removed)
			return p;
	}
	return NULL;
}

static bool matches(const struct published *p, const struct spec *spec)
{
	const struct spec *s = &p->spec;

	return !p->removed && s->proto == spec->proto &&
	       s->count == spec->count && s->pod_port == spec->pod_port &&
	       strcmp(s->ifname, spec->ifname) == 0 &&
	       s->host_addr.family == spec->host_addr.family &&
	       (!s->host_addr.family ||
		ip_equal(&s->host_addr, &spec->host_addr)) &&
	       (s->host_port == spec->host_port ||
		p->ports[0] == spec->host_port);
}

struct published *publisher_match(const struct publisher *pb,
				  const struct spec *spec, size_t *n)
{
	struct published *found = NULL;

	*n = 0;
	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		if (!matches(p, spec))
			continue;
		if (!found)
			found = p;
		++*n;
	}
	return found;
}

/* ---- what portfwd says ---- */

#define ID_AT(e) container_of(e, struct published, link)->id

void publisher_ask(struct publisher *pb)
{
	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		p->asked = pb->ctl >= 0 && p->sent == p->spec.count;
		p->told = false;
		p->record = (struct port_record){ .id = p->id };
	}
}

void publisher_tell(struct publisher *pb, const struct port_record *r, size_t n)
{
	const struct list *head = &pb->specs;
	struct list *e = head->next;

	/* both are sorted by id, but for where TCP ends and UDP begins */
	for (size_t i = 0; i < n; i++) {
		if (i && r[i].id < r[i - 1].id)
			e = head->next;
		while (e != head && ID_AT(e) < r[i].id)
			e = e->next;
		if (e == head || ID_AT(e) != r[i].id)
			continue;

		struct published *p = container_of(e, struct published, link);

		p->record = r[i];
		p->told = true;
	}
}

bool publisher_judge(struct publisher *pb)
{
	bool any = false;

	list_for_each (e, &pb->specs) {
		struct published *p = container_of(e, struct published, link);

		if (p->removed || !p->asked || p->sent != p->spec.count ||
		    p->record.n_ports == p->spec.count)
			continue;
		if (pb->lost)
			pb->lost(pb->arg, p);
		any = true;
		mark_removed(p, true);
	}
	if (any)
		flush(pb);
	return any;
}
