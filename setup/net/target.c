// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process is known by its pidfd, which is opened before anything else of it
 * and looked at after: if it lives still, all that was opened by its number
 * was its own. The user namespace to work in is asked of the network namespace,
 * not of the process, who may be in another one further down.
 */
#include "setup/net/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/sys.h"

#define PID_MAX 4194304 /* PID_MAX_LIMIT in linux/threads.h */
#define LOOK_S	1

static bool has_ended(int pidfd)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	return poll(&p, 1, 0) > 0;
}

static int no_process(const char *word)
{
	log_error("%s: there is no such process (any more)", word);
	return -ESRCH;
}

/* Return: descriptor or -errno, not logged */
static int open_net(const struct target *t)
{
	char path[32];
	int fd;

	if (t->pid)
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", t->pid);
	/* O_NONBLOCK: it may be a FIFO, too */
	fd = open(t->pid ? path : t->word, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_process(struct target *t)
{
	int fd;

	t->pidfd = pidfd_open(t->pid, 0);
	if (t->pidfd < 0 && (errno == ESRCH || errno == EINVAL))
		return no_process(t->word);
	if (t->pidfd < 0)
		return log_errno(errno, "pidfd_open %s", t->word);
	fd = open_net(t);
	if (has_ended(t->pidfd) || fd == -ENOENT) {
		fd_drop(&fd);
		return no_process(t->word);
	}
	if (fd == -EACCES || fd == -EPERM)
		return log_errno(
			-fd,
			"process %s: not ours to look into (run podsplice as its user)",
			t->word);
	if (fd < 0)
		return log_errno(-fd, "network namespace of process %s",
				 t->word);
	t->ns_net = fd;
	return 0;
}

/* Return: 0 or -errno, logged */
static int check_type(int fd, int type, const char *what, const char *path)
{
	if (ioctl(fd, NS_GET_NSTYPE) == type)
		return 0;
	log_error("%s: no %s namespace (like /proc/PID/ns/%s)", path, what,
		  type == CLONE_NEWNET ? "net" : "user");
	return -EINVAL;
}

static int open_path(struct target *t)
{
	t->ns_net = open_net(t);
	if (t->ns_net == -ENOENT) {
		log_error(
			"%s: there is no such file (give a process id, or the path of a network namespace)",
			t->word);
		return -ENOENT;
	}
	if (t->ns_net < 0)
		return log_errno(-t->ns_net, "%s: can't be opened", t->word);
	return check_type(t->ns_net, CLONE_NEWNET, "network", t->word);
}

static int find_user(struct target *t, const char *path)
{
	scoped_fd own = sys_open_ns(0, "user");

	if (own < 0)
		return own;
	if (path) {
		t->ns_user = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (t->ns_user < 0)
			return log_errno(errno, "--userns %s: can't be opened",
					 path);
		if (check_type(t->ns_user, CLONE_NEWUSER, "user", path))
			return -EINVAL;
	} else {
		t->ns_user = ioctl(t->ns_net, NS_GET_USERNS);
		if (t->ns_user < 0 && errno == EPERM) {
			log_error(
				"%s: belongs to a user namespace above or beside ours (run podsplice there, or as root)",
				t->word);
			return -EPERM;
		}
		if (t->ns_user < 0)
			return log_errno(errno, "%s: its user namespace",
					 t->word);
	}
	if (sys_same_file(t->ns_user, own))
		fd_drop(&t->ns_user);
	return 0;
}

static int check_net(struct target *t)
{
	scoped_fd own = sys_open_ns(0, "net");
	struct stat st;

	if (own < 0)
		return own;
	if (sys_same_file(t->ns_net, own)) {
		log_error(
			"%s: that is the network namespace podsplice itself is in (give the pod's)",
			t->word);
		return -EINVAL;
	}
	if (fstat(t->ns_net, &st))
		return log_errno(errno, "%s", t->word);
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	return 0;
}

/* Its network namespace is open: all else about it. */
static int look_at(struct target *t, const char *userns)
{
	int rc = check_net(t);

	return rc ? rc : find_user(t, userns);
}

int target_open(struct target *out, const char *word, const char *userns)
{
	bool digits = *word && !word[strspn(word, "0123456789")];
	uint64_t pid = 0;
	int rc;

	out->word = word;
	if (digits && parse_uint(word, 1, PID_MAX, &pid))
		return no_process(word);
	out->pid = (pid_t)pid;
	rc = digits ? open_process(out) : open_path(out);
	return rc ? rc : look_at(out, userns);
}

int target_open_tap(struct target *out, int tap, const char *userns)
{
	out->word = "the TAP device's namespace";
	out->ns_net = ioctl(tap, TUNGETDEVNETNS);
	if (out->ns_net < 0)
		return log_errno(
			errno,
			"the network namespace of the TAP device: can't be had (run podsplice as the user who made it)");
	return look_at(out, userns);
}

int target_again(const struct target *t)
{
	scoped_fd fd = open_net(t);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || st.st_dev != t->dev || st.st_ino != t->ino ||
	    (t->pidfd >= 0 && has_ended(t->pidfd)))
		return -ENOENT;
	return fd_take(&fd);
}

void target_close(struct target *t)
{
	fd_drop(&t->pidfd);
	fd_drop(&t->ns_net);
	fd_drop(&t->ns_user);
}

/* ---- its end ---- */

static void on_ended(struct loop_source *src, uint32_t revents)
{
	struct target_watch *w = container_of(src, struct target_watch, ended);

	(void)revents;
	w->fn(w->arg);
}

static int look_later(struct target_watch *w)
{
	return loop_timer_set(w->loop, &w->look,
			      mono_add(loop_now(w->loop), mono_s(LOOK_S)));
}

static void on_look(struct loop_timer *t)
{
	struct target_watch *w = container_of(t, struct target_watch, look);
	scoped_fd ns = target_again(w->target);

	if (ns == -ENOENT)
		w->fn(w->arg);
	else
		(void)look_later(w); /* logged; then a signal ends us */
}

int target_watch(struct target_watch *w, struct loop *loop,
		 const struct target *t, void (*fn)(void *arg), void *arg)
{
	if (w->loop)
		return 0;
	*w = (struct target_watch){
		.loop = loop,
		.target = t,
		.ended = { .fd = t->pidfd, .events = EPOLLIN, .fn = on_ended },
		.look.fn = on_look,
		.fn = fn,
		.arg = arg,
	};
	return t->pidfd >= 0 ? loop_add(loop, &w->ended) : look_later(w);
}

void target_unwatch(struct target_watch *w)
{
	if (!w->loop)
		return;
	loop_timer_stop(w->loop, &w->look);
	loop_del(w->loop, &w->ended);
	*w = (struct target_watch)TARGET_WATCH_NULL;
}
