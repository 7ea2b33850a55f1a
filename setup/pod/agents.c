// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of variables that lead to such sockets, and how their values name
 * them, and a table of places where they are by custom. This keeps the
 * command from using an agent by accident or by default; it is no boundary,
 * which without --rootfs there isn't (the user's files are all there).
 *
 * D-Bus addresses: https://dbus.freedesktop.org/doc/dbus-specification.html,
 * "Server Addresses": "transport:key=value,…;transport:…", values %-escaped.
 */
#include "setup/pod/agents.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/list.h"
#include "setup/pod/env.h"

enum form {
	FORM_PLAIN, /* names no socket, but is of no use when they are hidden */
	FORM_PATH,  /* a path, up to a ':' */
	FORM_BUS,   /* a list of D-Bus addresses */
	FORM_URL,   /* unix:///path; another scheme isn't hidden */
};

static const struct variable {
	const char *name;
	enum form form;
} variables[] = {
	{ "SSH_AUTH_SOCK", FORM_PATH },
	{ "SSH_AGENT_PID", FORM_PLAIN },
	{ "GPG_AGENT_INFO", FORM_PATH },
	{ "GNOME_KEYRING_CONTROL", FORM_PLAIN },
	{ "GNOME_KEYRING_PID", FORM_PLAIN },
	{ "DBUS_SESSION_BUS_ADDRESS", FORM_BUS },
	{ "DBUS_SESSION_BUS_PID", FORM_PLAIN },
	{ "DBUS_STARTER_ADDRESS", FORM_BUS },
	{ "DBUS_STARTER_BUS_TYPE", FORM_PLAIN },
	{ "DOCKER_HOST", FORM_URL },
	{ "CONTAINER_HOST", FORM_URL },
	{ "XDG_RUNTIME_DIR", FORM_PLAIN },
	{ "WAYLAND_DISPLAY", FORM_PLAIN },
	/* the service manager's, meant for us */
	{ "NOTIFY_SOCKET", FORM_PATH },
	{ "WATCHDOG_PID", FORM_PLAIN },
	{ "WATCHDOG_USEC", FORM_PLAIN },
	{ "LISTEN_FDS", FORM_PLAIN },
	{ "LISTEN_PID", FORM_PLAIN },
	{ "LISTEN_FDNAMES", FORM_PLAIN },
};

static const char url_scheme[] = "unix://";

static const struct variable *find(const char *var, const char **value)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		size_t len = strlen(variables[i].name);

		if (strncmp(var, variables[i].name, len) == 0 &&
		    var[len] == '=') {
			*value = var + len + 1;
			return &variables[i];
		}
	}
	return NULL;
}

bool agents_hides(const char *var)
{
	const char *value;
	const struct variable *v = find(var, &value);

	if (v && v->form == FORM_URL)
		return strncmp(value, url_scheme, strlen(url_scheme)) == 0;
	return v;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Report @len bytes of @s; only an absolute path that fits is one. */
static int report(const char *s, size_t len, bool escaped, agents_path_fn fn,
		  void *arg)
{
	char path[PATH_MAX];
	size_t n = 0;

	if (len == 0 || len >= sizeof(path))
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (escaped && s[i] == '%' && i + 2 < len &&
		    hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
			path[n++] = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		} else {
			path[n++] = s[i];
		}
	}
	path[n] = '\0';
	return path[0] == '/' ? fn(arg, path) : 0;
}

static int bus_sockets(const char *s, agents_path_fn fn, void *arg)
{
	int rc = 0;

	while (*s && !rc) {
		size_t len = strcspn(s, ":,;");

		/* each key follows a ':' or ',', each address a ';' */
		if (strncmp(s, "path=", 5) == 0) {
			s += 5;
			len = strcspn(s, ",;");
			rc = report(s, len, true, fn, arg);
		}
		s += len;
		if (*s)
			s++;
	}
	return rc;
}

int agents_sockets(const char *var, agents_path_fn fn, void *arg)
{
	const char *value;
	const struct variable *v = find(var, &value);

	if (!v)
		return 0;
	switch (v->form) {
	case FORM_PLAIN:
		return 0;
	case FORM_PATH:
		return report(value, strcspn(value, ":"), false, fn, arg);
	case FORM_BUS:
		return bus_sockets(value, fn, arg);
	case FORM_URL:
		if (!agents_hides(var))
			return 0;
		value += strlen(url_scheme);
		return report(value, strlen(value), false, fn, arg);
	}
	return 0;
}

static int matches(const char *pattern, agents_path_fn fn, void *arg)
{
	glob_t found;
	int rc = 0;

	/* no match, or nothing that may be read: nothing to hide either */
	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc && !rc; i++)
		rc = fn(arg, found.gl_pathv[i]);
	globfree(&found);
	return rc;
}

static int known_below(const char *dir, const char *const *names, size_t n,
		       agents_path_fn fn, void *arg)
{
	char pattern[PATH_MAX];
	int rc = 0;

	if (!dir || dir[0] != '/')
		return 0;
	for (size_t i = 0; i < n && !rc; i++)
		if ((size_t)snprintf(pattern, sizeof(pattern), "%s/%s", dir,
				     names[i]) < sizeof(pattern))
			rc = matches(pattern, fn, arg);
	return rc;
}

int agents_known(char *const *env, agents_path_fn fn, void *arg)
{
	static const char *const in_system[] = {
		"run/user/*",
		"run/docker.sock",
		"run/podman/podman.sock",
		"run/containerd/containerd.sock",
		"run/crio/crio.sock",
		"run/buildkit/buildkitd.sock",
		"tmp/ssh-*/agent.*",
	};
	static const char *const in_home[] = {
		".gnupg/S.*",
		".ssh/agent/*",
		".docker/run/docker.sock",
		".docker/desktop/*.sock",
	};
	static const char *const in_gnupg[] = { "S.*" };
	int rc = known_below("/", in_system, ARRAY_SIZE(in_system), fn, arg);

	if (!rc)
		rc = known_below(env_get(env, "HOME"), in_home,
				 ARRAY_SIZE(in_home), fn, arg);
	if (!rc)
		rc = known_below(env_get(env, "GNUPGHOME"), in_gnupg,
				 ARRAY_SIZE(in_gnupg), fn, arg);
	return rc;
}
