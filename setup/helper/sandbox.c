// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netstack parses what a container sends, portfwd what the world sends: whoever
 * takes one of them over is to find nothing there. No file can be opened (there
 * is none, and openat isn't allowed), no socket but of IPv4 and IPv6 can be
 * made, nothing listened on, nothing executed; and the process owns nothing: it
 * is in a user namespace beside the pod's, whose owner it is not.
 *
 * The lists are what the code calls, libslirp's and malloc()'s calls included:
 * 33 system calls for netstack and 36 for portfwd, 19 for the maker. A call
 * that libslirp makes but can do without (it looks for resolv.conf before a
 * router advertisement) fails with ENOENT instead of killing.
 */
#include "setup/helper/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cap-ng.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/sys.h"
#include "setup/base/sys_mount.h"

#ifdef PODSPLICE_SANDBOX
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <seccomp.h>

/* What all do: messages, and malloc()'s calls. */
static const int of_all[] = {
	SCMP_SYS(recvmsg),	SCMP_SYS(sendmsg),
	SCMP_SYS(close),	SCMP_SYS(write),
	SCMP_SYS(pread64),	SCMP_SYS(clock_gettime),
	SCMP_SYS(munmap),	SCMP_SYS(mremap),
	SCMP_SYS(madvise),	SCMP_SYS(brk),
	SCMP_SYS(futex),	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
};

/* netstack and portfwd: sockets, and the loop. */
static const int of_loops[] = {
	SCMP_SYS(read),	      SCMP_SYS(recvfrom),    SCMP_SYS(sendto),
	SCMP_SYS(connect),    SCMP_SYS(bind),	     SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt), SCMP_SYS(shutdown),    SCMP_SYS(accept4),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(getrandom),
};

static const int of_netstack[] = {
	SCMP_SYS(getpeername),
};

static const int of_portfwd[] = {
	SCMP_SYS(splice),
	SCMP_SYS(pipe2),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),
};

/* The recorder's packet socket was set up for it. */
static const int of_recorder[] = {
	SCMP_SYS(getsockopt),
};

/* Those with two descriptors need no loop. */
static const int of_pollers[] = {
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
};

/* They fail, harmlessly, in netstack. */
static const int futile[] = {
	SCMP_SYS(open),	  SCMP_SYS(openat),	SCMP_SYS(stat),
	SCMP_SYS(lstat),  SCMP_SYS(newfstatat), SCMP_SYS(readlink),
	SCMP_SYS(access), SCMP_SYS(fstat),
};

static int add(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = seccomp_rule_add(f, action, calls[i], 0);
	return rc;
}

/* An int in a register: what is above it is anybody's guess. */
#define INT_IS(arg, mask, value)                                               \
	SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (mask)&0xffffffffU,                  \
		 (scmp_datum_t)(value))
#define INT_EQ(arg, value) INT_IS(arg, ~0U, value)

/* One call, where argument 1 is @value: ioctl() and fcntl(). */
static int allow_verb(scmp_filter_ctx f, int call, unsigned long value)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1, INT_EQ(1, value));
}

static int allow_socket(scmp_filter_ctx f, int family, unsigned int type,
			int proto)
{
	/* SOCK_CLOEXEC and SOCK_NONBLOCK are above the type */
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
				INT_EQ(0, family), INT_IS(1, 0xf, type),
				INT_EQ(2, proto));
}

/*
 * Sockets of two families. libslirp's may be of any type; portfwd makes only
 * TCP's, and has UDP's from the supervisor and the maker.
 */
static int allow_sockets(scmp_filter_ctx f, enum sandbox_role role)
{
	static const struct {
		int family, icmp;
	} of[] = { { AF_INET, IPPROTO_ICMP }, { AF_INET6, IPPROTO_ICMPV6 } };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(of) && !rc; i++) {
		if (role == SANDBOX_NETSTACK)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW,
					      SCMP_SYS(socket), 1,
					      INT_EQ(0, of[i].family));
		else
			rc = allow_socket(f, of[i].family, SOCK_STREAM, 0);
		if (!rc && role == SANDBOX_MAKER)
			rc = allow_socket(f, of[i].family, SOCK_DGRAM, 0);
		if (!rc && role == SANDBOX_MAKER)
			rc = allow_socket(f, of[i].family, SOCK_RAW,
					  of[i].icmp);
	}
	return rc;
}

/* One option. */
static int allow_option(scmp_filter_ctx f, int level, int name)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				INT_EQ(1, level), INT_EQ(2, name));
}

/* No programs for the kernel to run (filters), no protocol on top of TCP. */
static int allow_options(scmp_filter_ctx f)
{
	static const struct {
		int level, below;
	} levels[] = {
		{ SOL_SOCKET, SO_ATTACH_FILTER },
		{ SOL_TCP, TCP_ULP },
		{ SOL_IP, INT_MAX },
		{ SOL_IPV6, INT_MAX },
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(levels) && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt),
				      2, INT_EQ(1, levels[i].level),
				      SCMP_CMP(2, SCMP_CMP_LT,
					       (scmp_datum_t)levels[i].below));
	return rc;
}

static int allow_arguments(scmp_filter_ctx f, enum sandbox_role role)
{
	/* memory is never executable: what was code at the start is all code */
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				  INT_IS(2, PROT_EXEC, 0));

	if (!rc && role == SANDBOX_CONNECTOR)
		rc = allow_socket(f, AF_UNIX, SOCK_STREAM, 0);
	if (rc || role == SANDBOX_RECORDER || role == SANDBOX_CONNECTOR)
		return rc;
	rc = allow_sockets(f, role);
	if (!rc)
		rc = allow_options(f);
	if (!rc && role == SANDBOX_MAKER)
		rc = allow_option(f, SOL_SOCKET, SO_RCVMARK);
	if (!rc && role == SANDBOX_MAKER)
		rc = allow_option(f, SOL_SOCKET, SO_MARK);
	if (!rc && role == SANDBOX_MAKER)
		rc = allow_option(f, SOL_UDP, UDP_GRO);
	if (rc || role == SANDBOX_MAKER)
		return rc;
	rc = allow_verb(f, SCMP_SYS(fcntl), F_GETFL);
	if (!rc)
		rc = allow_verb(f, SCMP_SYS(fcntl), F_SETFL);
	if (!rc && role == SANDBOX_PORTFWD)
		rc = allow_verb(f, SCMP_SYS(fcntl), F_SETPIPE_SZ);
	if (!rc)
		rc = allow_verb(f, SCMP_SYS(ioctl),
				role == SANDBOX_PORTFWD ? SIOCATMARK
							: FIONREAD);
	return rc;
}

/* By their paths, which no filter can look at. */
static const int of_connector[] = {
	SCMP_SYS(connect),
};

static bool has_loop(enum sandbox_role role)
{
	return role == SANDBOX_NETSTACK || role == SANDBOX_PORTFWD;
}

static int add_role(scmp_filter_ctx f, enum sandbox_role role)
{
	int rc = add(f, SCMP_ACT_ALLOW, of_all, ARRAY_SIZE(of_all));

	if (!rc && has_loop(role))
		rc = add(f, SCMP_ACT_ALLOW, of_loops, ARRAY_SIZE(of_loops));
	if (!rc && role == SANDBOX_NETSTACK)
		rc = add(f, SCMP_ACT_ALLOW, of_netstack,
			 ARRAY_SIZE(of_netstack));
	if (!rc && role == SANDBOX_NETSTACK)
		rc = add(f, SCMP_ACT_ERRNO(ENOENT), futile, ARRAY_SIZE(futile));
	if (!rc && role == SANDBOX_PORTFWD)
		rc = add(f, SCMP_ACT_ALLOW, of_portfwd, ARRAY_SIZE(of_portfwd));
	if (!rc && !has_loop(role))
		rc = add(f, SCMP_ACT_ALLOW, of_pollers, ARRAY_SIZE(of_pollers));
	if (!rc && role == SANDBOX_CONNECTOR)
		rc = add(f, SCMP_ACT_ALLOW, of_connector,
			 ARRAY_SIZE(of_connector));
	if (!rc && role == SANDBOX_RECORDER)
		rc = add(f, SCMP_ACT_ALLOW, of_recorder,
			 ARRAY_SIZE(of_recorder));
	return rc ? rc : allow_arguments(f, role);
}

static int build(struct sandbox *s)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc;

	if (!f)
		return log_errno(ENOMEM, "seccomp");
	/* system calls by another ABI's numbers: as deadly as the others */
	(void)seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
			       SCMP_ACT_KILL_PROCESS);
	/* a tree instead of a list; only speed, so older libraries may refuse
	 */
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	rc = add_role(f, s->role);
	if (rc) {
		seccomp_release(f);
		return log_errno(-rc, "seccomp: build the filter");
	}
	s->filter = f;
	return 0;
}

static int load(struct sandbox *s)
{
	int rc = seccomp_load(s->filter);

	seccomp_release(s->filter);
	s->filter = NULL;
	return rc ? log_errno(
			    -rc,
			    "seccomp: load the filter (does the kernel have CONFIG_SECCOMP_FILTER?)")
		  : 0;
}
#else
static int build(struct sandbox *s)
{
	s->filter = NULL;
	return 0;
}

static int load(struct sandbox *s)
{
	(void)s;
	return 0;
}
#endif

/* The same ids inside as outside: what we create stays ours. */
static int own_ids(uid_t uid, gid_t gid)
{
	char text[48];
	int rc;

	(void)snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
	rc = fd_write_text("/proc/self/uid_map", text);
	if (!rc)
		rc = fd_write_text("/proc/self/setgroups", "deny");
	(void)snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
	if (!rc)
		rc = fd_write_text("/proc/self/gid_map", text);
	return rc ? log_errno(-rc, "sandbox: id maps") : 0;
}

int sandbox_1_namespaces(struct sandbox *s, enum sandbox_role role)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int rc;

	*s = (struct sandbox){ .role = role };
	rc = sys_unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC |
			 CLONE_NEWUTS);
	if (rc)
		return log_errno(
			-rc,
			"sandbox: namespaces (sysctl user.max_user_namespaces, user.max_mnt_namespaces)");
	rc = own_ids(uid, gid);
	return rc ? rc : build(s);
}

static int empty_root(void)
{
	static const struct sys_fs_opt opts[] = {
		{ "mode", "0555" },
		{ "nr_inodes", "1" },
		{ NULL, NULL },
	};
	scoped_fd root = -1, place = -1;
	int rc = sys_mount_all_slave();

	if (!rc)
		rc = sys_mount_new(&root, "tmpfs", opts,
				   SYS_MOUNT_INERT | MOUNT_ATTR_RDONLY);
	if (!rc) {
		/* any directory will do: nothing of it is seen afterwards */
		place = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		rc = place < 0 ? -errno : sys_mount_attach(root, place);
	}
	if (!rc)
		rc = sys_root_pivot(root);
	return rc ? log_errno(-rc, "sandbox: empty root") : 0;
}

int sandbox_keep_cap(int cap, bool for_good)
{
	capng_clear(CAPNG_SELECT_ALL);
	if ((cap != SANDBOX_NO_CAP &&
	     capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			  (unsigned int)cap)) ||
	    capng_apply(for_good ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS))
		return log_errno(EPERM, "sandbox: drop capabilities");
	return 0;
}

int sandbox_2_lock(void *arg)
{
	struct sandbox *s = arg;
	int rc = empty_root();

	if (!rc)
		rc = sandbox_keep_cap(SANDBOX_NO_CAP, true);
	if (rc)
		return rc;
	sys_sever();
	return load(s);
}

int sandbox_lock_maker(bool raw)
{
	struct sandbox s = { .role = SANDBOX_MAKER };
	int rc = sys_unshare(CLONE_NEWNS);

	if (rc)
		return log_errno(-rc, "sandbox: mount namespace");
	rc = empty_root();
	if (!rc)
		rc = sandbox_keep_cap(raw ? CAP_NET_RAW : SANDBOX_NO_CAP, true);
	if (rc)
		return rc;
	sys_sever();
	rc = build(&s);
	return rc ? rc : load(&s);
}

/* Who may connect to any socket may do so through us, as with root's tools. */
int sandbox_lock_connector(void)
{
	struct sandbox s = { .role = SANDBOX_CONNECTOR };
	bool any = capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);
	int rc = sandbox_keep_cap(any ? CAP_DAC_OVERRIDE : SANDBOX_NO_CAP,
				  false);

	if (rc)
		return rc;
	sys_sever();
	rc = build(&s);
	return rc ? rc : load(&s);
}
