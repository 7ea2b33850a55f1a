// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The forwarder of forward_verb.c with podman's manners: a JSON object on
 * stdin, two descriptors whose numbers are in it, a socket to be told a new
 * address over. It ends when its exit descriptor does, whatever becomes of the
 * container.
 */
#include "setup/personality/rootlessport.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/own_file.h"
#include "setup/base/sys.h"
#include "setup/helper/control_path.h"
#include "setup/helper/inbound.h"
#include "setup/helper/network.h"
#include "setup/net/target.h"
#include "setup/personality/rootlessport_errors.h"
#include "setup/personality/rootlessport_reload.h"

#define CONFIG_MAX                                                             \
	(16 << 20) /* as many mappings as there are ports, and more */

struct rootlessport {
	struct rootlessport_config cfg;
	struct net_config net_cfg; /* the same, for @net */
	struct errors errors;
	struct target target;
	struct network net;
	struct loop loop;
	struct loop_source signals, hung_up;
	struct own_file reload_path;
	struct reload *reload;
	int ready_fd, exit_fd;
};

/* ---- what it was told ---- */

/* A pipe or a socket: what has another end that can be closed. */
static bool has_end(int fd)
{
	struct stat st;

	return fd > STDERR_FILENO && !fstat(fd, &st) &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Return: 0 or -errno, with the reason in @err */
static int check_config(struct rootlessport *r, char *err)
{
	const char *bad = NULL;
	const struct rootlessport_config *cfg = &r->cfg;

	if (!has_end(cfg->exit_fd))
		bad = "ExitFD";
	else if (!has_end(cfg->ready_fd) || cfg->ready_fd == cfg->exit_fd)
		bad = "ReadyFD";
	else if (cfg->reload &&
		 (!*cfg->container || strchr(cfg->container, '/')))
		bad = "ContainerID";
	if (!bad)
		return 0;
	(void)snprintf(err, ROOTLESSPORT_ERR_MAX, "invalid %s", bad);
	return -EINVAL;
}

static int configure(struct rootlessport *r, char *err)
{
	scoped_free char *text = malloc(CONFIG_MAX);
	ssize_t len =
		text ? fd_read_all(STDIN_FILENO, text, CONFIG_MAX) : -ENOMEM;
	int rc = len < 0 ? (int)len : 0;

	if (rc)
		(void)snprintf(err, ROOTLESSPORT_ERR_MAX, "configuration: %s",
			       strerror(-rc));
	else
		rc = rootlessport_config_parse(&r->cfg, text, (size_t)len, err);
	return rc ? rc : check_config(r, err);
}

/* For the forwarder, as config_forward.c makes it. */
static int plan(struct rootlessport *r)
{
	const struct rootlessport_config *cfg = &r->cfg;
	struct net_config *net = &r->net_cfg;

	*net = (struct net_config){ .manager = MANAGER_NULL,
				    .datapath = DATAPATH_SLIRP,
				    .forward.kind = OUTLET_NETNS };
	net->specs = calloc(cfg->n_ports, sizeof(*net->specs));
	if (!net->specs && cfg->n_ports)
		return log_errno(ENOMEM, "rootlessport");
	net->n_specs = cfg->n_ports;
	for (size_t i = 0; i < cfg->n_ports; i++)
		net->specs[i] = cfg->ports[i].spec;
	return 0;
}

/* ---- what ends it, what changes it ---- */

static void on_signal(struct loop_source *src, uint32_t revents)
{
	struct rootlessport *r =
		container_of(src, struct rootlessport, signals);
	struct signalfd_siginfo si;

	(void)revents;
	if (read(src->fd, &si, sizeof(si)) == sizeof(si))
		loop_stop(&r->loop, 128 + (int)si.ssi_signo);
}

static void on_hang_up(struct loop_source *src, uint32_t revents)
{
	struct rootlessport *r =
		container_of(src, struct rootlessport, hung_up);

	if (revents & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		loop_stop(&r->loop, 0);
}

static bool has_udp(const struct rootlessport *r)
{
	for (size_t i = 0; i < r->cfg.n_ports; i++)
		if (r->cfg.ports[i].spec.proto == SPEC_UDP)
			return true;
	return false;
}

static int on_reload(void *arg, const struct ip *child)
{
	struct rootlessport *r = arg;
	const struct hop *there = &r->net.helpers.hop;
	struct inbound in = { 0 };

	if (r->net_cfg.forward.transparent)
		inbound_prepare(there->ns_user, there->ns_hop, child,
				has_udp(r), &in);
	return network_lead(&r->net, child, &in);
}

/* ---- stages ---- */

/*
 * After this: the namespace is known, signals wait, the ports are bound.
 * Must not yet: fork (network_1_bind()).
 */
static int rootlessport_1_bind(struct rootlessport *r)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	char why[ROOTLESSPORT_ERR_MAX];
	int rc = target_open(&r->target, r->cfg.netns, NULL);

	if (!rc)
		rc = loop_init(&r->loop);
	if (!rc)
		rc = loop_signals(&r->loop, &r->signals, signals,
				  ARRAY_SIZE(signals), on_signal);
	if (rc)
		return rc;
	log_hold(why, sizeof(why));
	rc = network_1_bind(&r->net, NULL);
	log_hold(NULL, 0);
	if (!rc)
		return 0;
	network_stop(&r->net, 0);
	if (!errors_of_listening(&r->cfg))
		log_error("%s", why);
	return rc;
}

/* A directory that may be there. */
static int listen_for_reload(struct rootlessport *r)
{
	const struct rootlessport_config *cfg = &r->cfg;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/rp", cfg->tmp_dir);
	int fd;

	if (n >= (int)sizeof(path))
		return log_errno(ENAMETOOLONG, "TmpDir");
	if (mkdir(path, 0700) && errno != EEXIST)
		return log_errno(errno, "mkdir %s", path);
	if (snprintf(path + n, sizeof(path) - (size_t)n, "/%s",
		     cfg->container) >= (int)sizeof(path) - n)
		return log_errno(ENAMETOOLONG, "ContainerID");
	fd = control_path_packets(path, &r->reload_path);
	return fd < 0 ? fd : reload_new(&r->reload, &r->loop, fd, on_reload, r);
}

/* In words for the log: what the server won't see. */
static void tell_source(const struct inbound *in, bool udp)
{
	if (!in->tcp)
		log_warn("clients' addresses are not kept: %s", in->why_tcp);
	else if (udp && !in->udp)
		log_warn("clients' addresses are not kept with UDP: %s",
			 in->why_udp);
}

/* What the server sees of its clients: their addresses, or ours. */
static int choose_source(struct rootlessport *r)
{
	struct inbound in;

	inbound_prepare(r->target.ns_user, r->target.ns_net, &r->cfg.child,
			has_udp(r), &in);
	tell_source(&in, has_udp(r));
	r->net_cfg.forward.transparent = in.tcp;
	return network_lead(&r->net, &r->cfg.child, &in);
}

/*
 * After this: something has ended it. Its status is the loop's.
 */
static int rootlessport_2_serve(struct rootlessport *r)
{
	int rc;

	rc = choose_source(r);
	if (!rc)
		rc = network_2_forward(&r->net, &r->target.ns_user,
				       &r->target.ns_net);
	sys_settle();
	if (!rc)
		rc = network_3_watch(&r->net, &r->loop, 0, -1);
	if (!rc && r->cfg.reload)
		rc = listen_for_reload(r);
	r->hung_up = (struct loop_source){ r->exit_fd, EPOLLRDHUP, on_hang_up };
	if (!rc)
		rc = loop_add(&r->loop, &r->hung_up);
	if (rc)
		return rc;
	errors_quiet(&r->errors);
	rc = fd_tell_ready(&r->ready_fd);
	return rc ? log_errno(-rc, "ReadyFD") : loop_run(&r->loop);
}

static void tear_down(struct rootlessport *r)
{
	r->reload = reload_free(r->reload);
	own_file_drop(&r->reload_path);
	loop_del(&r->loop, &r->hung_up);
	loop_close(&r->loop, &r->signals);
	network_stop(&r->net, 0);
	target_close(&r->target);
	fd_drop(&r->ready_fd);
	fd_drop(&r->exit_fd);
	loop_deinit(&r->loop);
	free(r->net_cfg.specs);
	rootlessport_config_free(&r->cfg);
}

static int run(struct rootlessport *r)
{
	const struct network_ops ops = { .arg = r };
	int *keep[] = { &r->exit_fd, &r->ready_fd, log_file_ref() };
	int rc;

	r->exit_fd = r->cfg.exit_fd;
	r->ready_fd = r->cfg.ready_fd;
	/* whatever else was inherited is nothing of ours */
	sys_keep_fds(keep, ARRAY_SIZE(keep));
	/* nobody may end us by not reading */
	(void)signal(SIGPIPE, SIG_IGN);
	rc = errors_collect(&r->errors);
	if (!rc)
		rc = plan(r);
	network_init(&r->net, &r->net_cfg, &ops);
	if (!rc)
		rc = rootlessport_1_bind(r);
	if (!rc)
		rc = rootlessport_2_serve(r);
	tear_down(r);
	errors_failed(&r->errors);
	return rc;
}

int rootlessport_main(int argc, char **argv)
{
	struct rootlessport r = {
		.errors = ERRORS_NULL,
		.target = TARGET_NULL,
		.loop = LOOP_NULL,
		.signals = LOOP_SOURCE_NULL,
		.hung_up = LOOP_SOURCE_NULL,
		.reload_path = OWN_FILE_NULL,
		.ready_fd = -1,
		.exit_fd = -1,
	};
	char err[ROOTLESSPORT_ERR_MAX] = "";
	int rc;

	(void)argv;
	if (argc > 1) {
		(void)fprintf(
			stderr,
			"too many arguments, rootlessport expects a json config via STDIN\n");
		return EXIT_FAILURE;
	}
	if (configure(&r, err)) {
		/* read by who has started us, or by nobody */
		(void)printf("%s\n", err);
		(void)fflush(stdout);
		rootlessport_config_free(&r.cfg);
		return EXIT_FAILURE;
	}
	rc = run(&r);
	return rc < 0 ? EXIT_FAILURE : rc;
}
