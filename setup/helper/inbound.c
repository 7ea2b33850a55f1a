// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A transparent socket in the target's namespace sends from the client's
 * address, and that works without more. The answer is what needs help: it is
 * for an address out in the world, and would go there. A rule takes what has
 * our mark to a table in which every address is local; who gives it the mark
 * depends on where the server is.
 *
 *   here: its answer isn't routed before it is sent. The question has the mark,
 *	   and two sysctls give it to the socket that is accepted
 *	   (tcp_fwmark_accept) and to what has no socket, such as a RST
 *	   (fwmark_reflect). UDP has no such thing.
 *   behind it, as a container of a bridge network: the answer comes in through
 *	   a device, where a rule of nftables finds our socket for it. Any
 *	   protocol.
 *
 *	table inet podsplice { chain pre { prerouting, mangle
 *	 socket transparent 1 meta mark set MARK } }
 *
 * Whether it works is tried, once, because much can be in the way: no routes
 * there, as in a network without a way out, firewalls, an old kernel. It is
 * tried with an address of documentation (RFC 5737, RFC 3849), on which nobody
 * waits for an answer that goes astray, and with as little power as those will
 * have who make the sockets.
 *
 * All in a child, because there is no way back out of a user namespace.
 */
#include "setup/helper/inbound.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cap-ng.h>
#include <libnftnl/expr.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"
#include "setup/net/link.h"
#include "setup/net/netconf.h"
#include "setup/net/nft_batch.h"

/* "ps" and a number: nobody else's, it is to be hoped */
#define MARK	 0x70730001U
#define TABLE	 0x7073U
#define TRY_MS	 1000
#define ANY_PORT 1 /* its answer may be a RST as well */

/* What the child tells. */
struct finding {
	bool transparent;
	uint32_t mark;
	unsigned int prefix;
	char why[INBOUND_WHY_MAX];
};

struct attempt {
	const struct ip *to;
	struct outlet outlet;
	union endpoint at; /* what to connect to */
	int here;	   /* a listener there, if it is this namespace's */
};

/* ---- what the namespace needs ---- */

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
	return link_rule_mark(nl, family, MARK, TABLE);
}

/* It may lead to an address of the other one later, which may be missing here.
 */
static void other_family(sa_family_t family)
{
	struct nl_sock *nl = NULL;

	if (!link_open(&nl))
		(void)route_back(nl, family == AF_INET ? AF_INET6 : AF_INET);
	link_close(nl);
}

static int answers_have_it(void)
{
	int rc = netconf_sysctl("ipv4/tcp_fwmark_accept", "1", true);

	if (!rc)
		rc = netconf_sysctl("ipv4/fwmark_reflect", "1", true);
	/* a kernel without IPv6 has no such file */
	(void)netconf_sysctl("ipv6/fwmark_reflect", "1", false);
	return rc;
}

static int give_it_to_answers(void)
{
	static const uint32_t one = 1, mark = MARK;
	struct nftnl_expr *e;
	struct nft_batch b;
	struct nft_rule r;
	int rc = nft_batch_begin(&b, "podsplice");

	if (rc)
		return rc;
	nft_table_anew(&b, NFPROTO_INET);
	nft_chain(&b, NFPROTO_INET, "pre", NF_INET_PRE_ROUTING,
		  -150 /* mangle */, NULL);
	r = nft_rule_start(&b, NFPROTO_INET, "pre");
	e = nft_expr(&r, "socket");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY,
				   NFT_SOCKET_TRANSPARENT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	}
	nft_cmp(&r, NFT_CMP_EQ, &one, 1);
	nft_meta_set(&r, NFT_META_MARK, &mark, sizeof(mark));
	nft_rule_end(&r);
	return nft_batch_commit(&b);
}

/* ---- the try ---- */

/* Return: a listener there; -EADDRNOTAVAIL: it is another namespace's address;
 * or another -errno, not logged */
static int listen_here(const struct ip *to, union endpoint *at)
{
	scoped_fd fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*at);

	*at = endpoint_make(to, 0);
	if (fd < 0 || bind(fd, &at->sa, endpoint_len(at)) || listen(fd, 1) ||
	    getsockname(fd, &at->sa, &len))
		return -errno;
	return fd_take(&fd);
}

static bool answered(int fd)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	socklen_t len = sizeof(int);
	int err = ETIMEDOUT;

	if (poll(&p, 1, TRY_MS) == 1 &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	return !err || err == ECONNREFUSED;
}

static int try_it(const struct attempt *a)
{
	struct ip client;
	union endpoint from;
	scoped_fd fd = -1;

	if (ip_parse(a->to->family == AF_INET ? "203.0.113.254"
					      : "2001:db8:ffff::fe",
		     &client))
		return -EINVAL; /* it is well-formed */
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			 CAP_NET_RAW) ||
	    capng_apply(CAPNG_SELECT_CAPS))
		return log_errno(EPERM, "drop capabilities");
	fd = outlet_socket(&a->outlet, client.family, SOCK_STREAM);
	if (fd < 0)
		return log_errno(-fd, "transparent socket");
	from = endpoint_make(&client, 0);
	if (bind(fd, &from.sa, endpoint_len(&from)) ||
	    (connect(fd, &a->at.sa, endpoint_len(&a->at)) &&
	     errno != EINPROGRESS))
		return log_errno(errno, "connect as a client");
	if (answered(fd))
		return 0;
	log_error("answers to a client's address don't come back");
	return -ETIMEDOUT;
}

/* ---- all of it ---- */

/*
 * What @a->to needs. The listener, if it can be had, is for the try.
 * Return: 0 or -errno, logged
 */
static int prepare(struct attempt *a)
{
	struct nl_sock *nl = NULL;
	int rc;

	a->here = listen_here(a->to, &a->at);
	rc = a->here < 0 && a->here != -EADDRNOTAVAIL
		     ? log_errno(-a->here, "its address")
		     : link_open(&nl);
	if (!rc)
		rc = route_back(nl, a->to->family);
	if (a->here >= 0) {
		a->outlet.mark = MARK;
		a->outlet.prefix = (unsigned int)ip_len(a->to) * 8;
	} else if (!rc) {
		a->at = endpoint_make(a->to, ANY_PORT);
		/* none: its way there is another router's to know */
		(void)link_route_prefix(nl, a->to, &a->outlet.prefix);
	}
	link_close(nl);
	if (!rc)
		rc = a->here >= 0 ? answers_have_it() : give_it_to_answers();
	a->outlet.transparent = !rc;
	return rc;
}

static int enter(int ns_user, int ns_net)
{
	int rc = ns_user < 0 ? 0 : sys_enter_user(ns_user);

	if (!rc)
		rc = sys_setns(ns_net, CLONE_NEWNET);
	return rc ? log_errno(-rc, "enter its network namespace") : 0;
}

static void child(int ns_user, int ns_net, const struct ip *to, int result)
{
	struct attempt a = { .to = to, .outlet.kind = OUTLET_NETNS };
	struct finding f = { 0 };
	int rc;

	sys_sever();
	log_hold(f.why, sizeof(f.why));
	rc = enter(ns_user, ns_net);
	if (!rc)
		rc = prepare(&a);
	if (!rc) {
		other_family(to->family);
		log_hold(f.why, sizeof(f.why)); /* that needn't have worked */
		rc = try_it(&a);
	}
	log_hold(NULL, 0);
	f.transparent = !rc;
	f.mark = a.outlet.mark;
	f.prefix = a.outlet.prefix;
	/* else it ends without a word, and there is no finding */
	_exit(write(result, &f, sizeof(f)) == sizeof(f) ? 0 : 1);
}

static void read_finding(int fd, struct finding *f)
{
	ssize_t n;

	do {
		n = read(fd, f, sizeof(*f));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*f))
		*f = (struct finding){ .why = "the try of it failed" };
}

void inbound_prepare(int ns_user, int ns_net, const struct ip *to,
		     struct outlet *outlet, char *why)
{
	struct finding f = { .why = "no memory to try it" };
	int ends[2];
	pid_t pid;

	*why = '\0';
	if (!pipe2(ends, O_CLOEXEC)) {
		pid = fork();
		if (pid == 0)
			child(ns_user, ns_net, to, ends[1]);
		fd_drop(&ends[1]);
		if (pid > 0)
			read_finding(ends[0], &f);
		fd_drop(&ends[0]);
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	outlet->transparent = f.transparent;
	outlet->mark = f.transparent ? f.mark : 0;
	outlet->prefix = f.prefix;
	if (!f.transparent)
		(void)snprintf(why, INBOUND_WHY_MAX, "%.*s",
			       (int)sizeof(f.why) - 1, f.why);
}
