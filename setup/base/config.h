/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the command line asked for. Filled once, const afterwards. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/base/addr.h"
#include "netstack/base/hostport.h"
#include "netstack/base/podnet.h"
#include "portfwd/spec.h"
#include "setup/helper/manager.h"
#include "setup/helper/outlet.h"
#include "setup/helper/recorder.h"
#include "setup/pod/caps.h"

#define CONFIG_DNS_MAX	  8
#define CONFIG_SEARCH_MAX 16

#define MTU_MIN	 576
#define MTU_MIN6 1280 /* the smallest that IPv6 works with */
#define MTU_MAX	 65520

enum datapath { DATAPATH_AUTO, DATAPATH_SPLICE, DATAPATH_SLIRP };

/* NET: the options every verb that makes a pod's network has in common. */
struct net_config {
	struct manager manager; /* what our starter has passed in */
	struct outlet forward;	/* of `forward`: no pod, no TAP */
	struct podnet plan;	/* plan.mtu_bytes 0: the host's uplink's */
	bool host_loopback; /* the gateway's address reaches the host's lo */
	bool publish_all;   /* what the pod listens on: autopublish.h */
	struct hostports host_ports; /* or only these ports of it */
	bool serve_dns;
	struct ip dns[CONFIG_DNS_MAX]; /* upstreams; none: the host's */
	size_t n_dns;
	const char *search[CONFIG_SEARCH_MAX]; /* none: the host's */
	size_t n_search;
	struct ip outbound4, outbound6; /* family 0: the host's choice */
	enum datapath datapath;
	struct recorder_config pcap;
	struct spec *specs; /* owned by the config */
	size_t n_specs;
};

struct volume {
	char *src, *dst; /* owned by the config; dst is absolute */
	bool read_only;
};

/* An empty directory in memory. */
struct tmpfs {
	char *dst; /* owned by the config, and all the strings with it */
	const char *size, *mode; /* as tmpfs(5) has them; NULL: its default */
	uint64_t attrs;		 /* MOUNT_ATTR_... */
};

/* What a pod's root is made of. */
enum root_mode {
	ROOT_PLAIN,	/* the directory itself */
	ROOT_READ_ONLY, /* the same, but nobody writes to it */
	ROOT_OVERLAY,	/* writes go to memory, and away with the pod */
};

/* After which end of its command a container is started again. */
enum restart_when { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS };

/* A container, or a pod for containers. */
struct run_config {
	struct net_config net;
	bool is_pod; /* no command, nothing of the files below */
	int share;   /* of a pod: CLONE_NEW… that its containers share */
	const char *rootfs;	  /* NULL: the host's files */
	char *rootfs_owned;	  /* what @rootfs points to, the config's */
	const char *image;	  /* what that is called, or NULL */
	enum root_mode root_mode; /* with a rootfs */
	bool read_only;		  /* all of /, with some tmpfs in it */
	const char *bundle_dir;	  /* an OCI bundle, or NULL */
	const char *runtime;	  /* for it: a name or path; NULL: any */
	struct bundle *bundle;	  /* what is in it, by run_main(); owned */
	struct tmpfs *tmpfs;	  /* owned by the config */
	size_t n_tmpfs;
	const char *user; /* USER[:GROUP] to look up; NULL: user 0 */
	struct caps caps;
	const char *pod;	   /* the pod to run in, NULL: one of its own */
	bool new_pod;		   /* make that first */
	bool pod_pid;		   /* in the pod's pid namespace */
	const char *control;	   /* path of the control socket, or NULL */
	const char *name;	   /* NULL: made up; of exec: whose */
	bool detach, remove;	   /* -d, --rm */
	bool again;		   /* `start`: @name has a record already */
	bool silent;		   /* with detach: don't print the name */
	enum restart_when restart; /* with detach, in a pod */
	const char *hostname;
	struct volume *volumes; /* owned by the config */
	size_t n_volumes;
	const char *
		*env; /* "K=V", owned array of borrowed strings, each K once */
	size_t n_env;
	const char *workdir; /* NULL: rootfs ? "/" : as it is */
	bool interactive, tty;
	char *const *argv;  /* the command, NULL-terminated */
	const char *verb;   /* whose words these are */
	char *const *words; /* all that was parsed, the same; borrowed */
};
