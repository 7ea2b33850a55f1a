// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes the hop and the pod in stages, whose order matters; see each. */
#include "setup/helper/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"
#include "setup/base/exit.h"
#include "setup/base/idmap.h"
#include "setup/base/sys.h"
#include "setup/helper/sandbox.h"

#define POD_NAMESPACES                                                         \
	(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |          \
	 CLONE_NEWPID | CLONE_NEWNS)

#define INFRA_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID)

/* The descriptors of struct hop as a list, for sending and receiving. */
#define HOP_FDS(h)                                                             \
	{                                                                      \
		&(h)->tap, &(h)->tap_hop, &(h)->tproxy[0], &(h)->tproxy[1],    \
			&(h)->dns[0], &(h)->dns[1], &(h)->links,               \
			&(h)->devices, &(h)->capture, &(h)->sockets,           \
			&(h)->ns_user, &(h)->ns_hop, &(h)->ns_pod,             \
	}

/*
 * A user namespace for the helper, whose maps the supervisor writes, from
 * outside (only there newuidmap works for its ids); and the hop's network
 * namespace, owned by it.
 * After this: root in both, no power over anything of the host's.
 * Must not yet: become undumpable: then nobody could write its id maps.
 */
static int maker_1_own(int ctl)
{
	struct msg m;
	int rc = sys_unshare(CLONE_NEWUSER);

	if (rc)
		return log_errno(
			-rc,
			"user namespace: can't be made (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)");
	rc = msg_must_send(ctl, "the supervisor", MAKER_NEED_MAPS, NULL, 0,
			   NULL, 0);
	if (rc)
		return rc;
	/* made while the supervisor writes the maps; owned by our new userns */
	rc = sys_unshare(CLONE_NEWNET);
	if (rc)
		return log_errno(
			-rc,
			"network namespace: can't be made (sysctl user.max_net_namespaces)");
	rc = msg_recv(ctl, &m);
	if (rc < 0)
		return log_errno(-rc, "maker: message of the supervisor");
	if (rc == 0)
		return -EPIPE; /* the supervisor has said why */
	msg_drop(&m);
	return 0;
}

/* In the new pod: wait for the maps, then never return. */
static _Noreturn void pod_process(struct maker_config *cfg, int runner,
				  int mapped[2])
{
	ssize_t n;
	char go;

	log_role("runner");
	fd_drop(&mapped[1]); /* or its end would never come */
	/* short of memory for a moment is no end: when we end before we have
	 * maps, the maker has a reason of its own to tell */
	do {
		n = read(mapped[0], &go, 1);
	} while (n < 0 && (errno == EINTR || errno == ENOMEM));
	if (n < 0)
		(void)log_errno(errno, "pod: wait for its id maps");
	if (n != 1)
		_exit(EXIT_OURS); /* 0: the maker has said why */
	/* closes the rest; to end without maps is an error of the maker's, too
	 */
	if (cfg->infra)
		infra_main(cfg->infra, runner);
	runner_main(&cfg->runner, runner);
}

/*
 * The pod: a clone with namespaces of its own. Its user namespace is a child of
 * ours, so that its root has no power over the hop; CLONE_PARENT makes it the
 * supervisor's child, who reports its exit status.
 * After this: the runner is in the pod and makes its mounts, or infra waits.
 * Must not before: open what the runner shouldn't inherit.
 */
static int maker_2_pod(struct maker_config *cfg, int ctl, int runner)
{
	/* a runtime's view of cgroups: mounts.c */
	int flags = cfg->infra ? INFRA_NAMESPACES | cfg->infra->share |
					 infra_shm(cfg->infra->share)
		    : cfg->runner.run->bundle ? POD_NAMESPACES | CLONE_NEWCGROUP
					      : POD_NAMESPACES;
	int mapped[2];
	int32_t pid;
	int rc;

	if (pipe2(mapped, O_CLOEXEC))
		return log_errno(errno, "pipe");
	cfg->runner.may_setgroups = idmap_may_setgroups();
	cfg->runner.shm = -1;
	pid = sys_clone(flags | CLONE_PARENT);
	if (pid == 0)
		pod_process(cfg, runner, mapped);
	fd_drop(&mapped[0]);
	if (pid < 0) {
		fd_drop(&mapped[1]);
		return log_errno(
			-pid,
			"pod: can't make its namespaces (sysctl user.max_user_namespaces, user.max_pid_namespaces, user.max_net_namespaces)");
	}
	rc = msg_must_send(ctl, "the supervisor", MAKER_POD, &pid, sizeof(pid),
			   NULL, 0);
	if (!rc)
		rc = idmap_identity(pid);
	if (!rc) {
		/* before it runs: if it ends early, it tells why, not we */
		cfg->hop.ns_pod = sys_open_ns(pid, "net");
		rc = cfg->hop.ns_pod < 0 ? cfg->hop.ns_pod : 0;
	}
	if (!rc && write(mapped[1], "1", 1) != 1)
		rc = log_errno(errno, "start the pod's first process");
	fd_drop(&mapped[1]);
	return rc;
}

/*
 * The opposite of both: the pod is there. The hop is owned by a user namespace
 * that has power over the pod's network namespace, or no veth could end there;
 * so the pod's root has power over the hop, too, and what keeps it out is that
 * it can't borrow our descriptors.
 * After this: not dumpable; in that user namespace, in a network namespace of
 * our own.
 * Must not ever: execute anything, which would make us dumpable again.
 */
static int maker_1_join(const struct maker_config *cfg)
{
	int rc = 0;

	sys_sever();
	if (cfg->ns_user >= 0)
		rc = sys_enter_user(cfg->ns_user);
	if (rc)
		return log_errno(
			-rc,
			"the pod's user namespace: can't be entered (run podsplice as the user who made it)");
	sys_sever();
	rc = sys_unshare(CLONE_NEWNET);
	if (rc == -EPERM)
		return log_errno(
			EPERM,
			"the pod's user namespace: we have no power in it (run podsplice as the user who made it, outside of it, or as its root)");
	if (rc)
		return log_errno(
			-rc,
			"network namespace: can't be made (sysctl user.max_net_namespaces)");
	return 0;
}

static int send_hop(int ctl, const struct podnet *plan, struct hop *hop)
{
	int *const fds[] = HOP_FDS(hop);
	struct maker_hop body = { .plan = *plan };
	int list[ARRAY_SIZE(fds)];
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		body.has[i] = *fds[i] >= 0;
		if (body.has[i])
			list[n++] = *fds[i];
	}
	rc = msg_must_send(ctl, "the supervisor", MAKER_HOP, &body,
			   sizeof(body), list, n);
	hop_close(hop);
	return rc;
}

/*
 * After this: hop and pod have their network; the supervisor has its
 * descriptors, and we have none of them.
 * Must not yet: drop capabilities.
 */
static int maker_3_hop(struct maker_config *cfg, int ctl)
{
	struct hop hop = HOP_NULL;
	int rc = hop_setup(&cfg->hop, &hop);

	return rc ? rc : send_hop(ctl, cfg->hop.plan, &hop);
}

static int serve_one(int fd, const struct maker_want *want,
		     const struct outlet *outlet)
{
	struct maker_want reply = { .family = want->family,
				    .type = want->type };
	int fds[MSG_FDS_MAX];
	size_t n = 0;
	int rc;

	while (n < want->count && n < MSG_FDS_MAX) {
		int s = outlet->kind
				? outlet_socket(outlet, want->family,
						want->type)
				: hop_transparent(want->family, want->type);

		if (s < 0) {
			if (n == 0)
				reply.count = (uint32_t)-s;
			break;
		}
		fds[n++] = s;
	}
	rc = msg_send(fd, MAKER_SOCKETS, &reply, sizeof(reply), fds, n);
	for (size_t i = 0; i < n; i++)
		fd_drop(&fds[i]);
	if (rc && rc != -EPIPE && n) {
		/* without them it goes: portfwd asks for fewer, in a while */
		reply.count = (uint32_t)-rc;
		rc = msg_send(fd, MAKER_SOCKETS, &reply, sizeof(reply), NULL,
			      0);
	}
	return rc;
}

/* A message of portfwd. Return: 1, 0 when it is gone, or -errno */
static int serve(int fd, const struct outlet *outlet)
{
	struct maker_want want;
	struct msg m;
	int rc = msg_recv(fd, &m);

	if (msg_again(rc))
		return 1;
	if (rc <= 0)
		return rc == -EPROTO ? 0 : rc; /* it has gone mad */
	msg_drop(&m);
	if (m.type != MAKER_WANT || m.len != sizeof(want))
		return 1;
	memcpy(&want, m.body, sizeof(want));
	if (want.family != AF_INET && want.family != AF_INET6)
		return 1;
	if (want.type != SOCK_STREAM && want.type != SOCK_DGRAM &&
	    want.type != SOCK_RAW)
		return 1;
	rc = serve_one(fd, &want, outlet);
	if (rc)
		return rc == -EPIPE ? 0 : rc;
	return 1;
}

static void tell_stats(int fd, int mem_fd, const struct msg *m)
{
	struct maker_totals t = { .mem = procmem_read(mem_fd) };

	if (m->len != sizeof(t.cookie))
		return;
	memcpy(&t.cookie, m->body, sizeof(t.cookie));
	/* no room: nobody reads the answers */
	(void)msg_send(fd, MAKER_STATS_ARE, &t, sizeof(t), NULL, 0);
}

/* A message of the supervisor; the same. */
static int told(int fd, int mem_fd, int *portfwd)
{
	struct msg m;
	int rc = msg_recv(fd, &m);

	if (msg_again(rc))
		return 1;
	if (rc < 0)
		return log_errno(-rc, "maker: message of the supervisor");
	if (rc == 0)
		return 0;
	if (m.type == MAKER_PORTFWD && m.n_fds == 1) {
		fd_drop(portfwd);
		*portfwd = msg_take_fd(&m, 0);
	}
	if (m.type == MAKER_STATS)
		tell_stats(fd, mem_fd, &m);
	msg_drop(&m);
	return 1;
}

/*
 * Until the supervisor is gone; a portfwd that is gone has a successor. One
 * that can't be answered would wait for ever: both are better off with another
 * maker.
 */
static int serve_both(int ctl, int portfwd, int mem_fd,
		      const struct outlet *outlet)
{
	for (;;) {
		int rc;

		/* poll() passes over a negative descriptor */
		struct pollfd p[] = { { portfwd, POLLIN, 0 },
				      { ctl, POLLIN, 0 } };

		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return log_errno(errno, "poll");
		}
		rc = p[0].revents ? serve(portfwd, outlet) : 1;
		if (rc < 0)
			return log_errno(-rc, "maker: message of portfwd");
		if (rc == 0)
			fd_drop(&portfwd);
		rc = p[1].revents ? told(ctl, mem_fd, &portfwd) : 1;
		if (rc <= 0)
			return rc;
	}
}

static int lock(const struct outlet *outlet)
{
	struct sandbox box;
	int rc;

	if (outlet->kind == OUTLET_UNIX)
		return sandbox_lock_connector();
	if (outlet->kind != OUTLET_HOST)
		return sandbox_lock_maker(outlet->kind == OUTLET_HOP ||
					  outlet->transparent);
	rc = sandbox_1_namespaces(&box, SANDBOX_MAKER);
	return rc ? rc : sandbox_2_lock(&box);
}

/*
 * What is opened by name is opened before the lock.
 * After this: sockets were served until the supervisor had gone, with
 * CAP_NET_RAW over the hop and nothing else, or not even that (sandbox.h).
 */
static int maker_4_serve(int ctl, int portfwd, const struct outlet *outlet)
{
	scoped_fd mem_fd = procmem_open();
	int rc = fd_nonblock(ctl);

	sys_null_stdio();
	if (!rc)
		rc = lock(outlet);
	if (!rc && outlet->kind)
		rc = msg_must_send(ctl, "the supervisor", MAKER_READY, NULL, 0,
				   NULL, 0);
	if (!rc)
		rc = serve_both(ctl, portfwd, mem_fd, outlet);
	return rc ? 1 : 0;
}

int maker_main(struct maker_config *cfg, int ctl, int portfwd, int runner)
{
	static const struct outlet hop = { .kind = OUTLET_HOP };
	int rc;

	if (cfg->hop.joined) {
		rc = maker_1_join(cfg);
	} else {
		rc = maker_1_own(ctl);
		if (!rc)
			rc = maker_2_pod(cfg, ctl, runner);
	}
	fd_drop(&runner);
	for (int i = 0; i < 2; i++)
		fd_drop(&cfg->runner.output[i]);
	if (!rc)
		rc = maker_3_hop(cfg, ctl);
	return rc ? 1 : maker_4_serve(ctl, portfwd, &hop);
}

/*
 * After this: in the hop, and nothing is left to enter it with. Not dumpable
 * already: nobody who lives there, if anybody does, may borrow our descriptors.
 */
static int enter_hop(const struct hop *hop, enum outlet_kind kind)
{
	scoped_fd user = hop->ns_user, net = hop->ns_hop;
	int rc;

	sys_sever();
	rc = user < 0 ? 0 : sys_enter_user(user);
	if (!rc)
		rc = sys_setns(net, CLONE_NEWNET);
	if (rc && kind == OUTLET_NETNS)
		return log_errno(
			-rc,
			"the target's network namespace: can't be entered (run podsplice as the user who made it)");
	return rc ? log_errno(-rc, "enter the hop") : 0;
}

int maker_again(const struct hop *hop, const struct outlet *outlet, int ctl,
		int portfwd)
{
	bool there = outlet->kind == OUTLET_HOST || outlet->kind == OUTLET_UNIX;

	if (!there && enter_hop(hop, outlet->kind))
		return 1;
	return maker_4_serve(ctl, portfwd, outlet);
}

static int recv_hop(struct msg *m, struct hop *out, struct podnet *plan)
{
	int *const fds[] = HOP_FDS(out);
	struct maker_hop body;
	size_t n = 0;

	if (m->len != sizeof(body))
		return -EPROTO;
	memcpy(&body, m->body, sizeof(body));
	*plan = body.plan;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (body.has[i])
			*fds[i] = msg_take_fd(m, n++);
	return 0;
}

int maker_hop_recv(int ctl, pid_t maker, struct hop *out, struct podnet *plan,
		   pid_t *pod)
{
	struct msg m;

	for (;;) {
		int32_t pid;
		int rc = msg_recv(ctl, &m);

		if (rc < 0)
			return log_errno(-rc, "message of the maker");
		if (rc == 0)
			return -EPIPE;
		switch (m.type) {
		case MAKER_NEED_MAPS:
			rc = idmap_from_outside(maker);
			if (!rc)
				rc = msg_must_send(ctl, "the maker",
						   MAKER_MAPPED, NULL, 0, NULL,
						   0);
			break;
		case MAKER_POD:
			memcpy(&pid, m.body, sizeof(pid));
			*pod = pid;
			break;
		case MAKER_HOP:
			rc = recv_hop(&m, out, plan);
			msg_drop(&m);
			return rc;
		default:
			rc = -EPROTO;
		}
		msg_drop(&m);
		if (rc < 0)
			return rc;
	}
}
