// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A runtime tells that the container runs by the file with its pid (it writes
 * that before or after it lets it go, but never when it can't). Without one its
 * exit status, which is 1 then, isn't the container's.
 *
 * Cgroups are no runtime's here: crun is told so, and runc notices that they
 * are read-only (mounts.c).
 */
#include "setup/bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/exit.h"
#include "setup/base/path.h"
#include "setup/bundle/bundle_config.h"
#include "setup/pod/caps.h"
#include "setup/pod/command.h"
#include "setup/state/state.h"

#define CONFIG_MAX (4 << 20)
#define LOG_MAX	   4096
#define ID	   "podsplice" /* it is alone in its state directory */

/* ---- what there is ---- */

/* Return: NULL, logged */
static json_t *read_config(const char *dir)
{
	char path[PATH_MAX + 16];
	json_error_t err;
	struct stat st;
	json_t *config;
	scoped_fd fd = -1;

	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		(void)log_errno(errno, "%.200s", path);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > CONFIG_MAX) {
		log_error("%.200s: %s", path,
			  S_ISREG(st.st_mode) ? "longer than 4 MiB"
					      : "not a file");
		return NULL;
	}
	config = json_loadfd(fd, 0, &err);
	if (!config)
		log_error("%.200s: line %d: %s", path, err.line, err.text);
	return config;
}

static bool is_program(const char *path)
{
	struct stat st;

	return access(path, X_OK) == 0 && stat(path, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

/* On PATH, and where distributions put what they think is root's only. */
static char *find_program(const char *name)
{
	static const char fallback[] = "/usr/local/sbin:/usr/sbin:/sbin";
	const char *lists[] = { getenv("PATH"), fallback };

	char file[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while (path_next(&lists[i], name, file))
			if (is_program(file))
				return strdup(file);
	return NULL;
}

static int find_runtime(struct bundle *b, const char *name)
{
	const char *base;

	if (!name) {
		b->runtime = find_program("crun");
		if (!b->runtime)
			b->runtime = find_program("runc");
		if (!b->runtime)
			log_error("--bundle: neither crun nor runc is on PATH "
				  "(apt-get install crun)");
	} else if (strchr(name, '/')) {
		b->runtime = is_program(name) ? realpath(name, NULL) : NULL;
		if (!b->runtime)
			log_error("--runtime %.200s: not a program", name);
	} else {
		b->runtime = find_program(name);
		if (!b->runtime)
			log_error("--runtime %.64s: not on PATH (apt-get "
				  "install %.64s, or give its path)",
				  name, name);
	}
	if (!b->runtime)
		return -ENOENT;
	base = strrchr(b->runtime, '/');
	b->crun = strstr(base ? base : b->runtime, "crun");
	return 0;
}

/* By its own name: runc takes no link for it. */
static int resolve_root(struct bundle *b)
{
	json_t *root = json_object_get(b->config, "root");
	const char *path = json_string_value(json_object_get(root, "path"));
	scoped_free char *real = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st))
		return log_errno(errno, "rootfs %.200s", path);
	if (!S_ISDIR(st.st_mode))
		return log_errno(ENOTDIR, "rootfs %.200s", path);
	return json_object_set_new(root, "path", json_string(real))
		       ? log_errno(EILSEQ, "rootfs %.200s", real)
		       : 0;
}

static int list_args(struct bundle *b)
{
	const json_t *process = json_object_get(b->config, "process");
	const json_t *args = json_object_get(process, "args");
	size_t n = json_array_size(args);

	b->args = calloc(n + 1, sizeof(*b->args));
	if (!b->args)
		return log_errno(ENOMEM, "bundle");
	for (size_t i = 0; i < n; i++)
		/* execve(2)'s type; nobody writes to it */
		b->args[i] = (char *)(uintptr_t)json_string_value(
			json_array_get(args, i));
	return 0;
}

/* Its host name is that of a pod of its own. */
static int take_hostname(struct bundle *b, struct run_config *cfg)
{
	const char *name = bundle_hostname(b->config);

	if (!name || cfg->hostname || cfg->pod)
		return 0;
	b->hostname = strdup(name);
	cfg->hostname = b->hostname;
	return b->hostname ? 0 : log_errno(ENOMEM, "bundle");
}

/* crun wants to be told; what it can't know is 0 by 0, as of a new one. */
static int set_terminal_size(struct bundle *b)
{
	json_t *process = json_object_get(b->config, "process");
	struct winsize size = { 0 };
	json_t *v;

	(void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	v = json_pack("{sisi}", "height", size.ws_row, "width", size.ws_col);
	return json_object_set_new(process, "consoleSize", v)
		       ? log_errno(ENOMEM, "bundle")
		       : 0;
}

static int load(struct bundle *b, struct run_config *cfg, const char *dir)
{
	const struct bundle_want want = {
		.dir = dir,
		.home = b->home,
		.run = cfg,
	};
	int rc = state_path("", b->home);

	if (rc)
		return rc;
	b->home[strlen(b->home) - 1] = '\0'; /* its last '/' */
	if (snprintf(b->shm, sizeof(b->shm), "%s/shm", b->home) >= PATH_MAX)
		return log_errno(ENAMETOOLONG, "bundle");
	b->config = read_config(dir);
	if (!b->config)
		return -EINVAL;
	rc = take_hostname(b, cfg);
	if (!rc)
		rc = bundle_rewrite(b->config, &want);
	if (!rc && cfg->tty)
		rc = set_terminal_size(b);
	if (!rc)
		rc = resolve_root(b);
	if (!rc)
		rc = list_args(b);
	return rc ? rc : find_runtime(b, cfg->runtime);
}

int bundle_load(struct run_config *cfg)
{
	scoped_free char *dir = realpath(cfg->bundle_dir, NULL);
	struct bundle *b;
	int rc;

	if (!dir)
		return log_errno(errno, "bundle %.200s", cfg->bundle_dir);
	b = calloc(1, sizeof(*b));
	rc = b ? load(b, cfg, dir) : log_errno(ENOMEM, "bundle");
	if (rc) {
		(void)bundle_free(b);
		return rc;
	}
	cfg->bundle = b;
	cfg->argv = b->args;
	return 0;
}

struct bundle *bundle_free(struct bundle *b)
{
	if (!b)
		return NULL;
	json_decref(b->config);
	free(b->args);
	free(b->runtime);
	free(b->hostname);
	free(b);
	return NULL;
}

static const json_t *all_env(const struct bundle *b)
{
	return json_object_get(json_object_get(b->config, "process"), "env");
}

/* ---- the runtime's command line ---- */

struct words {
	char **all;
	size_t n;
	bool failed;
};

/* printf()'s; what is allocated lives until execution */
__attribute__((format(printf, 2, 3))) static void word(struct words *w,
						       const char *format, ...)
{
	char **all = reallocarray(w->all, w->n + 2, sizeof(*all));
	va_list ap;

	va_start(ap, format);
	w->failed |= !all || vasprintf(&all[w->n], format, ap) < 0;
	va_end(ap);
	if (w->failed)
		return;
	w->all = all;
	all[++w->n] = NULL;
}

static void global_words(struct words *w, const struct bundle *b)
{
	word(w, "%s", b->runtime);
	word(w, "--root=%s/state", b->home);
	if (b->crun)
		word(w, "--cgroup-manager=disabled");
}

/* The runtime is the user's own program, as root of the pod. */
static int be_runtime(struct run_config *run, const struct words *w)
{
	if (w->failed)
		return log_errno(ENOMEM, "bundle");
	run->argv = w->all;
	run->user = NULL;
	run->workdir = "/";
	run->caps = (struct caps){ .add = CAPS_ALL };
	run->n_env = run->n_volumes = 0;
	return 0;
}

int bundle_runtime(struct run_config *run)
{
	const struct bundle *b = run->bundle;
	struct words w = { 0 };

	global_words(&w, b);
	word(&w, "--log=%s/log", b->home);
	word(&w, "--log-format=json");
	word(&w, "run");
	/* of a keyring command.c has taken care */
	word(&w, "--no-new-keyring");
	word(&w, "--pid-file=%s/pid", b->home);
	word(&w, "--bundle=%s", b->home);
	word(&w, ID);
	return be_runtime(run, &w);
}

int bundle_exec(struct run_config *run, char *const *env, size_t n_env)
{
	struct words w = { 0 };
	json_t *var;
	size_t i;

	global_words(&w, run->bundle);
	word(&w, "exec");
	if (run->tty)
		word(&w, "--tty");
	if (run->user)
		word(&w, "--user=%s", run->user);
	if (run->workdir)
		word(&w, "--cwd=%s", run->workdir);
	/* with one more crun forgets those it has, and runc doesn't mind */
	json_array_foreach (all_env(run->bundle), i, var)
		if (n_env)
			word(&w, "--env=%s", json_string_value(var));
	for (i = 0; i < n_env; i++)
		word(&w, "--env=%s", env[i]);
	word(&w, ID);
	for (char *const *arg = run->argv; *arg; arg++)
		word(&w, "%s", *arg);
	return be_runtime(run, &w);
}

void bundle_kill_exec(pid_t runtime)
{
	char pattern[64];
	glob_t found = { 0 };

	/* of each of its threads */
	(void)snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/children",
		       (int)runtime);
	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char list[256], *at = list;
		long pid;

		if (fd_read_text(found.gl_pathv[i], list, sizeof(list)) <= 0)
			continue;
		while ((pid = strtol(at, &at, 10)) > 0)
			(void)kill((pid_t)pid, SIGKILL); /* gone: well */
	}
	globfree(&found);
}

/* ---- how it went ---- */

bool bundle_runs(const struct bundle *b)
{
	char path[PATH_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s/pid", b->home);
	return access(path, F_OK) == 0;
}

/* The last line of its log. */
static void tell_reason(const struct bundle *b)
{
	char path[PATH_MAX + 8], log[LOG_MAX], *line;
	ssize_t len;
	json_t *last;
	const char *why;

	(void)snprintf(path, sizeof(path), "%s/log", b->home);
	len = fd_read_text(path, log, sizeof(log));
	while (len > 0 && log[len - 1] == '\n')
		log[--len] = '\0';
	line = len > 0 ? strrchr(log, '\n') : NULL;
	last = json_loads(line ? line + 1 : len > 0 ? log : "", 0, NULL);
	why = json_string_value(json_object_get(last, "msg"));
	log_error("%s: %s", b->runtime,
		  why ? why : "has failed (its reason shows without -d)");
	json_decref(last);
}

static const char *path_of(const struct bundle *b)
{
	const json_t *process = json_object_get(b->config, "process");
	const json_t *env = json_object_get(process, "env");
	size_t i;
	json_t *v;

	json_array_foreach (env, i, v)
		if (strncmp(json_string_value(v), "PATH=", 5) == 0)
			return json_string_value(v) + 5;
	return "";
}

static int try_command(const char *path)
{
	if (access(path, F_OK))
		return COMMAND_NOT_FOUND;
	return is_program(path) ? EXIT_OURS : COMMAND_NOT_EXECUTABLE;
}

/* Is it the command's fault? */
static int blame(const struct bundle *b)
{
	const char *name = b->args[0], *path = path_of(b);
	int status = COMMAND_NOT_FOUND;
	char file[PATH_MAX];

	if (strchr(name, '/'))
		return try_command(name);
	while (path_next(&path, name, file)) {
		int rc = try_command(file);

		if (rc == EXIT_OURS)
			return rc;
		if (rc == COMMAND_NOT_EXECUTABLE)
			status = rc;
	}
	return status;
}

int bundle_status(const struct bundle *b, int status, bool tell)
{
	const json_t *root = json_object_get(b->config, "root");
	const json_t *process = json_object_get(b->config, "process");

	/* 0 or a signal of others': none of its errors */
	if (!status || status > 128 || bundle_runs(b))
		return status;
	if (tell)
		tell_reason(b);
	if (caps_raise() ||
	    chroot(json_string_value(json_object_get(root, "path"))) ||
	    chdir(json_string_value(json_object_get(process, "cwd"))))
		return EXIT_OURS;
	return blame(b);
}
