// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of `run`, turned into one struct that is const afterwards.
 *
 * Three tables are composed: the NET options, those of `run` itself, and the
 * global ones. A value is checked when it is met, so that the message can name
 * the option and the word; what depends on other options waits for the end.
 * Strings stay where argv and the environment have them.
 *
 * A path is checked for its form only. Whether it exists is for the process
 * that uses it, in the namespace and with the rights it has by then.
 */
#include "setup/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/config_net.h"
#include "setup/opt.h"

#define HOSTNAME_MAX 64

static int set_log_level(void *target, const char *value)
{
	enum log_level level;

	(void)target;
	if (log_level_parse(value, &level)) {
		log_error("--log-level %s: not error, warn, info or debug",
			  value);
		return -EINVAL;
	}
	log_init(level, STDERR_FILENO);
	return 0;
}

static const struct opt global_opts[] = {
	{ "log-level", 0, "LEVEL", "error, warn, info or debug (warn)",
	  set_log_level },
};

const struct opt_table config_global_opts = { "Global", global_opts,
					      ARRAY_SIZE(global_opts) };

int config_path(const char *opt, const char *path)
{
	if (!*path) {
		log_error("%s: the path is empty", opt);
		return -EINVAL;
	}
	if (strlen(path) >= PATH_MAX) {
		log_error("%s %.64s...: the path is too long", opt, path);
		return -EINVAL;
	}
	return 0;
}

static int set_rootfs(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (config_path("--rootfs", value))
		return -EINVAL;
	cfg->rootfs = value;
	return 0;
}

static int set_control(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (config_path("--control", value))
		return -EINVAL;
	cfg->control = value;
	return 0;
}

static int set_workdir(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (config_path("--workdir", value))
		return -EINVAL;
	if (value[0] != '/') {
		log_error("--workdir %s: not an absolute path", value);
		return -EINVAL;
	}
	cfg->workdir = value;
	return 0;
}

/* RFC 1123, in the kernel's 64 bytes */
static bool hostname_ok(const char *s)
{
	size_t label = 0;

	if (strlen(s) > HOSTNAME_MAX)
		return false;
	for (;; s++) {
		if (*s == '.' || !*s) {
			if (!label || label > 63 || s[-1] == '-')
				return false;
			if (!*s)
				return true;
			label = 0;
		} else if (isalnum((unsigned char)*s) || (*s == '-' && label)) {
			label++;
		} else {
			return false;
		}
	}
}

static int set_hostname(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (!hostname_ok(value)) {
		log_error("--hostname %.80s: no host name (letters, digits, "
			  "'-' and '.', at most %d)",
			  value, HOSTNAME_MAX);
		return -EINVAL;
	}
	cfg->hostname = value;
	return 0;
}

/* Is @dst a path a volume can be mounted on: absolute, no "..", not "/"? */
static bool volume_dst_ok(const char *dst)
{
	bool names = false;

	if (dst[0] != '/')
		return false;
	while (*dst) {
		size_t len;

		dst += strspn(dst, "/");
		len = strcspn(dst, "/");
		if (len == 2 && dst[0] == '.' && dst[1] == '.')
			return false;
		names |= len && !(len == 1 && dst[0] == '.');
		dst += len;
	}
	return names;
}

/* @src, with the current directory before it when it is relative */
static int volume_src(const char *src, size_t len, const char *value,
		      char **out)
{
	char cwd[PATH_MAX] = "";
	int n;

	if (src[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return log_errno(errno, "--volume %.200s: current directory",
				 value);
	n = asprintf(out, "%s%s%.*s", cwd, cwd[0] && cwd[1] ? "/" : "",
		     (int)len, src);
	if (n < 0)
		return log_errno(ENOMEM, "command line");
	if (n < PATH_MAX)
		return 0;
	free(*out);
	*out = NULL;
	log_error("--volume %.64s...: the path is too long", value);
	return -EINVAL;
}

/* Cut SRC:DST[:MODE]; @out gets copies */
static int parse_volume(const char *value, struct volume *out)
{
	const char *dst = strchr(value, ':');
	const char *mode = dst ? strchr(dst + 1, ':') : NULL;
	size_t src_len = dst ? (size_t)(dst - value) : 0, dst_len;

	if (!src_len) {
		log_error("--volume %.200s: not SRC:DST[:ro|rw]", value);
		return -EINVAL;
	}
	dst++;
	dst_len = mode ? (size_t)(mode - dst) : strlen(dst);
	if (src_len >= PATH_MAX || dst_len >= PATH_MAX) {
		log_error("--volume %.64s...: the path is too long", value);
		return -EINVAL;
	}
	if (mode && strcmp(mode, ":ro") != 0 && strcmp(mode, ":rw") != 0) {
		log_error("--volume %.200s: unknown mode '%.32s' (ro or rw)",
			  value, mode + 1);
		return -EINVAL;
	}
	out->read_only = mode && strcmp(mode, ":ro") == 0;
	out->dst = strndup(dst, dst_len);
	if (!out->dst)
		return log_errno(ENOMEM, "command line");
	if (!volume_dst_ok(out->dst)) {
		log_error("--volume %.200s: the place in the pod must be an "
			  "absolute path without '..', and not /",
			  value);
		return -EINVAL;
	}
	return volume_src(value, src_len, value, &out->src);
}

static void volume_drop(struct volume *v)
{
	free(v->src);
	free(v->dst);
	*v = (struct volume){ 0 };
}

static int add_volume(void *target, const char *value)
{
	struct run_config *cfg = target;
	struct volume *all, v = { 0 };
	int rc = parse_volume(value, &v);

	for (size_t i = 0; !rc && i < cfg->n_volumes; i++) {
		if (strcmp(cfg->volumes[i].dst, v.dst) != 0)
			continue;
		log_error("--volume %.200s: %.200s is mounted on twice", value,
			  v.dst);
		rc = -EINVAL;
	}
	if (!rc) {
		all = config_grow(cfg->volumes, cfg->n_volumes, sizeof(*all));
		rc = all ? 0 : -ENOMEM;
	}
	if (rc) {
		volume_drop(&v);
		return rc;
	}
	cfg->volumes = all;
	all[cfg->n_volumes++] = v;
	return 0;
}

/* The caller's "NAME=...", or NULL */
static const char *env_find(const char *name, size_t len)
{
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e;
	return NULL;
}

static int add_env(void *target, const char *value)
{
	struct run_config *cfg = target;
	size_t len = strcspn(value, "=");
	const char **env;

	if (!len) {
		log_error("--env %s: no name (NAME=VALUE, or NAME for the "
			  "caller's value)",
			  value);
		return -EINVAL;
	}
	if (!value[len]) {
		value = env_find(value, len);
		if (!value)
			return 0; /* unset here: unset there */
	}
	for (size_t i = 0; i < cfg->n_env; i++) {
		if (strncmp(cfg->env[i], value, len + 1) == 0) {
			cfg->env[i] = value;
			return 0;
		}
	}
	env = config_grow(cfg->env, cfg->n_env, sizeof(*env));
	if (!env)
		return -ENOMEM;
	cfg->env = env;
	env[cfg->n_env++] = value;
	return 0;
}

static int set_interactive(void *target, const char *value)
{
	struct run_config *cfg = target;

	(void)value;
	cfg->interactive = true;
	return 0;
}

static int set_tty(void *target, const char *value)
{
	struct run_config *cfg = target;

	(void)value;
	cfg->tty = true;
	return 0;
}

/* A pod in the foreground goes away with its command anyway. */
static int set_rm(void *target, const char *value)
{
	(void)target;
	(void)value;
	return 0;
}

static const struct opt run_opts[] = {
	{ "control", 0, "PATH",
	  "make a socket there that podsplice stats and flows ask",
	  set_control },
	{ "env", 'e', "NAME[=VALUE]",
	  "environment variable, without =VALUE the caller's; may be repeated",
	  add_env },
	{ "hostname", 'h', "NAME", "the pod's host name (the host's)",
	  set_hostname },
	{ "interactive", 'i', NULL,
	  "keep stdin open (without it the command reads end-of-file)",
	  set_interactive },
	{ "rm", 0, NULL,
	  "accepted: a pod in the foreground goes away with its command",
	  set_rm },
	{ "rootfs", 0, "DIR",
	  "directory to be the command's / (it sees the user's files)",
	  set_rootfs },
	{ "tty", 't', NULL, "give the command a terminal of its own", set_tty },
	{ "volume", 'v', "SRC:DST[:ro]",
	  "mount the host's SRC on DST, read-only with :ro; may be repeated",
	  add_volume },
	{ "workdir", 'w', "DIR",
	  "directory the command starts in (/ with --rootfs, else this one)",
	  set_workdir },
};

const struct opt_table config_run_opts = { "Command", run_opts,
					   ARRAY_SIZE(run_opts) };

/* In the manual's plan, not in this version. */
static const struct opt_later later[] = {
	{ "detach", 'd' },  { "name", 0 },    { "pod", 0 },
	{ "user", 'u' },    { "cap-add", 0 }, { "cap-drop", 0 },
	{ "read-only", 0 }, { "tmpfs", 0 },   { "publish-all", 'P' },
	{ "log-file", 0 },
};

int config_run_parse(struct run_config *cfg, char **argv)
{
	const struct opt_group groups[] = {
		{ &config_run_opts, cfg },
		{ &config_net_opts, &cfg->net },
		{ &config_global_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = "run",
		.synopsis = "[OPTION]... [--] COMMAND [ARG]...",
		.about = "Run COMMAND in a pod of its own, with the network of "
			 "the host behind it. The exit status is the "
			 "command's; 125 when podsplice failed, 126 when "
			 "COMMAND can't be executed, 127 when it isn't there.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
		.later = later,
		.n_later = ARRAY_SIZE(later),
		.first_ends = true,
	};
	char **rest;
	int rc;

	*cfg = (struct run_config){ 0 };
	config_net_init(&cfg->net);
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc && !*rest) {
		log_error("run: no command given (see podsplice run --help)");
		rc = -EINVAL;
	}
	if (!rc)
		rc = config_net_finish(&cfg->net);
	if (rc) {
		config_run_free(cfg);
		return rc;
	}
	cfg->argv = rest;
	return 0;
}

void config_run_free(struct run_config *cfg)
{
	config_net_free(&cfg->net);
	for (size_t i = 0; i < cfg->n_volumes; i++)
		volume_drop(&cfg->volumes[i]);
	free(cfg->volumes);
	free(cfg->env);
	*cfg = (struct run_config){ 0 };
}
