// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line of `run`, turned into one struct that is const afterwards.
 *
 * Four tables are composed: the NET options, those of `run` itself, those about
 * the files it sees, and the global ones. A value is checked when it is met, so
 * that the message can name the option and the word; what depends on other
 * options waits for the end. Strings stay where argv and the environment have
 * them.
 *
 * A path is checked for its form only. Whether it exists is for the process
 * that uses it, in the namespace and with the rights it has by then.
 */
#include "setup/cli/config_run.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/base/log_path.h"
#include "setup/cli/config_files.h"
#include "setup/cli/config_net.h"
#include "setup/cli/opt.h"
#include "setup/pod/identity.h"
#include "setup/state/state.h"

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

static int set_log_file(void *target, const char *value)
{
	(void)target;
	return log_path_open(value) ? -EINVAL : 0;
}

static const struct opt global_opts[] = {
	{ "log-level", 0, "LEVEL", "error, warn, info or debug (warn)",
	  set_log_level, "error warn info debug" },
	{ "log-file", 0, "PATH",
	  "log to a file, errors also to stderr; 10 MiB, rotated once (stderr)",
	  set_log_file },
};

const struct opt_table config_global_opts = { "Global", global_opts,
					      ARRAY_SIZE(global_opts) };

static int set_workdir(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (opt_path("--workdir", value))
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

int config_hostname(void *target, const char *value)
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

/* Who it is, only the container's files can tell. */
static int set_user(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (!identity_form_ok(value)) {
		log_error("--user %.64s: not USER or USER:GROUP (names, or "
			  "numbers below 4294967295)",
			  value);
		return -EINVAL;
	}
	cfg->user = value;
	return 0;
}

static int add_cap(uint64_t *set, uint64_t other, const char *opt,
		   const char *value)
{
	uint64_t cap;

	if (caps_parse(value, &cap)) {
		log_error("%s %.64s: no such capability (as in "
			  "capabilities(7), or ALL)",
			  opt, value);
		return -EINVAL;
	}
	if (cap & other) {
		log_error("%s %s: both added and dropped (drop one option)",
			  opt, value);
		return -EINVAL;
	}
	*set |= cap;
	return 0;
}

static int set_cap_add(void *target, const char *value)
{
	struct caps *caps = &((struct run_config *)target)->caps;

	return add_cap(&caps->add, caps->drop, "--cap-add", value);
}

static int set_cap_drop(void *target, const char *value)
{
	struct caps *caps = &((struct run_config *)target)->caps;

	return add_cap(&caps->drop, caps->add, "--cap-drop", value);
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

int config_name(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (!state_name_ok(value)) {
		log_error("--name %.80s: no name (lower-case letters, digits, "
			  "'_', '.' and '-', at most %d, a letter or digit "
			  "first)",
			  value, STATE_NAME_MAX);
		return -EINVAL;
	}
	cfg->name = value;
	return 0;
}

static int set_pod(void *target, const char *value)
{
	static const char new_pod[] = "new:";
	struct run_config *cfg = target;

	cfg->new_pod = strncmp(value, new_pod, strlen(new_pod)) == 0;
	cfg->pod = value + (cfg->new_pod ? strlen(new_pod) : 0);
	if (state_name_ok(cfg->pod))
		return 0;
	log_error("--pod %.80s: no name of a pod (podsplice pod ls)", value);
	return -EINVAL;
}

static int set_pid(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (strcmp(value, "pod") != 0) {
		log_error("--pid %.64s: not pod", value);
		return -EINVAL;
	}
	cfg->pod_pid = true;
	return 0;
}

static int set_restart(void *target, const char *value)
{
	static const char *const words[] = {
		[RESTART_NO] = "no",
		[RESTART_ON_FAILURE] = "on-failure",
		[RESTART_ALWAYS] = "always",
	};
	struct run_config *cfg = target;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], value) != 0)
			continue;
		cfg->restart = (enum restart_when)i;
		return 0;
	}
	log_error("--restart %.64s: not no, on-failure or always", value);
	return -EINVAL;
}

static const struct opt run_opts[] = {
	{ "cap-add", 0, "CAP",
	  "a capability the command gets besides podman's default ones, or ALL; "
	  "may be repeated",
	  set_cap_add },
	{ "cap-drop", 0, "CAP",
	  "a capability it doesn't get, or ALL; may be repeated",
	  set_cap_drop },
	{ "control", 0, "PATH",
	  "make a socket there that podsplice stats and flows ask",
	  OPT_PATH(struct run_config, control) },
	{ "detach", 'd', NULL,
	  "run in the background: print the name, and return",
	  OPT_FLAG(struct run_config, detach) },
	{ "env", 'e', "NAME[=VALUE]",
	  "environment variable, without =VALUE the caller's; may be repeated",
	  add_env },
	{ "hostname", 'h', "NAME", "the pod's host name (the host's)",
	  config_hostname },
	{ "interactive", 'i', NULL,
	  "keep stdin open (without it the command reads end-of-file)",
	  OPT_FLAG(struct run_config, interactive) },
	{ "name", 0, "NAME", "the container's name (made up)", config_name },
	{ "pid", 0, "pod",
	  "see the processes of the pod's other containers (its own only)",
	  set_pid, "pod" },
	{ "pod", 0, "[new:]POD",
	  "run it in that pod, or in one made for it (in one of its own)",
	  set_pod },
	{ "restart", 0, "WHEN",
	  "with -d and --pod: start the command again when it has ended: no, "
	  "on-failure or always (no)",
	  set_restart, "no on-failure always" },
	{ "rm", 0, NULL,
	  "with -d: remove the container when it ends, as in the foreground",
	  OPT_FLAG(struct run_config, remove) },
	{ "tty", 't', NULL, "give the command a terminal of its own",
	  OPT_FLAG(struct run_config, tty) },
	{ "user", 'u', "USER[:GROUP]",
	  "who the command is, by the container's /etc/passwd and /etc/group, "
	  "or by numbers (0)",
	  set_user },
	{ "workdir", 'w', "DIR",
	  "directory the command starts in (/ with --rootfs, else this one)",
	  set_workdir },
};

const struct opt_table config_run_opts = { "Command", run_opts,
					   ARRAY_SIZE(run_opts) };

/* The command's part of a run_config; the rest is the container's. */
static const struct opt exec_opts[] = {
	{ "control", 0, "PATH",
	  "the container's control socket, instead of its NAME",
	  OPT_PATH(struct run_config, control) },
	{ "env", 'e', "NAME[=VALUE]",
	  "environment variable besides the container's, without =VALUE the "
	  "caller's; may be repeated",
	  add_env },
	{ "interactive", 'i', NULL,
	  "keep stdin open (without it the command reads end-of-file)",
	  OPT_FLAG(struct run_config, interactive) },
	{ "tty", 't', NULL, "give the command a terminal of its own",
	  OPT_FLAG(struct run_config, tty) },
	{ "user", 'u', "USER[:GROUP]",
	  "who the command is (who the container's is)", set_user },
	{ "workdir", 'w', "DIR",
	  "directory the command starts in (the container's)", set_workdir },
};

const struct opt_table config_exec_opts = { "Command", exec_opts,
					    ARRAY_SIZE(exec_opts) };

/*
 * @n_net: how many network options there are
 * Return: 0 or -EINVAL, logged
 */
static int check_pod(const struct run_config *cfg, size_t n_net)
{
	if (!cfg->pod && cfg->pod_pid) {
		log_error("--pid pod: in which one? (--pod POD)");
		return -EINVAL;
	}
	if (cfg->restart && !(cfg->pod && cfg->detach)) {
		log_error("--restart: only in the background of a pod (-d "
			  "--pod POD)");
		return -EINVAL;
	}
	if (!cfg->pod || cfg->new_pod ||
	    (!cfg->control && n_net == cfg->net.n_specs))
		return 0;
	log_error("--pod %s: its network is there, only -p goes with it (give "
		  "network options to podsplice pod create)",
		  cfg->pod);
	return -EINVAL;
}

int config_run_parse(struct run_config *cfg, char **argv)
{
	size_t n_net = 0;
	const struct opt_group groups[] = {
		{ &config_run_opts, cfg },
		{ &config_files_opts, cfg },
		{ &config_net_opts, &cfg->net, &n_net },
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
		.first_ends = true,
	};
	char **rest;
	int rc;

	*cfg = (struct run_config){ .verb = cmd.name, .words = argv };
	config_net_init(&cfg->net);
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc)
		rc = check_pod(cfg, n_net);
	if (!rc && !*rest && !cfg->bundle_dir) {
		log_error("run: no command given (see podsplice run --help)");
		rc = -EINVAL;
	}
	if (!rc)
		rc = config_files_finish(cfg);
	if (!rc)
		rc = config_net_finish(&cfg->net);
	if (rc) {
		config_run_free(cfg);
		return rc;
	}
	cfg->argv = rest;
	return 0;
}

int config_exec_parse(struct run_config *cfg, char **argv)
{
	const struct opt_group groups[] = {
		{ &config_exec_opts, cfg },
		{ &config_global_opts, NULL },
	};
	const struct opt_cmd cmd = {
		.name = "exec",
		.synopsis = "[OPTION]... NAME [--] COMMAND [ARG]...",
		.about = "Run COMMAND in a running container, with its files, "
			 "environment and capabilities. The exit status is the "
			 "command's; 125 when podsplice failed, 126 when "
			 "COMMAND can't be executed, 127 when it isn't there, "
			 "137 when the container ends before it.",
		.groups = groups,
		.n_groups = ARRAY_SIZE(groups),
		.first_ends = true,
	};
	char **rest;
	int rc;

	*cfg = (struct run_config){ 0 };
	rc = opt_parse(&cmd, argv, &rest);
	if (!rc && !cfg->control) {
		cfg->name = *rest;
		rest += *rest != NULL;
		rest += *rest && strcmp(*rest, "--") == 0;
	}
	if (!rc && !*rest) {
		log_error("exec: no %s given (see podsplice exec --help)",
			  cfg->control || cfg->name ? "command" : "container");
		rc = -EINVAL;
	}
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
	config_files_free(cfg);
	free(cfg->env);
	*cfg = (struct run_config){ 0 };
}
