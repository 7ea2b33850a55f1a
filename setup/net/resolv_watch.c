// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A path means another file when any of its parts changes. So the path is
 * walked as the kernel walks it, and for each step, /etc, resolv.conf in it,
 * what that links to, and so on, the directory is watched (inotify) for this
 * one name, before it is looked up: what changes after the look makes an
 * event. The walk stops at what isn't there, whose directory is watched by
 * then: when it appears, the walk goes further. The file at the end is watched
 * as an inode, which also covers hard links and bind mounts of it.
 *
 * A mount over any of that makes no inotify event. /proc/self/mountinfo makes
 * EPOLLPRI, once for each change of the mount table.
 *
 * Both only say "look again". That is done RECHECK_MS after the last event, at
 * the latest RECHECK_MAX_MS after the first, since a file that is rewritten in
 * place is empty for a moment. Looking again walks anew, drops the watches the
 * walk no longer needs, reads the file, and tells the owner if it says
 * something else. Events of names that aren't on the way start no timer.
 *
 * What the kernel doesn't report (network file systems) isn't seen. A
 * directory that may be passed but not read can't be watched; the rest is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/net/resolv.h"

#define RECHECK_MS     50
#define RECHECK_MAX_MS 500
#define LINKS_MAX      40 /* as the kernel's MAXSYMLINKS */

#define DIR_EVENTS                                                             \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |     \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define FILE_EVENTS                                                            \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* One name that matters in one watched directory; "": the thing itself. */
struct step {
	struct list link;
	int wd;
	char name[];
};

struct resolv_watch {
	struct loop *loop;
	const char *path;
	resolv_changed_fn fn;
	void *arg;
	struct loop_source inotify, mounts;
	struct loop_timer recheck;
	struct mono first; /* event since the last look */
	struct list steps;
	bool warned;
	struct resolv now;
};

/* Where a walk has got to. */
struct walk {
	char dir[PATH_MAX];  /* real: no links, no dots */
	char rest[PATH_MAX]; /* still to go from there */
	unsigned int n_links;
};

static void steps_free(struct list *steps)
{
	list_for_each_safe (e, steps) {
		list_del(e);
		free(container_of(e, struct step, link));
	}
}

static void add_step(struct resolv_watch *w, const char *path, uint32_t mask,
		     const char *name)
{
	size_t size = strlen(name) + 1;
	struct step *s;
	int wd = inotify_add_watch(w->inotify.fd, path, mask);

	if (wd < 0) {
		if (errno == ENOSPC && !w->warned) {
			w->warned = true;
			log_warn("watch %s: no more watches (raise "
				 "fs.inotify.max_user_watches)",
				 path);
		}
		return; /* the other watches have to do */
	}
	s = malloc(sizeof(*s) + size);
	if (!s)
		return;
	s->wd = wd;
	memcpy(s->name, name, size);
	list_append(&w->steps, &s->link);
}

/* "/a" + "b"; Return: false when it is too long */
static bool path_join(char *out, const char *dir, const char *name)
{
	size_t a = strlen(dir), b = strlen(name);

	if (a > 0 && dir[a - 1] == '/')
		a--;
	if (a + 1 + b >= PATH_MAX)
		return false;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): b ends it */
	memmove(out, dir, a);
	out[a] = '/';
	memmove(out + a + 1, name, b + 1);
	return true;
}

/* Take the first part off @k->rest. Return: false when there is none */
static bool next_name(struct walk *k, char *out)
{
	const char *s = k->rest + strspn(k->rest, "/");
	size_t len = strcspn(s, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(out, s, len);
	out[len] = '\0';
	s += len;
	s += strspn(s, "/");
	memmove(k->rest, s, strlen(s) + 1);
	return true;
}

static void dir_up(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (slash == dir)
		slash++;
	if (slash)
		*slash = '\0';
}

/* Go on with what a link says. Return: false when that is impossible */
static bool follow(struct walk *k, const char *target)
{
	char rest[PATH_MAX];

	if (++k->n_links > LINKS_MAX || !path_join(rest, target, k->rest))
		return false;
	if (target[0] == '/')
		memcpy(k->dir, "/", 2);
	memcpy(k->rest, rest, sizeof(rest));
	return true;
}

/* One step. Return: false when the walk is over */
static bool walk_step(struct resolv_watch *w, struct walk *k)
{
	char name[NAME_MAX + 1], path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	if (!next_name(k, name))
		return false;
	if (strcmp(name, ".") == 0)
		return true;
	if (strcmp(name, "..") == 0) {
		dir_up(k->dir);
		return true;
	}
	if (!path_join(path, k->dir, name))
		return false;
	add_step(w, k->dir, DIR_EVENTS, name); /* before looking */
	n = readlink(path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		return follow(k, target);
	}
	if (errno != EINVAL) /* isn't there; EINVAL: it is, and is no link */
		return false;
	if (k->rest[0] == '\0') {
		add_step(w, path, FILE_EVENTS, "");
		return false;
	}
	memcpy(k->dir, path, sizeof(path));
	return true;
}

static bool has_wd(const struct list *steps, int wd)
{
	list_for_each (e, steps)
		if (container_of(e, struct step, link)->wd == wd)
			return true;
	return false;
}

/* Watch what is on the way now, and no longer what isn't. */
static void walk(struct resolv_watch *w)
{
	struct walk k = { .dir = "/", .n_links = 0 };
	struct list old;

	list_init(&old);
	while (!list_empty(&w->steps)) {
		struct list *e = w->steps.next;

		list_del(e);
		list_append(&old, e);
	}
	if (w->path[0] != '/' && !getcwd(k.dir, sizeof(k.dir)))
		memcpy(k.dir, "/", 2);
	if (strlen(w->path) < sizeof(k.rest))
		memcpy(k.rest, w->path, strlen(w->path) + 1);
	while (walk_step(w, &k))
		;
	list_for_each (e, &old) {
		int wd = container_of(e, struct step, link)->wd;

		/* fails when the thing is gone, and the watch with it */
		if (!has_wd(&w->steps, wd))
			(void)inotify_rm_watch(w->inotify.fd, wd);
	}
	steps_free(&old);
}

static void on_recheck(struct loop_timer *t)
{
	struct resolv_watch *w = container_of(t, struct resolv_watch, recheck);
	struct resolv now;

	walk(w);
	now = w->now;
	(void)resolv_read(w->path, &now); /* can't be read: no servers */
	if (resolv_equal(&now, &w->now))
		return;
	w->now = now;
	w->fn(w->arg, &w->now); /* last: it may free @w */
}

/* Something may have changed. */
static void look_soon(struct resolv_watch *w)
{
	struct mono now = loop_now(w->loop);
	struct mono at = mono_add(now, mono_ms(RECHECK_MS)), latest;

	if (!w->recheck.pos)
		w->first = now;
	latest = mono_add(w->first, mono_ms(RECHECK_MAX_MS));
	if (mono_before(latest, at))
		at = latest;
	if (loop_timer_set(w->loop, &w->recheck, at))
		on_recheck(&w->recheck);
}

static bool matters(const struct resolv_watch *w,
		    const struct inotify_event *ev)
{
	const char *name = ev->len ? ev->name : "";

	if (ev->mask & IN_Q_OVERFLOW)
		return true;
	list_for_each (e, &w->steps) {
		const struct step *s = container_of(e, struct step, link);

		/* without a name: the directory itself moved, or is gone */
		if (s->wd == ev->wd &&
		    (ev->len == 0 || strcmp(s->name, name) == 0))
			return true;
	}
	return false;
}

static void on_inotify(struct loop_source *src, uint32_t revents)
{
	struct resolv_watch *w =
		container_of(src, struct resolv_watch, inotify);
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(src->fd, buf, sizeof(buf));
	bool look = false;

	(void)revents;
	/* one read a turn; it fails only with EAGAIN or EINTR */
	for (ssize_t i = 0; i < n;) {
		const struct inotify_event *ev = (const void *)(buf + i);

		look = look || matters(w, ev);
		i += (ssize_t)(sizeof(*ev) + ev->len);
	}
	if (look)
		look_soon(w);
}

/* EPOLLERR comes with EPOLLPRI; being told is what resets both. */
static void on_mounts(struct loop_source *src, uint32_t revents)
{
	(void)revents;
	look_soon(container_of(src, struct resolv_watch, mounts));
}

static int open_inotify(struct resolv_watch *w)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc;

	if (fd < 0)
		return log_errno(errno,
				 "inotify for %s (EMFILE: raise "
				 "fs.inotify.max_user_instances)",
				 w->path);
	w->inotify = (struct loop_source){ .fd = fd,
					   .events = EPOLLIN,
					   .fn = on_inotify };
	rc = loop_add(w->loop, &w->inotify);
	if (rc) {
		fd_drop(&fd);
		w->inotify.fd = -1;
	}
	return rc;
}

/* Not having it is no failure: bind mounts over the file are rare. */
static void open_mounts(struct resolv_watch *w)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		log_debug("/proc/self/mountinfo: %s", strerror(errno));
		return;
	}
	w->mounts = (struct loop_source){ .fd = fd,
					  .events = EPOLLPRI,
					  .fn = on_mounts };
	if (loop_add(w->loop, &w->mounts)) {
		fd_drop(&fd);
		w->mounts.fd = -1;
	}
}

int resolv_watch_new(struct resolv_watch **out, struct loop *loop,
		     const char *path, resolv_changed_fn fn, void *arg)
{
	struct resolv_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return log_errno(ENOMEM, "watch %s", path);
	w->loop = loop;
	w->path = path;
	w->fn = fn;
	w->arg = arg;
	w->inotify = w->mounts = (struct loop_source)LOOP_SOURCE_NULL;
	w->recheck.fn = on_recheck;
	list_init(&w->steps);
	rc = open_inotify(w);
	if (rc) {
		free(w);
		return rc;
	}
	open_mounts(w);
	walk(w);
	(void)resolv_read(path, &w->now); /* can't be read: no servers */
	*out = w;
	return 0;
}

struct resolv_watch *resolv_watch_free(struct resolv_watch *w)
{
	if (!w)
		return NULL;
	loop_timer_stop(w->loop, &w->recheck);
	loop_close(w->loop, &w->inotify);
	loop_close(w->loop, &w->mounts);
	steps_free(&w->steps);
	free(w);
	return NULL;
}
