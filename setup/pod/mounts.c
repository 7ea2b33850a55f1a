// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything that needs the outer tree is collected first, as mounts nobody
 * sees: the rootfs, volumes, device nodes, and fresh instances of proc and
 * sysfs, which the kernel grants only where uncovered ones are in sight
 * (mount_too_revealing(), fs/namespace.c). Then, with --rootfs, the root is
 * changed, so that no name looked up later can lead out of it. Then they are
 * attached, in an order in which the user's volumes have the last word.
 *
 * resolv.conf and hosts are files in a tmpfs, the stage, which stays mounted
 * on /proc, below the real one: no directory on disk, and they can be cloned
 * from there again. They cover the name itself, symbolic link or not, dangling
 * or not: its target may be in a directory where others rename files about,
 * and a mount is dissolved when another namespace replaces what it covers. The
 * name itself is replaced at times, too (NetworkManager, resolvconf); inotify
 * on /etc tells, and the mount is made again.
 *
 * No mount can be undone from inside: the command has no CAP_SYS_ADMIN, and
 * in a namespace below ours they are all locked. Nothing of /proc is masked:
 * pod root is no root to the kernel, and a masked /proc is what keeps
 * containers from being nested.
 */
#include "setup/pod/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/sys_mount.h"
#include "setup/bundle/bundle.h"
#include "setup/bundle/bundle_config.h"
#include "setup/pod/agents.h"
#include "setup/pod/devices.h"
#include "setup/pod/rootfs.h"
#include "setup/pod/tmpfs.h"
#include "setup/pod/volumes.h"

static const struct {
	const char *name, *path;
} texts[MOUNTS_N_TEXTS] = {
	[MOUNTS_RESOLV] = { "resolv.conf", "/etc/resolv.conf" },
	[MOUNTS_HOSTS] = { "hosts", "/etc/hosts" },
};

/* Detached mounts, each -1 when there is none. */
struct plan {
	int root, stage, proc, sys, cgroup, shm;
	struct devices dev;
	int *volumes;
	size_t n_volumes;
};

static void plan_drop(struct plan *p)
{
	fd_drop(&p->root);
	fd_drop(&p->stage);
	fd_drop(&p->proc);
	fd_drop(&p->sys);
	fd_drop(&p->cgroup);
	fd_drop(&p->shm);
	devices_drop(&p->dev);
	p->volumes = volumes_drop(p->volumes, p->n_volumes);
}

/* Where the outer one is covered in part, only a view of that is allowed. */
static int fresh_or_bound(int *out, const char *type, const char *path,
			  uint64_t attrs)
{
	int rc = sys_mount_new(out, type, NULL, attrs);

	if (rc != -EPERM)
		return rc ? log_errno(-rc, "mount %s", path) : 0;
	log_warn("%s: the kernel refuses a fresh one (parts of the outer one "
		 "are covered), so that one is used",
		 path);
	rc = sys_mount_clone(out, AT_FDCWD, path);
	if (!rc && (attrs & MOUNT_ATTR_RDONLY))
		rc = sys_mount_read_only(*out);
	return rc ? log_errno(-rc, "bind %s", path) : 0;
}

/*
 * A runtime wants to see cgroups, and gives up the thought of having some when
 * nothing can be written there: a view of the one it is in, whatever the host
 * has, or has covered.
 */
static int collect_cgroup(int *out, bool bundle)
{
	static const char dir[] = "/sys/fs/cgroup";
	int rc;

	if (!bundle) {
		/* no cgroups on this machine: none in the pod */
		(void)sys_mount_clone(out, AT_FDCWD, dir);
		return 0;
	}
	rc = sys_mount_new(out, "cgroup2", NULL,
			   SYS_MOUNT_INERT | MOUNT_ATTR_RDONLY);
	return rc ? log_errno(-rc, "mount %s", dir) : 0;
}

static int collect(struct plan *p, const struct runner_config *cfg)
{
	static const struct sys_fs_opt stage_opts[] = {
		{ "mode", "0755" },
		{ "size", "1m" },
		{ NULL, NULL },
	};
	const struct run_config *run = cfg->run;
	int rc = sys_mount_all_slave();

	if (rc)
		return log_errno(-rc, "mount --make-rslave /");
	/* with no_new_privs they do nothing but harm: a program with a file
	 * capability that the command may not have (ping's CAP_NET_RAW) can't
	 * even be executed (get_file_caps() in security/commoncap.c) */
	rc = sys_mount_all_set(MOUNT_ATTR_NOSUID);
	if (rc)
		log_info("mount -o remount,nosuid /: %s", strerror(-rc));
	rc = volumes_open(&p->volumes, run->volumes, run->n_volumes);
	if (rc)
		return rc;
	p->n_volumes = run->n_volumes;
	if (run->read_only && !run->rootfs) {
		rc = sys_mount_all_set(MOUNT_ATTR_RDONLY);
		if (rc)
			return log_errno(-rc, "a read-only view of /");
	}
	rc = sys_mount_new(&p->stage, "tmpfs", stage_opts, SYS_MOUNT_INERT);
	if (rc)
		return log_errno(-rc, "mount tmpfs");
	rc = fresh_or_bound(&p->proc, "proc", "/proc", SYS_MOUNT_INERT);
	if (!rc)
		rc = fresh_or_bound(&p->sys, "sysfs", "/sys",
				    SYS_MOUNT_INERT | MOUNT_ATTR_RDONLY);
	if (rc)
		return rc;
	if (run->rootfs) {
		p->dev.shm = fd_take(&p->shm);
		rc = devices_collect(&p->dev, cfg->may_setgroups);
		return rc ? rc : rootfs_collect(&p->root, run);
	}
	return collect_cgroup(&p->cgroup, run->bundle);
}

static int place_dir(int mnt, const char *path, bool make)
{
	scoped_fd target = mount_point(path, true, make);
	int rc = target < 0 ? target : sys_mount_attach(mnt, target);

	return rc ? log_errno(-rc, "mount %s", path) : 0;
}

/*
 * With the user's files: the pod's, as its other containers have it. Not
 * fatal: whoever has none has no use for it.
 */
static int place_shm(int shm)
{
	scoped_fd target = mount_point("/dev/shm", true, false);
	int rc = target < 0 ? 0 : sys_mount_attach(shm, target);

	return rc ? log_errno(-rc, "mount /dev/shm") : 0;
}

/* A file in the stage; Return: a descriptor of it or -errno, logged */
static int stage_file(int stage, const char *name, const char *text)
{
	int fd = openat(stage, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);
	size_t len = text ? strlen(text) : 0;

	if (fd < 0)
		return log_errno(errno, "create %s", name);
	if (len && write(fd, text, len) != (ssize_t)len) {
		int rc = log_errno(ENOSPC, "write %s", name);

		fd_drop(&fd);
		return rc;
	}
	return fd;
}

/* Put @name of the stage over @target; Return: 0 or -errno, not logged */
static int cover(int stage, const char *name, int target, bool read_only)
{
	scoped_fd mnt = -1;
	int rc = sys_mount_clone(&mnt, stage, name);

	if (!rc && read_only)
		rc = sys_mount_read_only(mnt);
	return rc ? rc : sys_mount_attach(mnt, target);
}

/* The name itself, should it be a link; made when missing, if possible. */
static int name_point(const char *path, bool make)
{
	int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT && make && !make_parents(path)) {
		scoped_fd made = open(
			path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (made < 0)
			return -errno;
		fd = open(path, flags);
	}
	return fd < 0 ? -errno : fd;
}

/* Our @text in its place; a root that has no place for it is not fatal. */
static int place_text(struct mounts *m, size_t i, const char *text, bool make)
{
	scoped_fd target = -1;
	int rc;

	if (!text)
		return 0;
	m->texts[i].fd = stage_file(m->stage, texts[i].name, text);
	if (m->texts[i].fd < 0)
		return m->texts[i].fd;
	target = name_point(texts[i].path, make);
	rc = target < 0 ? target
			: cover(m->stage, texts[i].name, target, m->read_only);
	if (rc)
		log_warn("%s: can't be replaced by the pod's own: %s%s",
			 texts[i].path, strerror(-rc),
			 target < 0 && make ? " (make the file in its root)"
					    : "");
	return 0;
}

/* agents_path_fn: sockets, and runtime directories that are ours. */
static int hide(void *arg, const char *path)
{
	const int *stage = arg;
	scoped_fd target = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	int rc;

	if (target < 0 || fstat(target, &st))
		return 0; /* nothing there, or nothing to be reached */
	if (S_ISSOCK(st.st_mode))
		rc = cover(*stage, "nothing", target, true);
	else if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		rc = cover(*stage, "empty", target, true);
	else
		return 0;
	return rc ? log_errno(-rc, "hide %s", path) : 0;
}

static int hide_dir(const char *path)
{
	static const struct sys_fs_opt opts[] = {
		{ "mode", "0700" },
		{ NULL, NULL },
	};
	scoped_fd target = mount_point(path, true, false);
	scoped_fd mnt = -1;
	int rc;

	if (target < 0)
		return 0; /* not there: nothing to hide */
	rc = sys_mount_new(&mnt, "tmpfs", opts,
			   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (!rc)
		rc = sys_mount_attach(mnt, target);
	return rc ? log_errno(-rc, "hide %s", path) : 0;
}

static int hide_agents(int stage, const char *runtime_dir)
{
	scoped_fd nothing = stage_file(stage, "nothing", NULL);
	int rc = 0;

	if (nothing < 0)
		return nothing;
	if (fchmod(nothing, 0) || mkdirat(stage, "empty", 0700))
		return log_errno(errno, "create empty files");
	for (char **e = environ; *e && !rc; e++)
		rc = agents_sockets(*e, hide, &stage);
	if (!rc)
		rc = agents_known(environ, hide, &stage);
	/* last, so that sockets in it needn't be found first */
	if (!rc && runtime_dir)
		rc = hide_dir(runtime_dir);
	return rc;
}

static int place_home_shm(int home, int *shm)
{
	scoped_fd mnt = fd_take(shm), dir = -1;
	int rc;

	if (mkdirat(home, "shm", 0755))
		return log_errno(errno, "mkdir shm");
	dir = openat(home, "shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = dir < 0 ? -errno : sys_mount_attach(mnt, dir);
	return rc ? log_errno(-rc, "mount shm") : 0;
}

/*
 * What the runtime is to have, in a tmpfs over what our user has there. It
 * takes the texts from there, so whatever is written to them later is seen.
 */
static int place_bundle(struct mounts *m, int *shm,
			const struct runner_config *cfg)
{
	const struct bundle *b = cfg->run->bundle;
	const struct bundle_facts facts = {
		.shared_pids = cfg->shared_pids,
		.one_id = !cfg->may_setgroups,
		.shm = *shm >= 0 ? b->shm : NULL,
	};
	const char *const all[MOUNTS_N_TEXTS] = {
		[MOUNTS_RESOLV] = cfg->resolv_conf,
		[MOUNTS_HOSTS] = cfg->hosts,
	};
	scoped_free char *config = NULL;
	scoped_fd home = -1, file = -1;
	int rc = hide_dir(b->home);

	if (!rc)
		home = open(b->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc || home < 0)
		return rc ? rc : log_errno(errno, "open %s", b->home);
	for (size_t i = 0; i < MOUNTS_N_TEXTS; i++) {
		m->texts[i].fd = stage_file(home, texts[i].name, all[i]);
		if (m->texts[i].fd < 0)
			return m->texts[i].fd;
	}
	rc = facts.shm ? place_home_shm(home, shm) : 0;
	if (!rc)
		rc = bundle_adapt(b->config, &facts);
	if (rc)
		return rc;
	config = json_dumps(b->config, JSON_COMPACT);
	if (!config)
		return log_errno(ENOMEM, "config.json");
	file = stage_file(home, "config.json", config);
	if (file < 0)
		return file;
	/* bundle_runs() may have news then */
	m->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->notify < 0 ||
	    inotify_add_watch(m->notify, b->home, IN_CREATE | IN_MOVED_TO) < 0)
		return log_errno(errno, "inotify (sysctl fs.inotify)");
	return 0;
}

/* Is what the name in /etc names our file? */
static bool in_place(const struct mounts *m, size_t i)
{
	struct stat ours, seen;

	return m->texts[i].fd >= 0 && !fstat(m->texts[i].fd, &ours) &&
	       !lstat(texts[i].path, &seen) && ours.st_dev == seen.st_dev &&
	       ours.st_ino == seen.st_ino;
}

/* Unwatched is what it was before: a user may be out of inotify instances. */
static void watch_texts(struct mounts *m)
{
	bool any = false;

	for (size_t i = 0; i < MOUNTS_N_TEXTS; i++)
		any |= m->texts[i].mend = in_place(m, i);
	if (!any)
		return;
	m->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->notify < 0 ||
	    inotify_add_watch(m->notify, "/etc", IN_CREATE | IN_MOVED_TO) < 0) {
		log_debug("inotify on /etc: %s", strerror(errno));
		fd_drop(&m->notify);
	}
}

static int place_files(struct mounts *m, struct plan *p,
		       const struct runner_config *cfg)
{
	bool own_root = cfg->run->rootfs;
	int rc = place_dir(p->stage, "/proc", own_root);

	if (rc)
		return rc;
	m->stage = fd_take(&p->stage);
	if (cfg->run->bundle)
		return place_bundle(m, &p->shm, cfg);
	m->read_only = rootfs_read_only(cfg->run);
	rc = place_text(m, MOUNTS_RESOLV, cfg->resolv_conf, own_root);
	if (!rc)
		rc = place_text(m, MOUNTS_HOSTS, cfg->hosts, own_root);
	if (!rc && !own_root)
		rc = hide_agents(m->stage, cfg->runtime_dir);
	return rc;
}

static int place(struct mounts *m, struct plan *p,
		 const struct runner_config *cfg)
{
	const struct run_config *run = cfg->run;
	int rc = place_files(m, p, cfg);

	if (!rc)
		rc = place_dir(p->sys, "/sys", run->rootfs);
	if (!rc && p->cgroup >= 0)
		rc = place_dir(p->cgroup, "/sys/fs/cgroup", false);
	if (!rc && run->rootfs)
		rc = devices_place(&p->dev);
	if (!rc)
		rc = place_dir(p->proc, "/proc", false);
	if (!rc && p->shm >= 0)
		rc = place_shm(p->shm);
	if (!rc)
		rc = tmpfs_place(run, cfg->shm >= 0);
	if (!rc)
		rc = volumes_place(p->volumes, run->volumes, p->n_volumes);
	if (!rc && run->rootfs)
		rc = rootfs_finish(p->root, run);
	if (!rc && !run->bundle)
		watch_texts(m);
	return rc;
}

/* @cwd: where the caller was; looked up again, as it may be covered now */
static int enter_workdir(const struct run_config *run, const char *cwd)
{
	const char *dir = run->workdir ? run->workdir : cwd;

	if (!run->workdir && run->rootfs)
		dir = "/";
	if (chdir(dir) == 0)
		return 0;
	if (run->workdir)
		return log_errno(errno, "workdir %s", dir);
	log_warn("%s: not in the container, starting in /", dir);
	return chdir("/") ? log_errno(errno, "workdir /") : 0;
}

int mounts_make(struct mounts *m, const struct runner_config *cfg)
{
	struct plan p = { -1, -1, -1, -1, -1, cfg->shm, DEVICES_NULL, NULL, 0 };
	char cwd[PATH_MAX];
	int rc;

	/* a directory that was removed, say */
	if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
		memcpy(cwd, "/", 2);
	rc = collect(&p, cfg);
	if (!rc && cfg->run->rootfs) {
		rc = sys_root_pivot(p.root);
		if (rc)
			(void)log_errno(-rc, "pivot_root to %s",
					cfg->run->rootfs);
	}
	if (!rc)
		rc = place(m, &p, cfg);
	if (!rc)
		rc = enter_workdir(cfg->run, cwd);
	plan_drop(&p);
	return rc;
}

void mounts_text(struct mounts *m, int which, const void *text, size_t len)
{
	int fd = m->texts[which].fd;

	if (fd < 0)
		return;
	if (pwrite(fd, text, len, 0) != (ssize_t)len ||
	    ftruncate(fd, (off_t)len))
		(void)log_errno(errno, "write the pod's %s", texts[which].name);
}

void mounts_mend(struct mounts *m)
{
	char events[4096];

	/* what they say is looked up, so that none can be missed */
	while (read(m->notify, events, sizeof(events)) > 0)
		continue;
	for (size_t i = 0; i < MOUNTS_N_TEXTS; i++) {
		scoped_fd target = -1;
		int rc;

		if (!m->texts[i].mend || in_place(m, i))
			continue;
		target = name_point(texts[i].path, false);
		rc = target < 0 ? target
				: cover(m->stage, texts[i].name, target,
					m->read_only);
		if (rc && rc != -ENOENT)
			(void)log_errno(-rc, "replace %s again", texts[i].path);
	}
}
