// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who owns a record holds a lock on its file "lock" (of the open file
 * description, so it can be asked about without taking it). The kernel frees
 * it with its process, whatever ended that: so "does it run?" needs no pid,
 * and has one answer from every pid namespace. Only the owner writes, renames
 * and removes.
 *
 * A record comes into being as ".RANDOM", complete and locked, and is renamed
 * to its name, which fails if the name is taken; it goes by being renamed back.
 * So there is no lock that two containers share, and nobody waits for a process
 * that was stopped or killed in the middle. What such a process leaves has a
 * free lock, and whoever comes by and can take it removes it.
 *
 * A reader asks for the lock first and reads then: what a record says after its
 * owner was seen dead is final.
 */
#include "setup/state/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/mono.h"
#include "setup/state/names.h"

#define LOCK	  "lock"
#define STATE	  "state.json"
#define STATE_TMP "state.json.tmp"
/* Spare room in a saved state, for its successor on a full file system. */
#define STATE_ROOM    256
#define NAME_TRIES    64
#define LOAD_TRIES    3
#define OWNER_WAIT_MS 2000
#define OWNER_TURN_MS 20

/* ---- the directories ---- */

/* @forbidden: bits of its mode that must not be there */
static bool is_ours(int fd, const char *path, mode_t forbidden)
{
	struct stat st;

	if (fstat(fd, &st)) {
		(void)log_errno(errno, "%s", path);
		return false;
	}
	if (st.st_uid == geteuid() && !(st.st_mode & forbidden))
		return true;
	log_error("%s: %s (set XDG_RUNTIME_DIR to a directory of yours)", path,
		  st.st_uid == geteuid() ? "is open to others"
					 : "belongs to another user");
	return false;
}

static int open_dir(int at, const char *name, const char *path, int *out)
{
	int fd = openat(at, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return log_errno(errno, "%s", path);
	*out = fd;
	return 0;
}

/* mkdir, or it is there already; then open it, if it is ours alone. */
static int make_dir(int at, const char *name, const char *path, int *out)
{
	int rc;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return log_errno(errno, "%s: can't be made", path);
	rc = open_dir(at, name, path, out);
	if (!rc && !is_ours(*out, path, 077)) {
		fd_drop(out);
		rc = -EPERM;
	}
	return rc;
}

const char *state_runtime_dir(char own[STATE_DIR_TEXT])
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (dir && *dir == '/')
		return dir;
	(void)snprintf(own, STATE_DIR_TEXT, "/tmp/podsplice-%u", geteuid());
	return own;
}

/* @path: set to where it is */
static int open_root(char path[PATH_MAX], int *out)
{
	char own[STATE_DIR_TEXT];
	const char *runtime = state_runtime_dir(own);
	scoped_fd parent = -1;

	if (runtime == own) {
		(void)snprintf(path, PATH_MAX, "%s", own);
		return make_dir(AT_FDCWD, path, path, out);
	}
	if (snprintf(path, PATH_MAX, "%s/podsplice", runtime) >= PATH_MAX)
		return log_errno(ENAMETOOLONG, "XDG_RUNTIME_DIR");
	parent = open(runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return log_errno(errno, "XDG_RUNTIME_DIR %s", runtime);
	/* the superuser could write to another user's, and must not */
	if (!is_ours(parent, runtime, 022))
		return -EPERM;
	return make_dir(parent, "podsplice", path, out);
}

int state_open(struct state *s)
{
	char path[PATH_MAX], containers[PATH_MAX + sizeof("/containers")];
	scoped_fd root = -1;
	int rc;

	*s = (struct state)STATE_NULL;
	rc = open_root(path, &root);
	if (rc)
		return rc;
	(void)snprintf(containers, sizeof(containers), "%s/containers", path);
	return make_dir(root, "containers", containers, &s->containers);
}

int state_path(const char *name, char out[PATH_MAX])
{
	char own[STATE_DIR_TEXT];
	const char *runtime = state_runtime_dir(own);
	int n = snprintf(out, PATH_MAX, "%s%s/containers/%s", runtime,
			 runtime == own ? "" : "/podsplice", name);

	return n < PATH_MAX ? 0 : log_errno(ENAMETOOLONG, "XDG_RUNTIME_DIR");
}

void state_close(struct state *s)
{
	fd_drop(&s->containers);
}

bool state_name_ok(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char later[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

	return name[0] && strchr(first, name[0]) &&
	       strspn(name, later) == strlen(name) &&
	       strlen(name) <= STATE_NAME_MAX;
}

/* ---- processes ---- */

int state_proc_of(pid_t pid, struct state_proc *out)
{
	char path[32], buf[1024];
	const char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (fd_read_text(path, buf, sizeof(buf)) <= 0)
		return -ESRCH;
	/* the second field is a name, in which anything may be */
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	*out = (struct state_proc){ pid, strtoull(p + 1, NULL, 10) };
	return 0;
}

int state_pidfd(const struct state_proc *p)
{
	struct state_proc now;
	scoped_fd fd = p->pid > 0 ? pidfd_open(p->pid, 0) : -1;

	/* what has the number while we hold the descriptor keeps it */
	if (fd < 0 || state_proc_of(p->pid, &now) ||
	    now.start_ticks != p->start_ticks)
		return -ESRCH;
	return fd_take(&fd);
}

int64_t state_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the lock ---- */

static struct flock whole(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* Has the record in @dir an owner? Return: 1, 0, or -errno; not logged */
static int is_owned(int dir)
{
	struct flock lock = whole();
	scoped_fd fd = openat(dir, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &lock))
		return -errno;
	return lock.l_type != F_UNLCK;
}

/*
 * @flags: 0 or O_CREAT
 * Return: 0, -EBUSY, -ENOENT, or -errno; not logged
 */
static int lock_take(int dir, int flags, int *out)
{
	struct flock lock = whole();
	struct stat st;
	scoped_fd fd = openat(dir, LOCK,
			      flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock))
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	/* who held it before may have removed it */
	if (fstat(fd, &st) || !st.st_nlink)
		return -ENOENT;
	*out = fd_take(&fd);
	return 0;
}

void state_release(struct state_own *own)
{
	fd_drop(&own->dir);
	fd_drop(&own->lock);
}

/* ---- removing ---- */

/* All files, the lock last: without it nobody can own what is left. */
static void empty_dir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_drop(&fd);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, LOCK) != 0 && strcmp(e->d_name, ".") != 0)
			(void)unlinkat(dir, e->d_name, 0); /* ".." fails */
	(void)closedir(d);
	(void)unlinkat(dir, LOCK, 0);
}

void state_new_id(char out[STATE_ID_TEXT])
{
	uint64_t r = 0;

	(void)!getrandom(&r, sizeof(r), 0); /* can't fail for 8 bytes */
	(void)snprintf(out, STATE_ID_TEXT, "%016llx", (unsigned long long)r);
}

/* A name that nobody can ask for. */
static void private_name(char *buf, size_t cap)
{
	char id[STATE_ID_TEXT];

	state_new_id(id);
	(void)snprintf(buf, cap, ".%s", id);
}

void state_remove(struct state_own *own)
{
	char gone[32];

	private_name(gone, sizeof(gone));
	/* what goes wrong here leaves something for the next to come by */
	if (own->name[0] == '.' ||
	    renameat2(own->containers, own->name, own->containers, gone,
		      RENAME_NOREPLACE))
		(void)snprintf(gone, sizeof(gone), "%.31s", own->name);
	empty_dir(own->dir);
	(void)unlinkat(own->containers, gone, AT_REMOVEDIR);
	state_release(own);
}

/* Own what is in @dir, if that is still what is called @name. Not logged. */
static int take_dir(int containers, const char *name, int dir,
		    struct state_own *out)
{
	struct stat ours, now;
	int rc;

	*out = (struct state_own)STATE_OWN_NULL;
	rc = lock_take(dir, 0, &out->lock);
	if (rc)
		return rc;
	if (fstat(dir, &ours) ||
	    fstatat(containers, name, &now, AT_SYMLINK_NOFOLLOW) ||
	    ours.st_ino != now.st_ino || ours.st_dev != now.st_dev) {
		fd_drop(&out->lock);
		return -ENOENT;
	}
	out->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (out->dir < 0) {
		rc = -errno;
		fd_drop(&out->lock);
		return rc;
	}
	out->containers = containers;
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	return 0;
}

/* Nothing of it lives, and it was not to stay: remove it, unless others do. */
static void sweep(int containers, const char *name, int dir)
{
	struct state_own own;
	int rc = take_dir(containers, name, dir, &own);

	if (!rc)
		state_remove(&own);
	else if (rc == -ENOENT)
		/* broken off before it had a lock or after: empty, or it stays
		 */
		(void)unlinkat(containers, name, AT_REMOVEDIR);
}

/* ---- reading ---- */

void state_drop(struct state_record *rec)
{
	fd_drop(&rec->dir);
	json_decref(rec->command);
	json_decref(rec->ports);
	rec->command = rec->ports = NULL;
}

/*
 * Return: 0 with *out NULL when there is none, or when it can't be understood
 * (then @damaged), or -errno; not logged
 */
static int load(int dir, json_t **out, bool *damaged)
{
	scoped_fd fd = openat(dir, STATE,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*out = NULL;
	*damaged = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* it may just be overwritten, which takes no time */
	for (int i = 0; i < LOAD_TRIES && !*out; i++)
		if (lseek(fd, 0, SEEK_SET) == 0)
			*out = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);
	*damaged = !*out;
	return 0;
}

static int64_t number_at(const json_t *doc, const char *key, int64_t missing)
{
	const json_t *v = json_object_get(doc, key);

	return json_is_integer(v) ? json_integer_value(v) : missing;
}

static struct state_proc proc_at(const json_t *doc, const char *key)
{
	const json_t *v = json_object_get(doc, key);

	return (struct state_proc){
		.pid = (pid_t)number_at(v, "pid", 0),
		.start_ticks = (uint64_t)number_at(v, "start_ticks", 0),
	};
}

static void text_at(const json_t *doc, const char *key, char *buf, size_t cap)
{
	const char *s = json_string_value(json_object_get(doc, key));

	(void)snprintf(buf, cap, "%s", s ? s : "");
}

static void parse(const json_t *doc, struct state_record *rec)
{
	if (json_is_true(json_object_get(doc, "is_pod")))
		rec->kind = STATE_POD;
	text_at(doc, "id", rec->id, sizeof(rec->id));
	text_at(doc, "pod", rec->pod, sizeof(rec->pod));
	rec->supervisor = proc_at(doc, "supervisor");
	rec->init = proc_at(doc, "init");
	rec->detached = json_is_true(json_object_get(doc, "detached"));
	rec->remove = json_is_true(json_object_get(doc, "remove"));
	rec->created_ms = number_at(doc, "created_ms", 0);
	rec->started_ms = number_at(doc, "started_ms", 0);
	rec->finished_ms = number_at(doc, "finished_ms", 0);
	rec->exit_code = (int)number_at(doc, "exit_code", -1);
	rec->command = json_incref(json_object_get(doc, "command"));
	rec->ports = json_incref(json_object_get(doc, "ports"));
}

static enum state_phase phase_of(const struct state_record *rec, bool owned)
{
	if (!owned || rec->finished_ms)
		return STATE_EXITED;
	return rec->init.pid ? STATE_RUNNING : STATE_STARTING;
}

/* Fill @rec from @dir. Return: 1: nobody needs it any more, 0, or -errno */
static int read_dir(int dir, struct state_record *rec)
{
	int owned = is_owned(dir);
	bool damaged;
	json_t *doc;
	int rc = owned < 0 ? owned : load(dir, &doc, &damaged);

	if (rc)
		return rc;
	parse(doc, rec);
	json_decref(doc);
	rec->phase = phase_of(rec, owned);
	/* what can't be understood is for the user to remove */
	return !owned && !damaged &&
	       (!rec->detached || rec->remove || !rec->started_ms);
}

/* Return: 0, -ENOENT (there is none, or no more), or -errno; not logged */
static int read_record(int containers, const char *name,
		       struct state_record *rec)
{
	scoped_fd dir = openat(containers, name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	*rec = (struct state_record){ .dir = -1 };
	if (dir < 0)
		return -errno;
	rc = read_dir(dir, rec);
	if (rc == 1)
		sweep(containers, name, dir);
	/* what begins with a dot has no name yet, or no more */
	if (rc || name[0] == '.') {
		state_drop(rec);
		return rc < 0 ? rc : -ENOENT;
	}
	(void)snprintf(rec->name, sizeof(rec->name), "%s", name);
	rec->dir = fd_take(&dir);
	return 0;
}

int state_find(const struct state *s, const char *name,
	       struct state_record *rec)
{
	int rc = -ENOENT;

	*rec = (struct state_record){ .dir = -1 };
	if (state_name_ok(name))
		rc = read_record(s->containers, name, rec);
	return rc && rc != -ENOENT ? log_errno(-rc, "%s", name) : rc;
}

/* What isn't a directory isn't ours: leave it alone. */
static int each_one(const struct state *s, const char *name,
		    int (*fn)(void *arg, struct state_record *rec), void *arg)
{
	struct state_record rec;
	int rc = read_record(s->containers, name, &rec);

	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP)
		return 0;
	if (rc)
		return log_errno(-rc, "%s", name);
	rc = fn(arg, &rec);
	state_drop(&rec);
	return rc;
}

int state_each(const struct state *s,
	       int (*fn)(void *arg, struct state_record *rec), void *arg)
{
	const struct dirent *e;
	int fd = -1;
	int rc = open_dir(s->containers, ".", "containers", &fd);
	DIR *d = rc ? NULL : fdopendir(fd);

	if (!d) {
		fd_drop(&fd);
		return rc ? rc : log_errno(ENOMEM, "containers");
	}
	while (!rc && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each_one(s, e->d_name, fn, arg);
	(void)closedir(d);
	return rc;
}

/* ---- writing ---- */

static json_t *proc_json(const struct state_proc *p)
{
	return p->pid ? json_pack("{s:i, s:I}", "pid", (int)p->pid,
				  "start_ticks", (json_int_t)p->start_ticks)
		      : json_null();
}

/* The text to save, with spare room behind it; Return: it, or NULL */
static char *make_text(const struct state_record *rec, size_t *len)
{
	json_t *doc = json_pack(
		"{s:i, s:b, s:s, s:s, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:i, s:O*, s:O*}",
		"schema", 1, "is_pod", rec->kind == STATE_POD, "id", rec->id,
		"pod", rec->pod, "supervisor", proc_json(&rec->supervisor),
		"init", proc_json(&rec->init), "detached", rec->detached,
		"remove", rec->remove, "created_ms",
		(json_int_t)rec->created_ms, "started_ms",
		(json_int_t)rec->started_ms, "finished_ms",
		(json_int_t)rec->finished_ms, "exit_code", rec->exit_code,
		"command", rec->command, "ports", rec->ports);
	size_t need = doc ? json_dumpb(doc, NULL, 0, JSON_COMPACT) : 0;
	char *text = need ? malloc(need + STATE_ROOM) : NULL;

	if (text) {
		(void)json_dumpb(doc, text, need, JSON_COMPACT);
		memset(text + need, ' ', STATE_ROOM);
		*len = need + STATE_ROOM;
	}
	json_decref(doc);
	return text;
}

static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n = pwrite(fd, text, len, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int replace(int dir, const char *text, size_t len)
{
	scoped_fd fd = openat(
		dir, STATE_TMP,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, len);
	if (!rc && renameat(dir, STATE_TMP, dir, STATE))
		rc = -errno;
	return rc;
}

/*
 * No room for another file, but for the same again: what was allocated is
 * written over. A reader may see half of it, and then looks again.
 */
static int overwrite(int dir, const char *text, size_t len)
{
	scoped_fd fd = openat(dir, STATE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || len - STATE_ROOM > (size_t)st.st_size)
		return -ENOSPC;
	return write_all(fd, text,
			 len < (size_t)st.st_size ? len : (size_t)st.st_size);
}

int state_save(const struct state_own *own, const struct state_record *rec)
{
	size_t len = 0;
	scoped_free char *text = make_text(rec, &len);
	int rc;

	if (!text)
		return log_errno(ENOMEM, "%s: its state", own->name);
	rc = replace(own->dir, text, len);
	if (rc == -ENOSPC || rc == -EDQUOT) {
		(void)unlinkat(own->dir, STATE_TMP, 0);
		rc = overwrite(own->dir, text, len);
	}
	return rc ? log_errno(-rc, "%s: its state can't be saved", own->name)
		  : 0;
}

/* ---- owning ---- */

/*
 * A record without a name. Somebody who comes by may take it for a leftover
 * before it has its lock, and remove it: then it is made again.
 */
static int make_private(struct state_own *own)
{
	int rc = -ENOENT;

	for (int i = 0; i < NAME_TRIES && rc == -ENOENT; i++) {
		private_name(own->name, sizeof(own->name));
		if (mkdirat(own->containers, own->name, 0700))
			return log_errno(errno, "make a container's directory");
		own->dir = openat(own->containers, own->name,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = own->dir < 0 ? -errno
				  : lock_take(own->dir, O_CREAT, &own->lock);
		if (rc == -EBUSY)
			rc = -ENOENT; /* taken away already */
		if (rc) {
			(void)unlinkat(own->containers, own->name,
				       AT_REMOVEDIR);
			state_release(own);
		}
	}
	return rc ? log_errno(-rc, "a container's directory") : 0;
}

/* Return: 0, -EEXIST or -errno, not logged */
static int call_it(struct state_own *own, const char *name)
{
	if (renameat2(own->containers, own->name, own->containers, name,
		      RENAME_NOREPLACE))
		return -errno;
	(void)snprintf(own->name, sizeof(own->name), "%s", name);
	return 0;
}

static void tell_taken(const struct state_record *rec)
{
	bool pod = rec->kind == STATE_POD;

	if (rec->phase == STATE_EXITED)
		log_error("%s: there is %s of that name (podsplice %s %s)",
			  rec->name,
			  pod ? "a stopped pod" : "an ended container",
			  pod ? "pod rm" : "rm", rec->name);
	else
		log_error("%s: a %s of that name is running (take another "
			  "name)",
			  rec->name, pod ? "pod" : "container");
}

static int call_as_told(struct state_own *own, const char *name)
{
	struct state_record rec;
	int rc = -EEXIST;

	for (int i = 0; i < NAME_TRIES && rc == -EEXIST; i++) {
		rc = call_it(own, name);
		if (rc != -EEXIST || read_record(own->containers, name, &rec))
			continue; /* a leftover, which is gone now */
		tell_taken(&rec);
		state_drop(&rec);
		return rc;
	}
	return rc ? log_errno(-rc, "%s", name) : 0;
}

static int call_somehow(struct state_own *own)
{
	char name[STATE_NAME_MAX + 1];
	int rc = -EEXIST;

	for (unsigned int i = 0; i < NAME_TRIES && rc == -EEXIST; i++) {
		names_make(name, sizeof(name), i);
		rc = call_it(own, name);
	}
	return rc ? log_errno(-rc, "a container's name") : 0;
}

int state_create(const struct state *s, const char *name,
		 const struct state_record *rec, struct state_own *out)
{
	int rc;

	*out = (struct state_own)STATE_OWN_NULL;
	out->containers = s->containers;
	rc = make_private(out);
	if (rc)
		return rc;
	rc = state_save(out, rec);
	if (!rc)
		rc = name ? call_as_told(out, name) : call_somehow(out);
	if (rc)
		state_remove(out);
	return rc;
}

/*
 * Nothing of it runs, but somebody owns it: its supervisor, which will be gone
 * in a moment, or a verb that is about to be done. Wait a little.
 */
static void wait_for_owner(const struct state_record *rec)
{
	scoped_fd fd = state_pidfd(&rec->supervisor);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* poll() passes over a negative descriptor */
	(void)poll(&p, 1, OWNER_TURN_MS);
}

int state_take(const struct state *s, const char *name, struct state_own *out)
{
	struct mono end = mono_add(mono_now(), mono_ms(OWNER_WAIT_MS));
	struct state_record rec;
	int rc = -EBUSY;
	bool again = true;

	*out = (struct state_own)STATE_OWN_NULL;
	while (rc == -EBUSY && again) {
		rc = state_find(s, name, &rec);
		if (rc)
			return rc;
		rc = take_dir(s->containers, name, rec.dir, out);
		again = rc == -EBUSY && rec.phase == STATE_EXITED &&
			mono_before(mono_now(), end);
		if (again)
			wait_for_owner(&rec);
		state_drop(&rec);
	}
	if (rc && rc != -EBUSY && rc != -ENOENT)
		return log_errno(-rc, "%s", name);
	return rc;
}
