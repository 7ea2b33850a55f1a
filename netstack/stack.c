// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libslirp brings its own poll set, which it describes anew before each sleep
 * (slirp_pollfds_fill) and asks about after it (slirp_pollfds_poll). Walking
 * all its sockets costs time in proportion to their number, so both calls are
 * left out of a turn in which nothing of libslirp's has happened: no frame, no
 * event, no timer of its own due.
 *
 * What libslirp wants of a descriptor is kept per descriptor and compared with
 * what epoll was told last. A descriptor it doesn't ask for is taken out of
 * epoll altogether, because EPOLLHUP and EPOLLERR can't be masked.
 *
 * Units: libslirp's clock is in nanoseconds, its timers and its timeout are in
 * milliseconds of that clock. The conversions are in clock_ns(), timer_mod()
 * and before(), and nowhere else.
 */
#include "netstack/stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netstack/base/log.h"

/* What slirp_pollfds_fill() asks for when it has no timer running. */
#define IDLE_MS 1000

struct watched {
	struct loop_source src; /* src.fd -1: not in epoll */
	struct stack *stack;
	int fd;
	uint32_t want, got;
	uint32_t seen; /* the fill in which it was asked for */
	bool open;     /* counted in n_fds */
	bool dgram;    /* and in n_dgrams */
};

struct timer {
	struct loop_timer t;
	struct stack *stack;
	SlirpTimerId id;
	void *cb_opaque;
};

struct stack {
	struct loop *loop;
	Slirp *slirp;
	struct loop_hook hook;
	stack_send_fn send;
	void *arg;
	struct sockaddr_in outbound4;
	struct sockaddr_in6 outbound6;
	struct watched **by_fd; /* indexed by descriptor */
	size_t cap;
	int *active; /* the descriptors asked for, for the sweep */
	size_t n_active, cap_active;
	size_t n_fds, n_dgrams; /* registered by libslirp */
	uint32_t fill;
	struct mono due; /* when libslirp wants to be called again */
	bool touched;	 /* a frame came in since the last fill */
	bool events;	 /* a descriptor has something to tell */
	struct stack_stats stats;
};

static void on_event(struct loop_source *src, uint32_t revents)
{
	struct watched *w = container_of(src, struct watched, src);

	w->got |= revents;
	w->stack->events = true;
}

static struct watched *watched_get(struct stack *s, int fd)
{
	if ((size_t)fd >= s->cap) {
		size_t cap = s->cap ? s->cap : 64;
		struct watched **p;

		while (cap <= (size_t)fd)
			cap *= 2;
		p = realloc(s->by_fd, cap * sizeof(struct watched *));
		if (!p)
			return NULL;
		memset(p + s->cap, 0,
		       (cap - s->cap) * sizeof(struct watched *));
		s->by_fd = p;
		s->cap = cap;
	}
	if (!s->by_fd[fd]) {
		struct watched *w = calloc(1, sizeof(*w));

		if (!w)
			return NULL;
		w->stack = s;
		w->fd = fd;
		w->src = (struct loop_source){ .fd = -1, .fn = on_event };
		s->by_fd[fd] = w;
	}
	return s->by_fd[fd];
}

/* libslirp closes this descriptor: forget all about it. */
static void forget(struct stack *s, int fd)
{
	struct watched *w =
		fd >= 0 && (size_t)fd < s->cap ? s->by_fd[fd] : NULL;

	if (!w)
		return;
	loop_del(s->loop, &w->src);
	w->want = w->got = 0;
}

static uint32_t to_epoll(int ev)
{
	return (ev & SLIRP_POLL_IN ? EPOLLIN : 0) |
	       (ev & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
	       (ev & SLIRP_POLL_PRI ? EPOLLPRI : 0);
}

static int from_epoll(uint32_t ev)
{
	return (ev & EPOLLIN ? SLIRP_POLL_IN : 0) |
	       (ev & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (ev & EPOLLPRI ? SLIRP_POLL_PRI : 0) |
	       (ev & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (ev & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static void arm(struct stack *s, struct watched *w, uint32_t want)
{
	if (w->src.fd < 0) {
		w->src.fd = w->fd;
		w->src.events = want;
		/* logged; the flow stalls, and its peer gives up some day */
		if (loop_add(s->loop, &w->src))
			w->src.fd = -1;
	} else if (w->want != want) {
		(void)loop_mod(s->loop, &w->src, want);
	}
	w->want = want;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct stack *s = opaque;
	struct watched *w = watched_get(s, fd);

	if (!w)
		return -1;
	if (s->n_active == s->cap_active) {
		size_t cap = s->cap_active ? s->cap_active * 2 : 64;
		int *p = realloc(s->active, cap * sizeof(int));

		if (!p)
			return -1;
		s->active = p;
		s->cap_active = cap;
	}
	if (w->seen != s->fill) {
		w->seen = s->fill;
		s->active[s->n_active++] = fd;
	}
	arm(s, w, to_epoll(events));
	return fd;
}

static int get_revents(int idx, void *opaque)
{
	struct stack *s = opaque;

	if (idx < 0 || (size_t)idx >= s->cap || !s->by_fd[idx])
		return 0;
	return from_epoll(s->by_fd[idx]->got);
}

/* Before a sleep: what does libslirp want, and until when may we sleep? */
static struct mono before(struct loop_hook *hook)
{
	struct stack *s = container_of(hook, struct stack, hook);
	size_t n_old = s->n_active;
	uint32_t ms = UINT32_MAX;
	int old[256];
	int *was = old;

	if (!s->touched)
		return s->due;
	if (n_old > ARRAY_SIZE(old))
		was = malloc(n_old * sizeof(int));
	if (was && n_old)
		memcpy(was, s->active, n_old * sizeof(int));
	s->touched = false;
	s->n_active = 0;
	s->fill++;
	slirp_pollfds_fill(s->slirp, &ms, add_poll, s);
	for (size_t i = 0; was && i < n_old; i++)
		if (s->by_fd[was[i]]->seen != s->fill)
			forget(s, was[i]);
	if (was != old)
		free(was);
	/* with no socket open it asks for a second for nothing; the router
	 * advertisements' timer is our own */
	if (s->n_active == 0 && ms == IDLE_MS)
		ms = UINT32_MAX;
	s->due = ms == UINT32_MAX ? MONO_NEVER
				  : mono_add(mono_now(), mono_ms(ms));
	return s->due;
}

static void after(struct loop_hook *hook)
{
	struct stack *s = container_of(hook, struct stack, hook);

	if (!s->events && !s->touched && mono_before(loop_now(s->loop), s->due))
		return;
	s->events = false;
	s->touched = true; /* its wishes have changed */
	/* this also sends what waited for an ARP or NDP answer (if_start()) */
	slirp_pollfds_poll(s->slirp, 0, get_revents, s);
	for (size_t i = 0; i < s->n_active; i++)
		s->by_fd[s->active[i]]->got = 0;
}

/* ---- callbacks ---- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct stack *s = opaque;

	s->stats.packets_in++;
	s->stats.bytes_in += len;
	s->send(s->arg, buf, len);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)opaque;
	log_debug("libslirp: %s", msg);
}

static void glib_log(const char *domain, int level, const char *msg,
		     void *opaque)
{
	(void)domain;
	(void)level;
	guest_error(msg, opaque);
}

/*
 * What libslirp doesn't tell by guest_error() it gives to GLib's log, which
 * writes to stderr, once for each packet if need be, and asks for the time zone
 * and whether that is a terminal: deadly in the sandbox. GLib has come along
 * with libslirp, but its headers haven't.
 */
static void quieten_glib(void)
{
	typedef void (*log_fn)(const char *, int, const char *, void *);
	typedef log_fn (*set_fn)(log_fn, void *);
	set_fn set = NULL;
	void *symbol = dlsym(RTLD_DEFAULT, "g_log_set_default_handler");

	/* as dlopen(3) has it: ISO C has no cast from object to function */
	memcpy(&set, &symbol, sizeof(set));
	if (set)
		(void)set(glib_log, NULL); /* returns the old one */
}

static int64_t clock_ns(void *opaque)
{
	(void)opaque;
	return mono_now().ns;
}

static void on_timer(struct loop_timer *t)
{
	struct timer *timer = container_of(t, struct timer, t);

	timer->stack->touched = true;
	slirp_handle_timer(timer->stack->slirp, timer->id, timer->cb_opaque);
}

static void *timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->stack = opaque;
	timer->id = id;
	timer->cb_opaque = cb_opaque;
	timer->t.fn = on_timer;
	return timer;
}

static void timer_free(void *p, void *opaque)
{
	struct stack *s = opaque;
	struct timer *timer = p;

	if (timer)
		loop_timer_stop(s->loop, &timer->t);
	free(timer);
}

static void timer_mod(void *p, int64_t expire_ms, void *opaque)
{
	struct stack *s = opaque;
	struct timer *timer = p;

	if (timer)
		(void)loop_timer_set(s->loop, &timer->t, mono_ms(expire_ms));
}

static bool is_dgram(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type != SOCK_STREAM;
}

/*
 * libslirp closes a socket whose pod sent a RST just like one that ended, and
 * so does the kernel when we are killed: the remote would take what it has for
 * all there is. So close() is to reset, but where both ends said theirs; then
 * it must not drop what the remote hasn't acknowledged yet.
 */
static void close_resets(int fd, bool on)
{
	struct linger linger = { .l_onoff = on };

	/* fails for what isn't a socket only: then there is no remote */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static bool both_ended(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len))
		return false;
	return info.tcpi_state == TCP_LAST_ACK ||
	       info.tcpi_state == TCP_CLOSING ||
	       info.tcpi_state == TCP_TIME_WAIT || info.tcpi_state == TCP_CLOSE;
}

static void register_fd(int fd, void *opaque)
{
	struct stack *s = opaque;
	struct watched *w;

	s->stats.opened++;
	/* a number that was closed behind our back may come again */
	forget(s, fd);
	w = fd >= 0 ? watched_get(s, fd) : NULL;
	if (w && !w->open) {
		w->open = true;
		w->dgram = is_dgram(fd);
		s->n_fds++;
		s->n_dgrams += w->dgram;
		if (!w->dgram)
			close_resets(fd, true);
	}
}

static void unregister_fd(int fd, void *opaque)
{
	struct stack *s = opaque;

	forget(s, fd);
	if (fd >= 0 && (size_t)fd < s->cap && s->by_fd[fd] &&
	    s->by_fd[fd]->open) {
		s->by_fd[fd]->open = false;
		s->n_fds--;
		s->n_dgrams -= s->by_fd[fd]->dgram;
		/* libslirp closes it next */
		if (!s->by_fd[fd]->dgram && both_ended(fd))
			close_resets(fd, false);
	}
}

static void notify(void *opaque)
{
	struct stack *s = opaque;

	s->touched = true;
}

static void init_completed(Slirp *slirp, void *opaque)
{
	struct stack *s = opaque;

	s->slirp = slirp;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = register_fd,
	.unregister_poll_fd = unregister_fd,
	.notify = notify,
	.init_completed = init_completed,
};

static SlirpConfig slirp_config(struct stack *s, const struct stack_config *cfg)
{
	const struct podnet *plan = cfg->plan;
	SlirpConfig c = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = plan->net4.v4,
		.vhost = plan->gw4.v4,
		.vnameserver = plan->dns4.v4,
		/* unless asked for another, a lease is what ports lead to */
		.vdhcp_start =
			plan->dhcp4.family ? plan->dhcp4.v4 : plan->pod4.v4,
		.in6_enabled = plan->has_ipv6,
		.if_mtu = plan->mtu_bytes,
		.if_mru = plan->mtu_bytes,
		.disable_host_loopback = !cfg->host_loopback,
	};

	c.vnetmask.s_addr =
		htonl(plan->prefix4 ? ~0U << (32 - plan->prefix4) : 0);
	if (plan->has_ipv6) {
		c.vprefix_addr6 = plan->net6.v6;
		c.vprefix_len = (uint8_t)plan->prefix6;
		c.vhost6 = plan->gw6.v6;
		c.vnameserver6 = plan->dns6.v6;
	}
	/* DHCP and router advertisements name .3 only when libslirp thinks it
	 * serves DNS; queries never reach it (netstack.c, policy.c) */
	c.disable_dns = !cfg->serve_dns;
	if (cfg->outbound4.family) {
		s->outbound4 = endpoint_make(&cfg->outbound4, 0).v4;
		c.outbound_addr = &s->outbound4;
	}
	if (cfg->outbound6.family) {
		s->outbound6 = endpoint_make(&cfg->outbound6, 0).v6;
		c.outbound_addr6 = &s->outbound6;
	}
	return c;
}

/*
 * Tell libslirp the pod's MAC by a gratuitous ARP (RFC 5227 3), or the first
 * packet to the pod would wait for an ARP exchange.
 */
static void announce(struct stack *s, const struct podnet *plan)
{
	uint8_t f[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1 };

	memcpy(f + 6, plan->pod_mac, 6);
	memcpy(f + 12, head, sizeof(head));
	memcpy(f + 22, plan->pod_mac, 6);
	memcpy(f + 28, &plan->pod4.v4, 4);
	memcpy(f + 38, &plan->pod4.v4, 4);
	slirp_input(s->slirp, f, sizeof(f));
}

int stack_new(struct stack **out, struct loop *loop,
	      const struct stack_config *cfg)
{
	struct stack *s = calloc(1, sizeof(*s));
	SlirpConfig slirp_cfg;

	if (!s)
		return log_errno(ENOMEM, "libslirp");
	s->loop = loop;
	s->send = cfg->send;
	s->arg = cfg->arg;
	s->touched = true;
	s->due = MONO_NEVER;
	slirp_cfg = slirp_config(s, cfg);
	quieten_glib();
	s->slirp = slirp_new(&slirp_cfg, &callbacks, s);
	if (!s->slirp) {
		free(s);
		log_error("libslirp: refused its configuration");
		return -EINVAL;
	}
	announce(s, cfg->plan);
	s->hook.before = before;
	s->hook.after = after;
	loop_hook_add(loop, &s->hook);
	*out = s;
	return 0;
}

void stack_input(struct stack *s, const void *frame, size_t len)
{
	s->touched = true;
	s->stats.packets_out++;
	s->stats.bytes_out += len;
	slirp_input(s->slirp, frame, (int)len);
}

struct stack_stats stack_stats(const struct stack *s)
{
	struct stack_stats st = s->stats;

	st.open = s->n_active;
	return st;
}

size_t stack_fds(const struct stack *s)
{
	return s->n_fds;
}

size_t stack_dgrams(const struct stack *s)
{
	return s->n_dgrams;
}

struct stack *stack_free(struct stack *s)
{
	if (!s)
		return NULL;
	slirp_cleanup(s->slirp);
	list_del(&s->hook.link);
	for (size_t i = 0; i < s->cap; i++) {
		if (s->by_fd[i])
			loop_del(s->loop, &s->by_fd[i]->src);
		free(s->by_fd[i]);
	}
	free(s->by_fd);
	free(s->active);
	free(s);
	return NULL;
}

const char *stack_version(void)
{
	return slirp_version_string();
}

unsigned int stack_config_max(void)
{
	return SLIRP_CONFIG_VERSION_MAX;
}
