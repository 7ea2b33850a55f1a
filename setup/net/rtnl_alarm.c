// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup/net/rtnl_alarm.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

#define SETTLE_MS	100
#define MESSAGES_A_TURN 1024

struct rtnl_alarm {
	struct loop *loop;
	int fd;
	struct loop_source src;	  /* not watched while the timer is set, */
	struct loop_timer settle; /* or many changes would keep us busy */
	rtnl_alarm_fn fn;
	void *arg;
};

int rtnl_alarm_socket(unsigned int groups)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
				  .nl_groups = groups };
	scoped_fd fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&nl, sizeof(nl)))
		return log_errno(errno, "rtnetlink");
	return fd_take(&fd);
}

static void on_settled(struct loop_timer *t)
{
	struct rtnl_alarm *a = container_of(t, struct rtnl_alarm, settle);
	char buf[8192];

	for (int i = 0; i < MESSAGES_A_TURN; i++)
		if (recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT) < 0 &&
		    errno != ENOBUFS)
			break;
	a->src.fd = a->fd;
	/* logged; then nothing is told any more */
	(void)loop_add(a->loop, &a->src);
	a->fn(a->arg, a->fd);
}

static void on_netlink(struct loop_source *src, uint32_t revents)
{
	struct rtnl_alarm *a = container_of(src, struct rtnl_alarm, src);

	(void)revents;
	if (!loop_timer_set(a->loop, &a->settle,
			    mono_add(loop_now(a->loop), mono_ms(SETTLE_MS))))
		loop_del(a->loop, src);
}

int rtnl_alarm_new(struct rtnl_alarm **out, struct loop *loop, int fd,
		   rtnl_alarm_fn fn, void *arg)
{
	struct rtnl_alarm *a = calloc(1, sizeof(*a));
	int rc = a ? 0 : log_errno(ENOMEM, "rtnetlink");

	if (a) {
		*a = (struct rtnl_alarm){
			.loop = loop,
			.fd = fd,
			.src = { .fd = fd,
				 .events = EPOLLIN,
				 .fn = on_netlink },
			.settle.fn = on_settled,
			.fn = fn,
			.arg = arg,
		};
		rc = loop_add(loop, &a->src);
	}
	if (rc) {
		fd_drop(&fd);
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

struct rtnl_alarm *rtnl_alarm_free(struct rtnl_alarm *a)
{
	if (!a)
		return NULL;
	loop_timer_stop(a->loop, &a->settle);
	loop_del(a->loop, &a->src);
	fd_drop(&a->fd);
	free(a);
	return NULL;
}
