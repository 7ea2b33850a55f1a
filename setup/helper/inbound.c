// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A transparent socket in the target's namespace sends from the client's
 * address, and that works without more. The answer is what needs help: it is
 * for an address out in the world, and would go there. So all that our sockets
 * send has a mark, the answer gets it, and a rule takes what has it to a table
 * in which every address is local.
 *
 * TCP's answers get it by two sysctls, for the socket that is accepted
 * (tcp_fwmark_accept) and for what has no socket, such as a RST
 * (fwmark_reflect). UDP's need nftables (nft.h).
 *
 * Whether it works is tried, once, because much can be in the way: a firewall,
 * no way out, an old kernel, and @to may not even be an address of that
 * namespace. It is tried with an address of
 * documentation (RFC 5737, RFC 3849), on which nobody waits for an answer that
 * goes astray, and with as little power as those will have who make the
 * sockets.
 *
 * All in a child, because there is no way back out of a user namespace.
 */
#include "setup/helper/inbound.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"
#include "setup/helper/outlet.h"
#include "setup/helper/sandbox.h"
#include "setup/net/link.h"
#include "setup/net/netconf.h"
#include "setup/net/nft.h"

#define TABLE  0x7073U
#define TRY_MS 1000

/* ---- what the namespace needs: 0 or -errno, logged ---- */

/* What has the mark is for us. */
static int route_back(struct nl_sock *nl, int family)
{
	struct link_route all = { .family = (sa_family_t)family,
				  .local = true,
				  .table = TABLE };
	int rc = link_index(nl, "lo", &all.ifindex);

	if (!rc)
		rc = link_route_add(nl, &all);
	/* an earlier forwarder's serves as well */
	if (rc && rc != -EEXIST)
		return rc;
	return link_rule_mark(nl, family, OUTLET_MARK, TABLE);
}

static int prepare(sa_family_t family)
{
	struct nl_sock *nl = NULL;
	int rc = link_open(&nl);

	if (!rc)
		rc = route_back(nl, family);
	link_close(nl);
	if (!rc)
		rc = netconf_sysctl("ipv4/tcp_fwmark_accept", "1", true);
	if (!rc)
		rc = netconf_sysctl(family == AF_INET ? "ipv4/fwmark_reflect"
						      : "ipv6/fwmark_reflect",
				    "1", true);
	return rc;
}

/*
 * A server on a wildcard doesn't choose which of its addresses answers, and
 * with two default routes it may be another one each time.
 */
static int only_address(const struct ip *to)
{
	struct ifaddrs *all = NULL;
	bool others = false;

	if (getifaddrs(&all))
		return log_errno(errno, "its addresses");
	for (const struct ifaddrs *a = all; a && !others; a = a->ifa_next) {
		struct ip ip;

		if (!a->ifa_addr || a->ifa_addr->sa_family != to->family)
			continue;
		ip = endpoint_ip((const union endpoint *)a->ifa_addr);
		others = !ip_is_loopback(&ip) && !ip_is_linklocal(&ip) &&
			 !ip_equal(&ip, to);
	}
	freeifaddrs(all);
	if (!others)
		return 0;
	log_error(
		"it has more than one address, and servers may answer from any");
	return -EADDRINUSE;
}

static int prepare_udp(const struct ip *to)
{
	int rc = only_address(to);

	return rc ? rc : nft_inbound_install(OUTLET_MARK);
}

/* ---- the try: 0 or -errno, logged ---- */

/* @at: set to where it is bound, on a port that was free */
static int server(const struct ip *ip, int type, union endpoint *at)
{
	scoped_fd fd = socket(ip->family, type | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*at);

	*at = endpoint_make(ip, 0);
	if (fd < 0 || bind(fd, &at->sa, endpoint_len(at)) ||
	    (type == SOCK_STREAM && listen(fd, 1)) ||
	    getsockname(fd, &at->sa, &len))
		return log_errno(errno, "a server there");
	return fd_take(&fd);
}

static int client(int type, const union endpoint *to)
{
	static const struct outlet ours = { .kind = OUTLET_NETNS,
					    .transparent = true };
	int family = to->sa.sa_family;
	struct ip ip = { 0 };
	union endpoint from;
	scoped_fd fd = outlet_socket(&ours, family, type);

	if (fd < 0)
		return log_errno(-fd, "transparent socket");
	/* it is well-formed */
	(void)ip_parse(
		family == AF_INET ? "203.0.113.254" : "2001:db8:ffff::fe", &ip);
	from = endpoint_make(&ip, 0);
	if (bind(fd, &from.sa, endpoint_len(&from)) ||
	    (connect(fd, &to->sa, endpoint_len(to)) && errno != EINPROGRESS))
		return log_errno(errno, "connect as a client");
	return fd_take(&fd);
}

static int no_answer(void)
{
	log_error("answers to a client's address don't come back");
	return -ETIMEDOUT;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };

	return poll(&p, 1, TRY_MS) == 1 && !(p.revents & (POLLERR | POLLHUP));
}

static int try_tcp(const struct ip *to)
{
	union endpoint at;
	scoped_fd listener = server(to, SOCK_STREAM, &at);
	scoped_fd fd = -1;

	if (listener < 0)
		return listener;
	fd = client(SOCK_STREAM, &at);
	if (fd < 0)
		return fd;
	return is_ready(fd, POLLOUT) ? 0 : no_answer();
}

static int try_udp(const struct ip *to)
{
	struct ip any = { .family = to->family };
	union endpoint at, from;
	scoped_fd there = server(&any, SOCK_DGRAM, &at);
	scoped_fd fd = -1;
	socklen_t len = sizeof(from);
	char x = 'x';

	if (there < 0)
		return there;
	at = endpoint_make(to, endpoint_port(&at));
	fd = client(SOCK_DGRAM, &at);
	if (fd < 0)
		return fd;
	if (send(fd, &x, 1, 0) != 1 || !is_ready(there, POLLIN) ||
	    recvfrom(there, &x, 1, 0, &from.sa, &len) != 1 ||
	    sendto(there, &x, 1, 0, &from.sa, len) != 1 ||
	    !is_ready(fd, POLLIN))
		return no_answer();
	return 0;
}

/* ---- all of it ---- */

static int enter(int ns_user, int ns_net)
{
	int rc = ns_user < 0 ? 0 : sys_enter_user(ns_user);

	if (!rc)
		rc = sys_setns(ns_net, CLONE_NEWNET);
	return rc ? log_errno(-rc, "enter its network namespace") : 0;
}

static void find(struct inbound *in, int ns_user, int ns_net,
		 const struct ip *to, bool udp)
{
	int rc, udp_rc = -ENOENT;

	log_hold(in->why_tcp, sizeof(in->why_tcp));
	rc = enter(ns_user, ns_net);
	if (!rc)
		rc = prepare(to->family);
	if (rc)
		return;
	if (udp) {
		log_hold(in->why_udp, sizeof(in->why_udp));
		udp_rc = prepare_udp(to);
		log_hold(in->why_tcp, sizeof(in->why_tcp));
	}
	/* as sandbox_lock_maker() */
	rc = sandbox_keep_cap(CAP_NET_RAW, true);
	if (!rc)
		rc = try_tcp(to);
	in->tcp = !rc;
	if (rc || udp_rc)
		return;
	log_hold(in->why_udp, sizeof(in->why_udp));
	in->udp = !try_udp(to);
}

static void read_finding(int fd, struct inbound *in)
{
	ssize_t n;

	do {
		n = read(fd, in, sizeof(*in));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*in))
		*in = (struct inbound){ .why_tcp = "the try of it failed" };
}

void inbound_prepare(int ns_user, int ns_net, const struct ip *to, bool udp,
		     struct inbound *out)
{
	int ends[2];
	pid_t pid;

	*out = (struct inbound){ .why_tcp = "no memory to try it" };
	if (pipe2(ends, O_CLOEXEC))
		return;
	pid = fork();
	if (pid == 0) {
		*out = (struct inbound){ 0 };
		sys_sever();
		find(out, ns_user, ns_net, to, udp);
		/* else it ends without a word, and there is no finding */
		_exit(write(ends[1], out, sizeof(*out)) == sizeof(*out) ? 0
									: 1);
	}
	fd_drop(&ends[1]);
	if (pid > 0)
		read_finding(ends[0], out);
	fd_drop(&ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
