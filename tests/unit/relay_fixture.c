// SPDX-License-Identifier: GPL-2.0-or-later
/* See relay_fixture.h. */
#include "tests/unit/relay_fixture.h"

#include <signal.h>

static const struct variant variants[] = {
	{ "splice", AF_INET, 0 },
	{ "splice, IPv6", AF_INET6, 0 },
	{ "pipe of a page", AF_INET, 4096 },
	{ "copy", AF_INET, -1 },
};

static void on_ended(struct relay_flow *flow, bool clean)
{
	struct wire *w = container_of(flow, struct wire, flow);

	assert_false(w->ended);
	w->ended = true;
	w->clean = clean;
}

void wire_start(struct rx *rx, struct wire *w, int fd_a, int fd_b)
{
	linger_reset(fd_a);
	linger_reset(fd_b);
	must_setsockopt(fd_a, SOL_SOCKET, SO_OOBINLINE, 1);
	must_setsockopt(fd_b, SOL_SOCKET, SO_OOBINLINE, 1);
	w->flow = (struct relay_flow){ .ended = on_ended };
	w->ended = w->clean = false;
	assert_int_equal(relay_start(&rx->relay, &w->flow, fd_a, fd_b), 0);
}

void wire_open(struct rx *rx, struct wire *w)
{
	int pa[2], pb[2];

	tcp_pair(rx->variant->family, pa);
	tcp_pair(rx->variant->family, pb);
	w->a = pa[0];
	w->b = pb[0];
	wire_start(rx, w, pa[1], pb[1]);
}

void wire_close(struct wire *w)
{
	fd_drop(&w->a);
	fd_drop(&w->b);
}

size_t stream_feed(struct stream *s)
{
	uint64_t before = s->sent;
	uint8_t buf[65536];

	while (s->sent < s->total) {
		size_t want = sizeof(buf);
		ssize_t n;

		if (want > s->total - s->sent)
			want = (size_t)(s->total - s->sent);
		for (size_t i = 0; i < want; i++)
			buf[i] = pattern_at(s->seed, s->sent + i);
		n = send(s->from, buf, want, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		s->sent += (uint64_t)n;
	}
	return (size_t)(s->sent - before);
}

size_t stream_drain(struct stream *s, size_t max)
{
	uint64_t before = s->got;
	uint8_t buf[65536];

	while (s->got - before < max) {
		size_t want = sizeof(buf);
		ssize_t n;

		if (want > max - (size_t)(s->got - before))
			want = max - (size_t)(s->got - before);
		n = recv(s->to, buf, want, MSG_DONTWAIT);
		if (n == 0)
			s->eof = true;
		if (n < 0 && errno != EAGAIN)
			s->err = errno;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern_at(s->seed, s->got + (size_t)i))
				fail_msg("byte %llu is wrong",
					 (unsigned long long)s->got +
						 (size_t)i);
		s->got += (uint64_t)n;
	}
	return (size_t)(s->got - before);
}

void stream_run(struct rx *rx, struct stream *s)
{
	WAIT(&rx->loop,
	     (stream_feed(s), stream_drain(s, SIZE_MAX), s->got == s->total));
}

/* Return: true at the end of it, with the reason in @end */
static bool read_some(int fd, uint8_t *buf, size_t cap, size_t *len, int *end)
{
	ssize_t n;

	while ((n = recv(fd, buf + *len, cap - *len, MSG_DONTWAIT)) > 0)
		*len += (size_t)n;
	*end = n == 0 ? 0 : -errno;
	return *end != -EAGAIN;
}

size_t read_to_end(struct rx *rx, int fd, uint8_t *buf, size_t cap, int *end)
{
	size_t len = 0;

	WAIT(&rx->loop, read_some(fd, buf, cap, &len, end));
	return len;
}

static int setup(void **state)
{
	struct rx *rx = calloc(1, sizeof(*rx));

	if (!rx)
		return -1;
	rx->variant = *state;
	*state = rx;
	rx->n_fds = count_fds();
	if (loop_init(&rx->loop) || relay_init(&rx->relay, &rx->loop))
		return -1;
	if (rx->variant->pipe_bytes < 0) {
		fd_drop(&rx->relay.pipe[0]);
		fd_drop(&rx->relay.pipe[1]);
	} else if (rx->variant->pipe_bytes > 0) {
		if (fcntl(rx->relay.pipe[1], F_SETPIPE_SZ,
			  rx->variant->pipe_bytes) < 0)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct rx *rx = *state;
	size_t n;

	relay_deinit(&rx->relay);
	loop_deinit(&rx->loop);
	n = count_fds() - rx->n_fds;
	if (n)
		print_error("# %zu descriptors leaked\n", n);
	free(rx);
	return n ? -1 : 0;
}

int rx_main(const struct rx_test *tests, size_t n)
{
	size_t total = n * ARRAY_SIZE(variants);
	struct CMUnitTest *all = calloc(total, sizeof(*all));
	char(*names)[120] = calloc(total, sizeof(*names));
	size_t k = 0;
	int rc;

	if (!all || !names)
		return 1;
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		if (variants[v].family == AF_INET6 && !has_ipv6_loopback())
			continue;
		for (size_t i = 0; i < n; i++, k++) {
			(void)snprintf(names[k], sizeof(names[k]), "%s: %s",
				       variants[v].name, tests[i].name);
			all[k] = (struct CMUnitTest){
				.name = names[k],
				.test_func = tests[i].fn,
				.setup_func = setup,
				.teardown_func = teardown,
				.initial_state =
					(void *)(uintptr_t)&variants[v],
			};
		}
	}
	/* as in the helper's processes: splice() has no MSG_NOSIGNAL */
	(void)signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = _cmocka_run_group_tests("relay", all, k, NULL, NULL);
	free(all);
	free(names);
	return rc;
}
