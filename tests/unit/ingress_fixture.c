// SPDX-License-Identifier: GPL-2.0-or-later
/* See ingress_fixture.h. */
#include "tests/unit/ingress_fixture.h"

#include <signal.h>

#include "portfwd/relay_socket.h"

struct netns *ix_netns(void)
{
	static struct netns ns;

	return &ns;
}

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static int make_socket(struct ix *ix, int family)
{
	scoped_fd here = -1;
	int fd;

	if (ix->maker_ns >= 0) {
		here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		assert_int_equal(setns(ix->maker_ns, CLONE_NEWNET), 0);
	}
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (here >= 0)
		assert_int_equal(setns(here, CLONE_NEWNET), 0);
	if (fd >= 0) {
		must_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		assert_int_equal(relay_socket_prepare(fd), 0);
	}
	return fd;
}

static void answer(struct ix *ix, int family, uint32_t count)
{
	struct maker_want reply = { .family = family, .type = SOCK_STREAM };
	int fds[MSG_FDS_MAX];
	size_t n = 0;

	while (!ix->maker_errno && n < count && n < MSG_FDS_MAX) {
		int fd = make_socket(ix, family);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	if (n == 0)
		reply.count =
			(uint32_t)(ix->maker_errno ? ix->maker_errno : EMFILE);
	assert_int_equal(msg_send(ix->maker.fd, MAKER_SOCKETS, &reply,
				  sizeof(reply), fds, n),
			 0);
	ix->made += n;
	for (size_t i = 0; i < n; i++)
		fd_drop(&fds[i]);
}

static void on_want(struct loop_source *src, uint32_t revents)
{
	struct ix *ix = container_of(src, struct ix, maker);
	static struct msg m;
	struct maker_want want;

	(void)revents;
	assert_int_equal(msg_recv(src->fd, &m), 1);
	assert_int_equal(m.type, MAKER_WANT);
	assert_int_equal(m.len, sizeof(want));
	memcpy(&want, m.body, sizeof(want));
	assert_true(want.family == AF_INET || want.family == AF_INET6);
	assert_int_equal(want.type, SOCK_STREAM);
	assert_true(want.count > 0 && want.count <= POOL_SIZE);
	if (ix->maker_silent)
		ix->asked[want.family == AF_INET6] = want.count;
	else
		answer(ix, want.family, want.count);
}

void ix_answer(struct ix *ix)
{
	static const int families[] = { AF_INET, AF_INET6 };

	ix->maker_silent = false;
	for (int i = 0; i < 2; i++)
		if (ix->asked[i])
			answer(ix, families[i], ix->asked[i]);
	ix->asked[0] = ix->asked[1] = 0;
}

static int setup(void **state, bool ipv6)
{
	struct ix *ix = calloc(1, sizeof(*ix));
	int maker[2];

	*state = ix;
	if (!ix)
		return -1;
	/* as in the helper's processes: splice() has no MSG_NOSIGNAL */
	(void)signal(SIGPIPE, SIG_IGN);
	ix->n_fds = count_fds();
	ix->server[0] = ix->server[1] = -1;
	ix->maker_ns = -1;
	ix->plan = (struct podnet){
		.net4 = address("127.0.0.0"),
		.gw4 = address("127.0.0.3"),
		.pod4 = address("127.0.0.2"),
		.prefix4 = 24,
		.has_ipv6 = ipv6,
		.net6 = address("::1"),
		.gw6 = address("::1"),
		.pod6 = address("::1"),
		.prefix6 = 128,
	};
	ix->source.plan = &ix->plan;
	if (loop_init(&ix->loop) || relay_init(&ix->relay, &ix->loop) ||
	    msg_pair(maker))
		return -1;
	ix->maker = (struct loop_source){ maker[1], EPOLLIN, on_want };
	return loop_add(&ix->loop, &ix->maker) || fd_nonblock(maker[0]) ||
	       pool_new(&ix->pool, &ix->loop, maker[0], ipv6) ||
	       ingress_new(&ix->in, &ix->loop, &ix->relay, &ix->source,
			   ix->pool);
}

int ix_setup(void **state)
{
	return setup(state, false);
}

int ix_setup6(void **state)
{
	return setup(state, true);
}

int ix_teardown(void **state)
{
	struct ix *ix = *state;
	int fd = ix->maker.fd;
	size_t n;

	ix->in = ingress_free(ix->in);
	ix->pool = pool_free(ix->pool);
	loop_del(&ix->loop, &ix->maker);
	fd_drop(&fd);
	relay_deinit(&ix->relay);
	loop_deinit(&ix->loop);
	fd_drop(&ix->server[0]);
	fd_drop(&ix->server[1]);
	fd_drop(&ix->maker_ns);
	n = count_fds() - ix->n_fds;
	if (n)
		print_error("# %zu descriptors leaked\n", n);
	free(ix);
	return n ? -1 : 0;
}

void ix_plan_world(struct ix *ix)
{
	ix->plan.net4 = address("10.0.2.0");
	ix->plan.gw4 = address("10.0.2.2");
	ix->plan.pod4 = address("10.0.2.100");
	ix->plan.net6 = address("fd00::");
	ix->plan.gw6 = address("fd00::2");
	ix->plan.pod6 = address("fd00::100");
	ix->plan.prefix6 = 64;
}

/* Bind and listen; 0: a free port. */
static int listen_on(const struct ip *ip, uint16_t *port)
{
	union endpoint ep = endpoint_make(ip, *port);
	socklen_t len = sizeof(ep);
	int fd = socket(ip->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);

	assert_true(fd >= 0);
	must_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ip->family == AF_INET6)
		must_setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, !ip_is_any(ip));
	if (bind(fd, &ep.sa, endpoint_len(&ep)) || listen(fd, 4096)) {
		fd_drop(&fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, &ep.sa, &len), 0);
	*port = endpoint_port(&ep);
	return fd;
}

void ix_pod_listen(struct ix *ix, int family)
{
	const struct ip *ip =
		family == AF_INET ? &ix->plan.pod4 : &ix->plan.pod6;
	int *fd = &ix->server[family == AF_INET6];
	scoped_fd here = -1;

	if (ix->maker_ns >= 0) {
		here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		assert_int_equal(setns(ix->maker_ns, CLONE_NEWNET), 0);
	}
	*fd = listen_on(ip, &ix->pod_port);
	if (here >= 0)
		assert_int_equal(setns(here, CLONE_NEWNET), 0);
	assert_true(*fd >= 0);
}

void ix_publish(struct ix *ix, const char *options, uint16_t count)
{
	struct ip any = address(ix->plan.has_ipv6 ? "::" : "0.0.0.0");
	struct portfwd_publish p = { .id = 1,
				     .n = count,
				     .early_s = ix->early_s };
	char text[64], err[SPEC_ERR_MAX];
	int fds[PORTFWD_BATCH];

	(void)snprintf(text, sizeof(text), "%u%s", ix->pod_port, options);
	if (spec_parse(text, &p.spec, err))
		fail_msg("%s: %s", text, err);
	p.spec.count = count;
	for (uint16_t i = 0; i < count; i++) {
		p.host_ports[i] = 0;
		fds[i] = listen_on(&any, &p.host_ports[i]);
		assert_true(fds[i] >= 0);
	}
	ix->port = p.host_ports[0];
	/* a range has consecutive ports; here the first is all we need */
	assert_int_equal(ingress_publish(ix->in, &p, fds), 0);
	assert_int_equal(ingress_start(ix->in), 0);
}

int ix_client(struct ix *ix, const char *src, uint16_t index, bool reuse)
{
	bool v6 = src && strchr(src, ':');
	struct ip to = address(v6 ? "::1" : "127.0.0.1"), from;
	union endpoint ep = endpoint_make(&to, (uint16_t)(ix->port + index));
	int fd = socket(to.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	must_setsockopt(fd, SOL_TCP, TCP_NODELAY, 1);
	if (reuse)
		must_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (src) {
		union endpoint b;

		from = address(src);
		b = endpoint_make(&from, 0);
		assert_int_equal(bind(fd, &b.sa, endpoint_len(&b)), 0);
	}
	/* blocking: loopback connects from the listener's queue at once */
	if (connect(fd, &ep.sa, endpoint_len(&ep)))
		fail_msg("connect: %s", strerror(errno));
	assert_int_equal(fd_nonblock(fd), 0);
	return fd;
}

int ix_accept(struct ix *ix, int family, union endpoint *from)
{
	socklen_t len = sizeof(*from);
	int fd = -1;

	WAIT(&ix->loop,
	     (fd = accept4(ix->server[family == AF_INET6], &from->sa, &len,
			   SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return fd;
}

void ix_connect(struct ix *ix, struct conn *c, const char *src)
{
	int family = ix->server[0] < 0 ? AF_INET6 : AF_INET;

	c->client = ix_client(ix, src, 0, true);
	c->pod = ix_accept(ix, family, &c->seen);
}

void conn_close(struct conn *c)
{
	fd_drop(&c->client);
	fd_drop(&c->pod);
}

void ix_check(struct ix *ix, const struct conn *c)
{
	char b = 0;

	assert_int_equal(send(c->client, "q", 1, MSG_NOSIGNAL), 1);
	WAIT(&ix->loop, recv(c->pod, &b, 1, MSG_DONTWAIT) == 1);
	assert_int_equal(b, 'q');
	assert_int_equal(send(c->pod, "a", 1, MSG_NOSIGNAL), 1);
	WAIT(&ix->loop, recv(c->client, &b, 1, MSG_DONTWAIT) == 1);
	assert_int_equal(b, 'a');
}

int ix_end_of(struct ix *ix, int fd)
{
	char buf[256];
	ssize_t n = 1;

	WAIT(&ix->loop, ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) == 0 ||
			 (n < 0 && errno != EAGAIN)));
	return n == 0 ? 0 : -errno;
}

bool ix_seen_as(const struct conn *c, const char *addr)
{
	struct ip want = address(addr), got = endpoint_ip(&c->seen);

	return ip_equal(&want, &got);
}
