// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Nothing is concluded from a version or a setting where it can be tried: the
 * pod's and the hop's network are made with the functions that make a real
 * pod's, and what those log is the finding.
 */
#include "setup/cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/idmap.h"
#include "setup/base/path.h"
#include "setup/base/sys.h"
#include "setup/cli/config_net.h"
#include "setup/net/hop.h"
#include "setup/net/resolv.h"
#include "setup/net/uplink.h"
#include "setup/state/state.h"

/* what the tables of design and tests are made for: 9,000 connections */
#define FDS_ENOUGH	  20000
#define PIPE_PAGES_ENOUGH 512 /* 2 MiB */

static struct doctor_finding *finding(struct doctor *d, const char *name,
				      enum doctor_level level, const char *fmt,
				      ...)
	__attribute__((format(printf, 4, 5)));

static struct doctor_finding *finding(struct doctor *d, const char *name,
				      enum doctor_level level, const char *fmt,
				      ...)
{
	struct doctor_finding *f =
		&d->found[d->n < DOCTOR_FINDINGS_MAX ? d->n++
						     : DOCTOR_FINDINGS_MAX - 1];
	va_list ap;

	f->name = name;
	f->level = level;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	f->remedy[0] = '\0';
	return f;
}

static void remedy(struct doctor_finding *f, const char *text)
{
	(void)snprintf(f->remedy, sizeof(f->remedy), "%s", text);
}

/* The number in a file of /proc/sys, or @otherwise where there is none. */
static long sysctl_number(const char *name, long otherwise)
{
	char path[96], text[32];

	(void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (fd_read_text(path, text, sizeof(text)) <= 0)
		return otherwise;
	return strtol(text, NULL, 10);
}

static const char *user_name(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw ? pw->pw_name : "USER";
}

/* ---- a pod's namespaces, tried ---- */

/* What the trial's process says; shared memory. */
struct trial {
	int userns, netns; /* errno of making them */
	bool single;	   /* no subordinate ids */
	bool kernel_hop, user_hop;
	char why_kernel[256], why_user[256];
};

/* Two fresh network namespaces: the pod's, and the hop's, which we are in. */
static int make_namespaces(int *pod)
{
	int rc = sys_unshare(CLONE_NEWNET);

	if (rc)
		return rc;
	*pod = sys_open_ns(0, "net");
	return *pod < 0 ? *pod : sys_unshare(CLONE_NEWNET);
}

static bool try_hop(enum datapath datapath, char *why, size_t cap)
{
	struct net_config net;
	struct hop hop = HOP_NULL;
	struct hop_config cfg = { .plan = &net.plan,
				  .tap = -1,
				  .datapath = datapath,
				  .serve_dns = true,
				  .ns_pod = -1 };
	int rc = make_namespaces(&cfg.ns_pod);

	config_net_init(&net);
	if (!rc)
		rc = config_net_finish(&net);
	net.plan.mtu_bytes = uplink_mtu();
	net.plan.has_ipv6 = uplink_can_ipv6();
	log_hold(why, cap);
	if (!rc)
		rc = hop_setup(&cfg, &hop);
	log_hold(NULL, 0);
	hop_close(&hop);
	return !rc;
}

/* In the trial's process; @mapped: a byte comes when its ids are mapped. */
static void trial_process(struct trial *t, int ready, int mapped)
{
	unsigned long ids = 0;
	char uid_map[128], c;

	sys_follow_parent();
	t->userns = -sys_unshare(CLONE_NEWUSER);
	if (write(ready, "", 1) != 1 || t->userns || read(mapped, &c, 1) != 1)
		return;
	/* our own id is a row of its own where there are others */
	if (fd_read_text("/proc/self/uid_map", uid_map, sizeof(uid_map)) > 0)
		t->single = sscanf(uid_map, "%*u %*u %lu", &ids) == 1 &&
			    ids == 1 &&
			    strchr(uid_map, '\n') == strrchr(uid_map, '\n');
	t->netns = -sys_unshare(CLONE_NEWNET);
	if (t->netns)
		return;
	t->kernel_hop =
		try_hop(DATAPATH_SPLICE, t->why_kernel, sizeof(t->why_kernel));
	if (t->kernel_hop)
		return;
	t->user_hop = try_hop(DATAPATH_AUTO, t->why_user, sizeof(t->why_user));
}

/* Return: 0, or -errno when not even that could be tried */
static int run_trial(struct trial *t)
{
	int ready[2], mapped[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	if (pipe2(mapped, O_CLOEXEC)) {
		int rc = -errno;

		(void)close(ready[0]);
		(void)close(ready[1]);
		return rc;
	}
	pid = fork();
	if (pid == 0) {
		(void)close(ready[0]);
		(void)close(mapped[1]);
		trial_process(t, ready[1], mapped[0]);
		_exit(0);
	}
	(void)close(ready[1]);
	(void)close(mapped[0]);
	if (pid > 0 && read(ready[0], &c, 1) == 1 && !t->userns &&
	    !idmap_from_outside(pid))
		(void)!write(mapped[1], "", 1); /* or it has ended: no hop */
	(void)close(ready[0]);
	(void)close(mapped[1]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return pid < 0 ? -EAGAIN : 0;
}

static void user_namespaces(struct doctor *d, const struct trial *t)
{
	struct doctor_finding *f;

	if (!t->userns && !t->netns) {
		(void)finding(d, "user namespaces", DOCTOR_OK, "can be made");
		return;
	}
	f = finding(d, "user namespaces", DOCTOR_FAILED, "can't be made: %s",
		    strerror(t->userns ? t->userns : t->netns));
	if (sysctl_number("user/max_user_namespaces", 1) == 0)
		remedy(f, "sudo sysctl -w user.max_user_namespaces=15000");
	else if (sysctl_number("user/max_net_namespaces", 1) == 0)
		remedy(f, "sudo sysctl -w user.max_net_namespaces=15000");
	else if (sysctl_number("kernel/unprivileged_userns_clone", 1) == 0)
		remedy(f, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
	else if (sysctl_number("kernel/apparmor_restrict_unprivileged_userns",
			       0))
		remedy(f,
		       "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	else
		remedy(f,
		       "in a container: allow unshare(2) in its seccomp profile");
}

static void subordinate_ids(struct doctor *d, const struct trial *t)
{
	struct doctor_finding *f;

	if (t->userns)
		return;
	if (!t->single) {
		(void)finding(d, "subordinate ids", DOCTOR_OK,
			      "a pod has more users than its root");
		return;
	}
	f = finding(d, "subordinate ids", DOCTOR_LIMITED,
		    "none, or no newuidmap: a pod's only user is its root");
	(void)snprintf(
		f->remedy, sizeof(f->remedy),
		"sudo apt install uidmap; sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %.64s",
		user_name());
}

static bool tun_device(struct doctor *d)
{
	scoped_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct doctor_finding *f;

	if (fd >= 0) {
		(void)finding(d, "/dev/net/tun", DOCTOR_OK, "can be opened");
		return true;
	}
	f = finding(d, "/dev/net/tun", DOCTOR_FAILED, "can't be opened: %s",
		    strerror(errno));
	remedy(f, errno == EACCES || errno == EPERM
			  ? "sudo chmod 666 /dev/net/tun"
			  : "sudo modprobe tun");
	return false;
}

static void hop(struct doctor *d, const struct trial *t)
{
	if (t->userns || t->netns)
		return;
	if (t->kernel_hop)
		(void)finding(
			d, "hop", DOCTOR_OK,
			"veth, nftables (netdev, fwd), TPROXY and transparent sockets work: TCP is spliced");
	else if (t->user_hop)
		(void)finding(
			d, "hop", DOCTOR_LIMITED,
			"%.160s: all packets go through user space, TCP out of the pod is several times slower",
			t->why_kernel);
	else
		(void)finding(d, "hop", DOCTOR_FAILED, "%s",
			      t->why_user[0]	 ? t->why_user
			      : t->why_kernel[0] ? t->why_kernel
						 : "can't be tried");
}

/* ---- the host ---- */

static void seccomp(struct doctor *d)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		(void)finding(d, "seccomp", DOCTOR_OK, "filters can be set");
	else
		(void)finding(d, "seccomp", DOCTOR_FAILED,
			      "no filters (CONFIG_SECCOMP_FILTER): %s",
			      strerror(errno));
}

static void ping(struct doctor *d)
{
	scoped_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd >= 0)
		(void)finding(d, "ping", DOCTOR_OK, "reaches the world");
	else
		remedy(finding(d, "ping", DOCTOR_LIMITED,
			       "from the pod only its gateway answers"),
		       "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'");
}

static void port_start(struct doctor *d)
{
	long first = sysctl_number("net/ipv4/ip_unprivileged_port_start", 1024);

	if (first <= 80 || geteuid() == 0)
		(void)finding(d, "low ports", DOCTOR_OK,
			      "can be published from %ld on",
			      geteuid() ? first : 1);
	else
		remedy(finding(d, "low ports", DOCTOR_LIMITED,
			       "no host port below %ld can be published",
			       first),
		       "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80");
}

static void descriptors(struct doctor *d)
{
	struct rlimit rl = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &rl); /* can't fail */
	if (rl.rlim_max >= FDS_ENOUGH)
		(void)finding(d, "descriptors", DOCTOR_OK, "%llu",
			      (unsigned long long)rl.rlim_max);
	else
		remedy(finding(d, "descriptors", DOCTOR_LIMITED,
			       "%llu: about %llu connections at once",
			       (unsigned long long)rl.rlim_max,
			       (unsigned long long)rl.rlim_max / 2),
		       "raise the hard limit \"nofile\" in /etc/security/limits.conf");
}

static void pipes(struct doctor *d)
{
	long pages = sysctl_number("fs/pipe-user-pages-soft", 0);

	if (pages == 0 || pages >= PIPE_PAGES_ENOUGH)
		(void)finding(d, "pipe memory", DOCTOR_OK, "enough");
	else
		remedy(finding(d, "pipe memory", DOCTOR_LIMITED,
			       "%ld pages in all for a user: splicing is slower",
			       pages),
		       "sudo sysctl -w fs.pipe-user-pages-soft=16384");
}

static void resolver(struct doctor *d)
{
	struct resolv r = { 0 };
	char text[ADDR_TEXT_MAX];

	if (resolv_read("/etc/resolv.conf", &r) || !r.n_servers) {
		remedy(finding(d, "DNS", DOCTOR_LIMITED,
			       "/etc/resolv.conf names no server: names don't resolve in pods"),
		       "podsplice run --dns ADDR");
		return;
	}
	(void)finding(d, "DNS", DOCTOR_OK, "%zu server%s, first %s",
		      r.n_servers, r.n_servers > 1 ? "s" : "",
		      endpoint_format(&r.servers[0], text));
}

static void clashes(struct doctor *d)
{
	struct net_config net;
	char text[UPLINK_NET_TEXT];

	config_net_init(&net);
	if (config_net_finish(&net))
		return;
	if (!uplink_clashes(&net.plan, text))
		(void)finding(
			d, "addresses", DOCTOR_OK,
			"no route of the host leads into 10.0.2.0/24 or fd00::/64");
	else
		remedy(finding(d, "addresses", DOCTOR_LIMITED,
			       "%s: the host has a route into it, which pods can't reach",
			       text),
		       strchr(text, ':') ? "podsplice run --cidr6 fd01::/64"
					 : "podsplice run --cidr 10.0.3.0/24");
}

static void runtime_dir(struct doctor *d)
{
	char own[STATE_DIR_TEXT], why[192];
	const char *dir = state_runtime_dir(own);
	struct state s;
	int rc;

	log_hold(why, sizeof(why));
	rc = state_open(&s);
	log_hold(NULL, 0);
	state_close(&s);
	if (rc)
		remedy(finding(d, "runtime directory", DOCTOR_LIMITED,
			       "pods have no names: %s", why),
		       dir == own ? "export XDG_RUNTIME_DIR=DIRECTORY"
				  : "log in as the user, or unset "
				    "XDG_RUNTIME_DIR");
	else
		(void)finding(d, "runtime directory", DOCTOR_OK, "%s%.200s",
			      dir == own ? "no path in XDG_RUNTIME_DIR: " : "",
			      dir);
}

/* ---- other programs ---- */

static bool on_path(const char *prog)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	if (!path)
		path = "/usr/bin:/bin";
	while (path_next(&path, prog, file))
		if (access(file, X_OK) == 0)
			return true;
	return false;
}

static void programs(struct doctor *d)
{
	static const char *const peers[] = { "slirp4netns",  "pasta",
					     "rootlesskit",  "podman",
					     "docker-proxy", "socat" };
	char list[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		if (on_path(peers[i]))
			len += (size_t)snprintf(list + len, sizeof(list) - len,
						"%s%s", len ? ", " : "",
						peers[i]);
	(void)finding(d, "peers", DOCTOR_OK, "%s (to compare with; not needed)",
		      list[0] ? list : "none on PATH");
}

void doctor_examine(struct doctor *d)
{
	struct trial *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int rc = t == MAP_FAILED ? -errno : run_trial(t);

	if (rc) {
		(void)finding(d, "processes", DOCTOR_FAILED,
			      "can't be started: %s", strerror(-rc));
	} else {
		user_namespaces(d, t);
		subordinate_ids(d, t);
		if (tun_device(d)) /* without it there is no hop */
			hop(d, t);
	}
	if (t != MAP_FAILED)
		(void)munmap(t, sizeof(*t));
	seccomp(d);
	ping(d);
	port_start(d);
	descriptors(d);
	pipes(d);
	resolver(d);
	clashes(d);
	runtime_dir(d);
	programs(d);
}
