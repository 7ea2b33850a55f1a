// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * LD_PRELOADed into podsplice: fails one call at one place, once.
 *
 * A place is the call's return address and those of the two functions of the
 * program's own around it, since socket() in libnl, or sendmsg() in a wrapper
 * of ours, says nothing by itself; and the place where the process was forked,
 * so that the same code in another process is another place. Addresses are
 * offsets, the same in every run. The shim counts how often each is reached;
 * faults.py reads that, chooses one, and arms it.
 *
 * It makes no system call but the wrapped one and gets no memory: it works
 * wherever podsplice goes, behind any seccomp list.
 *
 * What glibc calls inside itself isn't seen.
 */
#undef _FILE_OFFSET_BITS /* both open() and open64() are defined here */
#undef _FORTIFY_SOURCE
#include "tests/faults/shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <unwind.h>

#define DEPTH_MAX 16

static struct shim_page *page; /* NULL: nothing is counted or failed */
static uint64_t lineage;       /* the place where this process was forked */

__attribute__((constructor)) static void shim_begin(void)
{
	const char *path = getenv("FAULTS_PAGE");
	void *map;
	int fd;

	/* what podsplice executes inherits the environment, too */
	if (!path || strcmp(program_invocation_short_name, "podsplice") != 0)
		return;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (map == MAP_FAILED) {
		perror(path);
		_exit(99);
	}
	close(fd);
	page = map;
}

/* ---- where are we? ---- */

struct walk {
	struct shim_site *at;
	const struct link_map *self;
	int n, depth;
};

static const struct link_map *object_of(const void *pc)
{
	struct dl_find_object found;

	return _dl_find_object((void *)(uintptr_t)pc, &found)
		       ? NULL
		       : found.dlfo_link_map;
}

static void name_object(char *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	strncpy(out, slash ? slash + 1 : path, SHIM_NAME - 1);
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *ctx, void *arg)
{
	struct walk *w = arg;
	uintptr_t pc = _Unwind_GetIP(ctx);
	const struct link_map *map = object_of((void *)pc);
	bool program = map && map->l_name[0] == '\0';

	if (++w->depth > DEPTH_MAX || !map)
		return _URC_END_OF_STACK;
	if (map == w->self || (w->n > 0 && !program))
		return _URC_NO_REASON;
	w->at->frames[w->n] = pc - map->l_addr;
	if (w->n == 0)
		name_object(w->at->object, map->l_name);
	return ++w->n < SHIM_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* FNV-1a */
static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h;
}

static void locate(struct shim_site *out, const char *call)
{
	struct walk w = { .at = out, .self = object_of((void *)locate) };

	memset(out, 0, sizeof(*out));
	strncpy(out->call, call, SHIM_NAME - 1);
	out->parent = lineage;
	(void)_Unwind_Backtrace(on_frame, &w);
	out->key = mix(UINT64_C(14695981039346656037), out, sizeof(*out)) | 1;
}

/* ---- counting and failing ---- */

static void count(const struct shim_site *here)
{
	for (size_t i = 0; i < SHIM_SITES; i++) {
		struct shim_site *s =
			&page->sites[(here->key + i) & (SHIM_SITES - 1)];
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&s->key, &none, here->key,
						false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST)) {
			s->parent = here->parent;
			memcpy(s->frames, here->frames, sizeof(s->frames));
			memcpy(s->call, here->call, sizeof(s->call));
			memcpy(s->object, here->object, sizeof(s->object));
			none = here->key;
		}
		if (none == here->key) {
			__atomic_add_fetch(&s->hits, 1, __ATOMIC_SEQ_CST);
			return;
		}
	}
	__atomic_add_fetch(&page->overrun, 1, __ATOMIC_SEQ_CST);
}

/* Is this the call to fail? */
static bool its_turn(uint64_t key)
{
	if (__atomic_load_n(&page->armed, __ATOMIC_SEQ_CST) != key)
		return false;
	if (__atomic_load_n(&page->skip, __ATOMIC_SEQ_CST) > 0) {
		__atomic_sub_fetch(&page->skip, 1, __ATOMIC_SEQ_CST);
		return false;
	}
	/* of two processes at this place one gets it */
	return __atomic_compare_exchange_n(&page->armed, &key, 0, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Return: the errno to fail this call with, or 0; the place in @key */
static int fault_at(const char *call, uint64_t *key)
{
	struct shim_site here;
	int saved = errno;

	if (!page)
		return 0;
	locate(&here, call);
	errno = saved;
	*key = here.key;
	count(&here);
	if (!its_turn(here.key))
		return 0;
	__atomic_add_fetch(&page->fired, 1, __ATOMIC_SEQ_CST);
	return (int)page->err;
}

static bool fault(const char *call)
{
	uint64_t key;
	int err = fault_at(call, &key);

	if (err)
		errno = err;
	return err != 0;
}

/* ---- the calls ---- */

#define NEXT(name)                                                             \
	static __typeof__(name) *next;                                         \
	if (!next)                                                             \
	next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define WRAP_TO(fail, type, name, params, ...)                                 \
	type name params                                                       \
	{                                                                      \
		NEXT(name);                                                    \
		if (fault(#name))                                              \
			return fail;                                           \
		return next(__VA_ARGS__);                                      \
	}
#define WRAP(type, name, params, ...)                                          \
	WRAP_TO(-1, type, name, params, __VA_ARGS__)

WRAP(int, socket, (int domain, int type, int proto), domain, type, proto)
WRAP(int, socketpair, (int d, int type, int proto, int sv[2]), d, type, proto,
     sv)
WRAP(int, connect, (int fd, __CONST_SOCKADDR_ARG sa, socklen_t len), fd, sa,
     len)
WRAP(int, bind, (int fd, __CONST_SOCKADDR_ARG sa, socklen_t len), fd, sa, len)
WRAP(int, listen, (int fd, int backlog), fd, backlog)
WRAP(int, accept, (int fd, __SOCKADDR_ARG sa, socklen_t *len), fd, sa, len)
WRAP(int, accept4, (int fd, __SOCKADDR_ARG sa, socklen_t *len, int flags), fd,
     sa, len, flags)
WRAP(int, getsockname, (int fd, __SOCKADDR_ARG sa, socklen_t *len), fd, sa, len)
WRAP(int, getsockopt, (int fd, int level, int name, void *v, socklen_t *len),
     fd, level, name, v, len)
WRAP(int, setsockopt,
     (int fd, int level, int name, const void *v, socklen_t len), fd, level,
     name, v, len)
WRAP(int, shutdown, (int fd, int how), fd, how)
WRAP(ssize_t, send, (int fd, const void *buf, size_t n, int flags), fd, buf, n,
     flags)
WRAP(ssize_t, sendto,
     (int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG sa,
      socklen_t len),
     fd, buf, n, flags, sa, len)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), fd, m,
     flags)
WRAP(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned int n, int flags), fd,
     m, n, flags)
WRAP(ssize_t, recv, (int fd, void *buf, size_t n, int flags), fd, buf, n, flags)
WRAP(ssize_t, recvfrom,
     (int fd, void *buf, size_t n, int flags, __SOCKADDR_ARG sa,
      socklen_t *len),
     fd, buf, n, flags, sa, len)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), fd, m, flags)
WRAP(int, recvmmsg,
     (int fd, struct mmsghdr *m, unsigned int n, int flags,
      struct timespec *timeout),
     fd, m, n, flags, timeout)
WRAP(ssize_t, splice,
     (int in, off64_t *off_in, int out, off64_t *off_out, size_t n,
      unsigned int flags),
     in, off_in, out, off_out, n, flags)
WRAP(int, pipe2, (int fds[2], int flags), fds, flags)
WRAP(ssize_t, read, (int fd, void *buf, size_t n), fd, buf, n)
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off64_t at), fd, buf, n,
     at)
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), fd, buf, n)
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t at), fd,
     buf, n, at)
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int timeout), fds, n, timeout)
WRAP(int, epoll_create1, (int flags), flags)
WRAP(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *ev), epfd,
     op, fd, ev)
WRAP(int, epoll_wait, (int epfd, struct epoll_event *ev, int n, int timeout),
     epfd, ev, n, timeout)
WRAP(int, signalfd, (int fd, const sigset_t *set, int flags), fd, set, flags)
WRAP(int, timerfd_create, (clockid_t clock, int flags), clock, flags)
WRAP(int, timerfd_settime,
     (int fd, int flags, const struct itimerspec *to, struct itimerspec *old),
     fd, flags, to, old)
WRAP(int, pidfd_open, (pid_t pid, unsigned int flags), pid, flags)
WRAP(int, inotify_init1, (int flags), flags)
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), fd,
     path, mask)
WRAP(int, dup2, (int fd, int as), fd, as)
WRAP(int, dup3, (int fd, int as, int flags), fd, as, flags)
WRAP(int, unshare, (int flags), flags)
WRAP(int, setns, (int fd, int type), fd, type)
WRAP(int, mount,
     (const char *src, const char *target, const char *type,
      unsigned long flags, const void *data),
     src, target, type, flags, data)
WRAP(int, umount2, (const char *target, int flags), target, flags)
WRAP(int, fsopen, (const char *type, unsigned int flags), type, flags)
WRAP(int, fsconfig,
     (int fd, unsigned int cmd, const char *key, const void *value, int aux),
     fd, cmd, key, value, aux)
WRAP(int, fsmount, (int fd, unsigned int flags, unsigned int attrs), fd, flags,
     attrs)
WRAP(int, open_tree, (int dir, const char *path, unsigned int flags), dir, path,
     flags)
WRAP(int, move_mount,
     (int from, const char *from_path, int to, const char *to_path,
      unsigned int flags),
     from, from_path, to, to_path, flags)
WRAP(int, mount_setattr,
     (int dir, const char *path, unsigned int flags, struct mount_attr *attr,
      size_t size),
     dir, path, flags, attr, size)
WRAP(int, mkdir, (const char *path, mode_t mode), path, mode)
WRAP(int, mkdirat, (int dir, const char *path, mode_t mode), dir, path, mode)
WRAP_TO(NULL, FILE *, fopen, (const char *path, const char *mode), path, mode)
WRAP_TO(NULL, FILE *, fopen64, (const char *path, const char *mode), path, mode)
WRAP_TO(NULL, DIR *, opendir, (const char *path), path)

/* With their optional argument, which is passed on whether it is there or not:
 * the calling conventions of Linux allow it. */
#define WRAP_OPTIONAL(name, params, last, ...)                                 \
	int name params                                                        \
	{                                                                      \
		unsigned long arg;                                             \
		va_list ap;                                                    \
		NEXT(name);                                                    \
                                                                               \
		va_start(ap, last);                                            \
		arg = va_arg(ap, unsigned long);                               \
		va_end(ap);                                                    \
		if (fault(#name))                                              \
			return -1;                                             \
		return next(__VA_ARGS__, arg);                                 \
	}

WRAP_OPTIONAL(open, (const char *path, int flags, ...), flags, path, flags)
WRAP_OPTIONAL(open64, (const char *path, int flags, ...), flags, path, flags)
WRAP_OPTIONAL(openat, (int dir, const char *path, int flags, ...), flags, dir,
	      path, flags)
WRAP_OPTIONAL(openat64, (int dir, const char *path, int flags, ...), flags, dir,
	      path, flags)
WRAP_OPTIONAL(fcntl, (int fd, int cmd, ...), cmd, fd, cmd)
WRAP_OPTIONAL(fcntl64, (int fd, int cmd, ...), cmd, fd, cmd)
WRAP_OPTIONAL(ioctl, (int fd, unsigned long req, ...), req, fd, req)

/* What _FORTIFY_SOURCE makes of an open() without a mode. */
int __open64_2(const char *path, int flags);
WRAP(int, __open64_2, (const char *path, int flags), path, flags)

/* It says what failed by its return value. */
int posix_spawnp(pid_t *pid, const char *file,
		 const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[],
		 char *const env[])
{
	uint64_t key;
	int err = fault_at("posix_spawnp", &key);
	NEXT(posix_spawnp);

	return err ? err : next(pid, file, actions, attr, argv, env);
}

/* ---- new processes ---- */

pid_t fork(void)
{
	uint64_t key = 0;
	int err = fault_at("fork", &key);
	pid_t pid;
	NEXT(fork);

	if (err) {
		errno = err;
		return -1;
	}
	pid = next();
	if (pid == 0)
		lineage = key;
	return pid;
}

/* setup/base/sys.c clones by number, and has a few calls without a wrapper. */
long syscall(long number, ...)
{
	long a[6], rc;
	uint64_t key = 0;
	va_list ap;
	int err;
	NEXT(syscall);

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	err = fault_at(number == SYS_clone ? "clone" : "syscall", &key);
	if (err) {
		errno = err;
		return -1;
	}
	rc = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_clone && rc == 0)
		lineage = key;
	return rc;
}

/* ---- memory: what the program itself asks for ---- */

/* glib ends the process when it gets none: that is its way, not ours. */
static bool ours(const void *caller)
{
	const struct link_map *map = page ? object_of(caller) : NULL;

	return map && map->l_name[0] == '\0';
}

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

/* not by dlsym(), which asks for memory itself */
void *malloc(size_t n)
{
	if (ours(__builtin_return_address(0)) && fault("malloc"))
		return NULL;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	if (ours(__builtin_return_address(0)) && fault("calloc"))
		return NULL;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	if (ours(__builtin_return_address(0)) && fault("realloc"))
		return NULL;
	return __libc_realloc(p, n);
}
