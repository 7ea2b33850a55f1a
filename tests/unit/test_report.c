// SPDX-License-Identifier: GPL-2.0-or-later
/* What portfwd tells of its ports, to a supervisor that doesn't always read. */
#include "portfwd/report.h"
#include "tests/unit/ingress_fixture.h"

struct fx {
	struct ix *ix;
	struct report report;
	struct loop_source ctl;
	int supervisor;
};

static void on_ctl(struct loop_source *src, uint32_t revents)
{
	if (revents & EPOLLOUT)
		report_room(&container_of(src, struct fx, ctl)->report);
}

static int setup(void **state)
{
	static struct fx fx;
	int ctl[2];

	if (ix_setup(state) || msg_pair(ctl))
		return -1;
	fx = (struct fx){ .ix = *state,
			  .ctl = { ctl[0], EPOLLIN, on_ctl },
			  .supervisor = ctl[1] };
	*state = &fx;
	report_init(&fx.report, &fx.ix->loop, &fx.ctl, &fx.ix->relay);
	fx.report.ingress = fx.ix->in;
	return loop_add(&fx.ix->loop, &fx.ctl) || fd_nonblock(ctl[0]) ||
	       fd_nonblock(ctl[1]);
}

static int teardown(void **state)
{
	struct fx *fx = *state;

	report_deinit(&fx->report);
	loop_close(&fx->ix->loop, &fx->ctl);
	fd_drop(&fx->supervisor);
	*state = fx->ix;
	return ix_teardown(state);
}

/* The next page, which may be on its way. */
static struct portfwd_ports next_page(struct fx *fx)
{
	struct portfwd_ports page = { 0 };
	struct msg m;

	WAIT(&fx->ix->loop,
	     msg_recv(fx->supervisor, &m) == 1 && m.type == PORTFWD_PORTS_ARE);
	assert_true(m.len <= sizeof(page));
	memcpy(&page, m.body, m.len);
	return page;
}

static void flow_that_ends_between_two_pages_is_counted_once(void **state)
{
	struct fx *fx = *state;
	struct ix *ix = fx->ix;
	struct portfwd_ports page;
	struct conn c;

	ix_pod_listen(ix, AF_INET);
	ix_publish(ix, "/tcp", 1);
	ix_connect(ix, &c, NULL);
	ix_check(ix, &c);
	/* nobody reads: the page has to wait */
	while (!msg_send(fx->ctl.fd, PORTFWD_READY, NULL, 0, NULL, 0))
		;
	report_ports(&fx->report, 7);
	WAIT(&ix->loop, fx->report.full);
	conn_close(&c);
	WAIT(&ix->loop, ix->relay.n_flows == 0);
	page = next_page(fx);
	assert_int_equal(page.head.cookie, 7);
	assert_int_equal(page.head.n, 1);
	assert_int_equal(page.ports[0].flows, 0);
	assert_int_equal(page.ports[0].bytes_in, 1);
	assert_int_equal(page.ports[0].bytes_out, 1);
	assert_true(next_page(fx).head.last);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			flow_that_ends_between_two_pages_is_counted_once, setup,
			teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
