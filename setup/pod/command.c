// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The child of pid 1 that becomes the command. Errors before execve(2) are
 * written to the user's stderr, not to the pty: a copy of that descriptor is
 * kept until execution. The pipe closes by execution, which is how pid 1, and
 * then the front, learns that the command runs; until then the front leaves
 * the terminal in its normal mode, so such errors print as they should.
 *
 * Without a pty the command leads a process group in pid 1's session. Were it
 * a session leader its group would be orphaned, and the kernel discards
 * SIGTSTP for such: ^Z would do nothing.
 */
#include "setup/pod/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/base/path.h"
#include "setup/base/sys_mount.h"
#include "setup/bundle/bundle.h"
#include "setup/pod/caps.h"
#include "setup/pod/env.h"
#include "setup/pod/identity.h"
#include "setup/pod/log_here.h"

/* After this: the child is in its own session or process group. */
static int stage_1_session(const struct command *c)
{
	if (c->slave < 0)
		return setpgid(0, 0) ? log_errno(errno, "setpgid") : 0;
	if (setsid() < 0)
		return log_errno(errno, "setsid");
	if (ioctl(c->slave, TIOCSCTTY, 0))
		return log_errno(errno, "controlling terminal");
	return 0;
}

static int redirect(int fd, int to)
{
	return dup2(fd, to) < 0 ? log_errno(errno, "dup2") : 0;
}

/* After this: 0, 1, 2 are the command's. */
static int stage_2_stdio(const struct command *c)
{
	scoped_fd null = -1;
	int rc = 0;

	if (c->slave >= 0) {
		for (int fd = 0; fd < 3 && !rc; fd++)
			rc = redirect(c->slave, fd);
		return rc;
	}
	for (int i = 0; i < 2 && !rc; i++)
		if (c->cfg->output[i] >= 0)
			rc = redirect(c->cfg->output[i], STDOUT_FILENO + i);
	if (rc || c->cfg->run->interactive)
		return rc;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return log_errno(errno, "open /dev/null");
	return null == 0 ? 0 : redirect(null, 0);
}

/* After this: signals, limits and umask are what a command may expect. */
static int stage_3_process(const struct command *c)
{
	sigset_t none;

	/* fails for SIGKILL, SIGSTOP and libc's own: as it should */
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		return log_errno(errno, "sigprocmask");
	if (setrlimit(RLIMIT_NOFILE, &c->cfg->nofile))
		return log_errno(errno, "restore the limit of descriptors");
	(void)umask(c->umask);
	return 0;
}

/* Who -u says it is; else user 0, and with the user's files also in groups */
static int find_identity(const struct command *c, struct identity *id)
{
	const char *user = c->cfg->run->user;

	if (user)
		return identity_find(id, user, "/etc/passwd", "/etc/group");
	*id = (struct identity){ 0 };
	return 0;
}

/* The terminal is its user's: programs open it by name. */
static void give_terminal(const struct command *c, uid_t uid)
{
	if (c->slave >= 0 && uid && fchown(STDIN_FILENO, uid, (gid_t)-1))
		log_debug("terminal for user %u: %s", uid, strerror(errno));
}

/*
 * After this: the command's user and groups, its capabilities, no_new_privs.
 * Must not yet: anything that needs more, the sessions' keyring among it.
 */
static int stage_4_privilege(const struct command *c, const struct identity *id)
{
	const struct run_config *run = c->cfg->run;
	uint64_t set = caps_choose(&run->caps);
	/* with the user's files, the user's groups stay of use */
	bool groups = c->cfg->may_setgroups && (run->rootfs || run->user);
	int rc = caps_bound(set);

	if (rc)
		return rc;
	give_terminal(c, id->uid);
	rc = identity_assume(id, run->caps.add, groups);
	if (rc)
		return rc;
	/* a full key quota: the command then keeps the caller's, as it would
	 * outside */
	(void)sys_session_keyring();
	return caps_command(&run->caps, set, id->uid == 0);
}

/*
 * execvp() also says EACCES when a directory of PATH can't be searched. Is
 * there a file of that name at all?
 */
static bool in_path(const char *cmd)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];
	struct stat st;

	while (path_next(&path, cmd, file))
		if (stat(file, &st) == 0)
			return true;
	return false;
}

static int exec_failed(const char *cmd, int err)
{
	struct stat st;

	if (err == EACCES && !strchr(cmd, '/') && !in_path(cmd))
		err = ENOENT;
	if (err == ENOENT && strchr(cmd, '/') && stat(cmd, &st) == 0) {
		log_error("%s: its interpreter or loader is not there", cmd);
		return COMMAND_NOT_FOUND;
	}
	if (err == ENOENT || err == ENOTDIR) {
		log_error("%s: not found", cmd);
		return COMMAND_NOT_FOUND;
	}
	if (err == EACCES && strchr(cmd, '/') && stat(cmd, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		log_error("%s: is a directory", cmd);
	else if (err == EACCES)
		log_error("%s: permission denied", cmd);
	else
		(void)log_errno(err, "%s", cmd);
	return COMMAND_NOT_EXECUTABLE;
}

static int become(const struct command *c)
{
	const struct run_config *run = c->cfg->run;
	struct identity id;
	char **env;

	if (find_identity(c, &id))
		return EXIT_OURS;
	env = env_command(run, run->user ? id.home : NULL);
	if (!env) {
		(void)log_errno(ENOMEM, "environment");
		return EXIT_OURS;
	}
	if (stage_1_session(c) || stage_2_stdio(c) || stage_3_process(c) ||
	    stage_4_privilege(c, &id))
		return EXIT_OURS;
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)) {
		(void)log_errno(errno, "close_range");
		return EXIT_OURS;
	}
	/* execvp() searches the PATH of environ */
	environ = env;
	(void)execvp(run->argv[0], run->argv);
	return exec_failed(run->argv[0], errno);
}

/* The container's variables, then those of exec: a later one replaces. */
static int join_env(struct run_config *run, char *const *add, size_t n)
{
	const char **all = calloc(run->n_env + n + 1, sizeof(*all));

	if (!all)
		return log_errno(ENOMEM, "environment");
	for (size_t i = 0; i < run->n_env; i++)
		all[i] = run->env[i];
	for (size_t i = 0; i < n; i++)
		all[run->n_env + i] = add[i];
	run->env = all;
	run->n_env += n;
	return 0;
}

/* Two lists of words, each with a NULL behind it. Return: is @text that? */
static bool cut_words(const struct runner_exec *what, char *text, size_t len,
		      char **list)
{
	size_t n = 2 + (size_t)what->n_args + what->n_env, at = 0;

	if (text[len - 1])
		return false;
	for (size_t i = 0; i < n; i++) {
		if (at >= len)
			return false;
		list[i + (i >= 2 + what->n_args)] = text + at;
		at += strlen(text + at) + 1;
	}
	return true;
}

/*
 * In the child: who is short of memory then, is alone. What is allocated lives
 * until execution.
 */
static int read_words(const struct command_words *w, struct run_config *run)
{
	size_t n = 2 + (size_t)w->what.n_args + w->what.n_env, len;
	char *text, **list, **env;
	struct stat st;

	if (fstat(w->file, &st))
		return log_errno(errno, "exec: its words");
	len = (size_t)st.st_size;
	if (!S_ISREG(st.st_mode) || !w->what.n_args || n > len)
		return log_errno(EPROTO, "exec: its words");
	text = malloc(len);
	list = calloc(n + 2, sizeof(*list));
	if (!text || !list || pread(w->file, text, len, 0) != (ssize_t)len ||
	    !cut_words(&w->what, text, len, list)) {
		int rc = log_errno(text && list ? EPROTO : ENOMEM,
				   "exec: its words");

		free(text);
		free(list);
		return rc;
	}
	if (list[0][0])
		run->user = list[0];
	run->workdir = list[1][0] ? list[1] : NULL;
	run->argv = list + 2;
	env = list + 3 + w->what.n_args;
	return run->bundle ? bundle_exec(run, env, w->what.n_env)
			   : join_env(run, env, w->what.n_env);
}

/* After this: 0, 1, 2 are those of the verb, and so is what is logged. */
static int become_other(const struct command *c)
{
	struct run_config run = *c->cfg->run;
	struct runner_config cfg = *c->cfg;
	struct command other = *c;

	cfg.run = &run;
	/* pid 1 has closed them */
	cfg.output[0] = cfg.output[1] = -1;
	other.cfg = &cfg;
	run.tty = c->words->what.tty;
	run.interactive = c->words->what.interactive;
	if (read_words(c->words, &run) || caps_raise())
		return EXIT_OURS;
	if (run.workdir && chdir(run.workdir)) {
		(void)log_errno(errno, "workdir %s", run.workdir);
		return EXIT_OURS;
	}
	return become(&other);
}

static _Noreturn void child(const struct command *c, int pipe_fd)
{
	int status = EXIT_OURS;
	int err_fd;

	for (int i = 0; i < 3 && c->words; i++)
		if (redirect(c->words->stdio[i], i))
			_exit(status);
	err_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (err_fd >= 0)
		log_here(err_fd);
	status = c->words ? become_other(c) : become(c);
	/* the pipe can't be full, and pid 1 not gone */
	(void)!write(pipe_fd, "", 1);
	_exit(status);
}

int command_start(const struct command *c, pid_t *out, int *started)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return log_errno(errno, "pipe");
	pid = fork();
	if (pid == 0)
		child(c, fds[1]);
	fd_drop(&fds[1]);
	if (pid < 0) {
		int rc = log_errno(errno, "fork");

		fd_drop(&fds[0]);
		return rc;
	}
	/* also by the parent: a signal for the group may come at once */
	if (c->slave < 0)
		(void)setpgid(pid, pid);
	*out = pid;
	*started = fds[0];
	return 0;
}
