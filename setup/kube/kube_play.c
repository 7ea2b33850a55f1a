// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything is made by the words a user would have typed, each in a process of
 * its own: run_main() returns twice, and takes the process for granted.
 *
 * Signals that end us are blocked until all is made or undone, and noticed
 * while somebody works for us. An init container is told to end then: a
 * terminal has told it already. The others are soon done, and never broken off:
 * of what is half made nobody knows whether it is ours, or is still to come.
 */
#include "setup/kube/kube_play.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/cli/config_pod.h"
#include "setup/cli/config_run.h"
#include "setup/cli/lookup.h"
#include "setup/cli/pods.h"
#include "setup/cli/run.h"
#include "setup/kube/kube_words.h"
#include "setup/pod/volumes.h"
#include "setup/state/scratch.h"

struct play {
	const struct kube_images *images;
	sigset_t mask; /* as it was */
	int signals;
	bool told; /* to stop */
};

/* ---- a step, in a process of its own ---- */

enum step { STEP_POD, STEP_INIT, STEP_CONTAINER };

static _Noreturn void step_main(const struct play *p, enum step step,
				const struct kube_texts *words)
{
	struct run_config cfg;
	int rc;

	/* stdout is for our result */
	if (step == STEP_INIT && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(EXIT_OURS);
	if (step == STEP_INIT) /* can't fail */
		(void)sigprocmask(SIG_SETMASK, &p->mask, NULL);
	rc = step == STEP_POD ? config_pod_parse(&cfg, words->all)
			      : config_run_parse(&cfg, words->all);
	if (rc)
		_exit(EXIT_OURS);
	cfg.silent = true;
	_exit(run_main(&cfg));
}

static void take_signal(struct play *p, enum step step, int pidfd)
{
	struct signalfd_siginfo si;

	if (read(p->signals, &si, sizeof(si)) != sizeof(si))
		return;
	p->told = true;
	/* ESRCH: it has ended */
	if (step == STEP_INIT && si.ssi_code != SI_KERNEL)
		(void)pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
}

/* Return: its exit status, or -errno, logged */
static int wait_step(struct play *p, enum step step, pid_t pid)
{
	scoped_fd pidfd = pidfd_open(pid, 0);
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
				{ .fd = p->signals, .events = POLLIN } };
	int status = 0;

	while (pidfd >= 0 && !fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[1].revents)
			take_signal(p, step, pidfd);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(errno, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* @words: released. Return: as wait_step() */
static int run_step(struct play *p, enum step step, struct kube_texts *words)
{
	pid_t pid;
	int rc;

	(void)fflush(stdout); /* not twice */
	pid = fork();
	if (pid == 0)
		step_main(p, step, words);
	rc = pid < 0 ? log_errno(errno, "fork") : wait_step(p, step, pid);
	kube_texts_drop(words);
	return rc;
}

/* ---- what a pod needs of this machine ---- */

static const char *dir_of(const struct kube_images *images, const char *image)
{
	size_t len = strlen(image);

	for (size_t i = 0; i < images->n; i++)
		if (strncmp(images->all[i], image, len) == 0 &&
		    images->all[i][len] == '=')
			return images->all[i] + len + 1;
	return NULL;
}

/*
 * @out: set to the root of @c, NULL: the user's files
 * Return: 0 or -ENOENT, logged
 */
static int find_rootfs(const struct play *p, const struct kube_pod *pod,
		       const struct kube_container *c, const char **out)
{
	*out = c->image ? dir_of(p->images, c->image) : NULL;
	if (!c->image || *out)
		return 0;
	if (c->image[0] == '/') {
		*out = c->image;
		return 0;
	}
	log_error("%s-%s: image %s: in which directory? (--image %s=DIR)",
		  pod->name, c->name, c->image, c->image);
	return -ENOENT;
}

static int check_images(const struct play *p, const struct kube_pod *pod)
{
	const char *rootfs;
	int rc = 0;

	for (size_t i = 0; i < pod->n_init && !rc; i++)
		rc = find_rootfs(p, pod, &pod->init[i], &rootfs);
	for (size_t i = 0; i < pod->n_containers && !rc; i++)
		rc = find_rootfs(p, pod, &pod->containers[i], &rootfs);
	return rc;
}

/* Return: 0 or -errno */
static int make_path(const struct kube_volume *v)
{
	int fd;

	if (v->type == KUBE_PATH_DIR_OR_MAKE) {
		int rc = make_parents(v->path);

		return rc || !mkdir(v->path, 0755) || errno == EEXIST ? rc
								      : -errno;
	}
	if (v->type != KUBE_PATH_FILE_OR_MAKE)
		return 0;
	fd = open(v->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	fd_drop(&fd);
	return 0;
}

/* What is at the path of a volume is of the sort that the file says. */
static int check_path(const struct kube_pod *pod, const struct kube_volume *v)
{
	static const mode_t sorts[KUBE_PATH_N] = {
		[KUBE_PATH_DIR] = S_IFDIR,
		[KUBE_PATH_DIR_OR_MAKE] = S_IFDIR,
		[KUBE_PATH_FILE] = S_IFREG,
		[KUBE_PATH_FILE_OR_MAKE] = S_IFREG,
		[KUBE_PATH_SOCKET] = S_IFSOCK,
	};
	struct stat st;
	int rc;

	if (!v->path)
		return 0;
	rc = make_path(v);
	if (!rc && stat(v->path, &st))
		rc = -errno;
	if (rc)
		return log_errno(-rc, "%s: volume %s: %s", pod->name, v->name,
				 v->path);
	if (!sorts[v->type] || (st.st_mode & S_IFMT) == sorts[v->type])
		return 0;
	log_error("%s: volume %s: %s: is no %s", pod->name, v->name, v->path,
		  kube_path_words[v->type]);
	return -EINVAL;
}

/* ---- one pod ---- */

/* Return: 0 or -errno, logged */
static int make_scratch(const struct kube_pod *pod)
{
	struct state_record rec;
	int rc = lookup_find(pod->name, STATE_POD, &rec);

	if (rc)
		return rc;
	for (size_t i = 0; i < pod->n_volumes && !rc; i++)
		if (!pod->volumes[i].path)
			rc = scratch_make(rec.dir, pod->volumes[i].name);
	state_drop(&rec);
	return rc;
}

static int start(struct play *p, const struct kube_pod *pod,
		 const struct kube_container *c, bool init)
{
	struct kube_place place = { .init = init };
	struct kube_texts words = { 0 };
	char scratch[PATH_MAX];
	int rc = find_rootfs(p, pod, c, &place.rootfs);

	place.scratch = scratch;
	if (!rc)
		rc = scratch_path(pod->name, "", scratch);
	if (!rc)
		rc = kube_words_run(&words, pod, c, &place);
	if (rc) {
		kube_texts_drop(&words);
		return rc;
	}
	rc = run_step(p, init ? STEP_INIT : STEP_CONTAINER, &words);
	if (p->told)
		return -EINTR;
	if (rc > 0 && init)
		log_error("%s-%s: has ended with %d, so the pod isn't started",
			  pod->name, c->name, rc);
	return rc > 0 ? -EIO : rc;
}

static int start_all(struct play *p, const struct kube_pod *pod)
{
	int rc = make_scratch(pod);

	for (size_t i = 0; i < pod->n_init && !rc; i++)
		rc = start(p, pod, &pod->init[i], true);
	for (size_t i = 0; i < pod->n_containers && !rc; i++)
		rc = start(p, pod, &pod->containers[i], false);
	return rc;
}

static int play_pod(struct play *p, const struct kube_pod *pod)
{
	struct kube_texts words = { 0 };
	int rc = 0;

	for (size_t i = 0; i < pod->n_volumes && !rc; i++)
		rc = check_path(pod, &pod->volumes[i]);
	if (!rc)
		rc = kube_words_pod(&words, pod);
	if (rc) {
		kube_texts_drop(&words);
		return rc;
	}
	rc = run_step(p, STEP_POD, &words);
	if (rc)
		return p->told ? -EINTR : -EIO;
	rc = p->told ? -EINTR : start_all(p, pod);
	if (rc)
		(void)pods_remove(pod->name, true); /* logged */
	return rc;
}

/* ---- all of them ---- */

static int watch_signals(struct play *p)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, &p->mask))
		return log_errno(errno, "sigprocmask");
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return p->signals < 0 ? log_errno(errno, "signalfd") : 0;
}

static void undo(const struct kube_pod *pods, size_t n)
{
	while (n-- > 0)
		(void)pods_remove(pods[n].name, true); /* logged */
}

int kube_play(const struct kube_file *file, const struct kube_images *images)
{
	struct play p = { .images = images, .signals = -1 };
	int rc = watch_signals(&p);
	size_t n = 0;

	if (rc)
		return rc;
	for (size_t i = 0; i < file->n_pods && !rc; i++)
		rc = check_images(&p, &file->pods[i]);
	while (n < file->n_pods && !rc) {
		rc = play_pod(&p, &file->pods[n]);
		n += !rc;
	}
	if (rc == -EINTR)
		log_error("%s: told to stop, so nothing is kept",
			  file->pods[n].name);
	if (rc)
		undo(file->pods, n);
	fd_drop(&p.signals);
	(void)sigprocmask(SIG_SETMASK, &p.mask, NULL); /* can't fail */
	return rc;
}

int kube_down(const struct kube_texts *names)
{
	int rc = 0;

	for (size_t i = names->n; i-- > 0;)
		if (pods_remove(names->all[i], true))
			rc = -EIO;
	return rc;
}
