// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What we read of the file is checked, and what we don't is the runtime's to
 * check: it knows more of it than we do.
 *
 * The runtime starts in the pod's user namespace, and inherits the namespaces
 * it isn't told to make: both a path there and "don't" mean the same to it, but
 * only the latter works with every runtime. A namespace of cgroups is left out,
 * too: strays.h tells by it what belongs to a container.
 */
#include "setup/bundle/bundle_config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"

__attribute__((format(printf, 3, 4))) static int
refuse(const struct bundle_want *w, const char *path, const char *why, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	log_error("%.200s/config.json: %s: %s", w->dir, path, text);
	return -EINVAL;
}

static int no_memory(const struct bundle_want *w)
{
	return log_errno(ENOMEM, "%.200s/config.json", w->dir);
}

static const char *type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	default:
		return "true or false";
	}
}

/* The member of @in that @path names in its last word. */
static json_t *lookup(json_t *in, const char *path)
{
	const char *dot = strrchr(path, '.');

	return json_object_get(in, dot ? dot + 1 : path);
}

/*
 * @out: NULL when it isn't there
 * Return: 0, or -EINVAL, logged: it is something else
 */
static int find(const struct bundle_want *w, json_t *in, const char *path,
		json_type type, json_t **out)
{
	*out = lookup(in, path);
	if (*out && json_typeof(*out) != type)
		return refuse(w, path, "not %s", type_name(type));
	return 0;
}

/* The same, but it must be there. */
static int need(const struct bundle_want *w, json_t *in, const char *path,
		json_type type, json_t **out)
{
	int rc = find(w, in, path, type, out);

	return rc || *out ? rc : refuse(w, path, "is missing");
}

/* The same of a list, which is made when it isn't there. */
static int need_list(const struct bundle_want *w, json_t *in, const char *path,
		     json_t **out)
{
	const char *dot = strrchr(path, '.');
	int rc = find(w, in, path, JSON_ARRAY, out);

	if (rc || *out)
		return rc;
	*out = json_array();
	return json_object_set_new(in, dot ? dot + 1 : path, *out)
		       ? no_memory(w)
		       : 0;
}

static int check_all(const struct bundle_want *w, const json_t *list,
		     const char *path, json_type type)
{
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v)
		if (json_typeof(v) != type)
			return refuse(w, path, "holds what is not %s",
				      type_name(type));
	return 0;
}

/* @text of the command line as JSON has it, which takes UTF-8 only. */
static int to_json(const struct bundle_want *w, const char *path,
		   const char *text, json_t **out)
{
	*out = json_string(text);
	return *out ? 0 : refuse(w, path, "%.64s: not UTF-8", text);
}

/* ---- the process ---- */

static int set_args(const struct bundle_want *w, json_t *process)
{
	static const char path[] = "process.args";
	json_t *args = NULL;
	int rc;

	if (w->run->argv && w->run->argv[0] &&
	    json_object_set_new(process, "args", json_array()))
		return no_memory(w);
	rc = need(w, process, path, JSON_ARRAY, &args);
	for (char *const *word = w->run->argv; !rc && word && *word; word++) {
		json_t *v = NULL;

		rc = to_json(w, path, *word, &v);
		if (!rc && json_array_append_new(args, v))
			rc = no_memory(w);
	}
	if (!rc)
		rc = check_all(w, args, path, JSON_STRING);
	if (!rc && (!json_array_size(args) ||
		    !json_string_length(json_array_get(args, 0))))
		rc = refuse(w, path,
			    "names no command (give one behind --bundle DIR)");
	return rc;
}

/* Each name once, as the runtime is to have it. */
static int add_env(const struct bundle_want *w, json_t *env, const char *var)
{
	size_t len = strcspn(var, "=") + 1, i;
	json_t *old, *v = NULL;
	int rc = to_json(w, "--env", var, &v);

	if (rc)
		return rc;
	json_array_foreach (env, i, old)
		if (strncmp(json_string_value(old), var, len) == 0)
			return json_array_set_new(env, i, v) ? no_memory(w) : 0;
	return json_array_append_new(env, v) ? no_memory(w) : 0;
}

static int set_env(const struct bundle_want *w, json_t *process)
{
	json_t *env;
	int rc = need_list(w, process, "process.env", &env);

	if (!rc)
		rc = check_all(w, env, "process.env", JSON_STRING);
	for (size_t i = 0; i < w->run->n_env && !rc; i++)
		rc = add_env(w, env, w->run->env[i]);
	return rc;
}

static int set_cwd(const struct bundle_want *w, json_t *process)
{
	json_t *cwd = NULL;
	int rc = 0;

	if (w->run->workdir) {
		rc = to_json(w, "--workdir", w->run->workdir, &cwd);
		if (!rc && json_object_set_new(process, "cwd", cwd))
			rc = no_memory(w);
	}
	if (!rc)
		rc = need(w, process, "process.cwd", JSON_STRING, &cwd);
	if (!rc && json_string_value(cwd)[0] != '/')
		rc = refuse(w, "process.cwd", "not an absolute path");
	return rc;
}

/* Names are the root file system's, which the runtime enters, not we. */
static int set_user(const struct bundle_want *w, json_t *process)
{
	const char *user = w->run->user;
	size_t len = user ? strcspn(user, ":") : 0;
	uint64_t uid, gid = 0;
	json_t *v;

	if (!user)
		return find(w, process, "process.user", JSON_OBJECT, &v);
	if (parse_uint_n(user, len, 0, UINT32_MAX - 1, &uid) ||
	    (user[len] &&
	     parse_uint(user + len + 1, 0, UINT32_MAX - 1, &gid))) {
		log_error("--user %.64s: with --bundle only numbers, UID or "
			  "UID:GID",
			  user);
		return -EINVAL;
	}
	v = json_pack("{sIsI}", "uid", (json_int_t)uid, "gid", (json_int_t)gid);
	return json_object_set_new(process, "user", v) ? no_memory(w) : 0;
}

static int rewrite_process(const struct bundle_want *w, json_t *config)
{
	json_t *process;
	int rc = need(w, config, "process", JSON_OBJECT, &process);

	if (!rc)
		rc = set_args(w, process);
	if (!rc)
		rc = set_env(w, process);
	if (!rc)
		rc = set_cwd(w, process);
	if (!rc)
		rc = set_user(w, process);
	if (!rc &&
	    json_object_set_new(process, "terminal", json_boolean(w->run->tty)))
		rc = no_memory(w);
	return rc;
}

/* ---- its files ---- */

/* @object's @key, a path, with the bundle before it when it is relative */
static int make_absolute(const struct bundle_want *w, json_t *object,
			 const char *key)
{
	const char *path = json_string_value(json_object_get(object, key));

	if (path[0] == '/')
		return 0;
	/* both are UTF-8, or there would be no such string */
	return json_object_set_new(object, key,
				   json_sprintf("%s/%s", w->dir, path))
		       ? refuse(w, key, "the bundle's own path is not UTF-8")
		       : 0;
}

static int rewrite_root(const struct bundle_want *w, json_t *config)
{
	json_t *root, *path;
	int rc = need(w, config, "root", JSON_OBJECT, &root);

	if (!rc)
		rc = need(w, root, "root.path", JSON_STRING, &path);
	if (!rc && !json_string_length(path))
		rc = refuse(w, "root.path", "is empty");
	return rc ? rc : make_absolute(w, root, "path");
}

static bool is_bind(const json_t *mount)
{
	const char *type = json_string_value(json_object_get(mount, "type"));
	bool bind = type && strcmp(type, "bind") == 0;
	size_t i;
	json_t *v;

	json_array_foreach (json_object_get(mount, "options"), i, v)
		bind |= strcmp(json_string_value(v), "bind") == 0 ||
			strcmp(json_string_value(v), "rbind") == 0;
	return bind;
}

/* There is none in a pod, as with --rootfs. */
static bool is_cgroup(const json_t *mount)
{
	const char *type = json_string_value(json_object_get(mount, "type"));

	return type &&
	       (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0);
}

static int check_mount(const struct bundle_want *w, json_t *mount)
{
	json_t *dst, *src, *type, *options;
	int rc = need(w, mount, "mounts.destination", JSON_STRING, &dst);

	if (!rc)
		rc = find(w, mount, "mounts.source", JSON_STRING, &src);
	if (!rc)
		rc = find(w, mount, "mounts.type", JSON_STRING, &type);
	if (!rc)
		rc = find(w, mount, "mounts.options", JSON_ARRAY, &options);
	if (!rc)
		rc = check_all(w, options, "mounts.options", JSON_STRING);
	if (rc || !is_bind(mount))
		return rc;
	return src ? make_absolute(w, mount, "source")
		   : refuse(w, "mounts.source", "is missing");
}

static bool is_mounted(const json_t *mounts, const char *dst)
{
	size_t i;
	json_t *m;

	json_array_foreach (mounts, i, m) {
		json_t *v = json_object_get(m, "destination");

		if (strcmp(json_string_value(v), dst) == 0)
			return true;
	}
	return false;
}

/* @src: owned; NULL: it is no string of JSON's */
static int add_bind(const struct bundle_want *w, json_t *mounts, json_t *src,
		    const char *dst, const char *mode)
{
	json_t *m = src ? json_pack("{sssssOs[sss]}", "destination", dst,
				    "type", "bind", "source", src, "options",
				    "rbind", "rprivate", mode)
			: NULL;

	json_decref(src);
	if (!m)
		return refuse(w, "mounts", "%.64s: not UTF-8", dst);
	return json_array_append_new(mounts, m) ? no_memory(w) : 0;
}

/* As with --rootfs, but what the bundle has there itself is its own. */
static int add_texts(const struct bundle_want *w, json_t *mounts)
{
	static const char *const names[] = { "resolv.conf", "hosts" };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !rc; i++) {
		char dst[32];

		(void)snprintf(dst, sizeof(dst), "/etc/%s", names[i]);
		if (!is_mounted(mounts, dst))
			rc = add_bind(w, mounts,
				      json_sprintf("%s/%s", w->home, names[i]),
				      dst, "rw");
	}
	return rc;
}

static int rewrite_mounts(const struct bundle_want *w, json_t *config)
{
	const struct run_config *run = w->run;
	json_t *mounts;
	int rc = need_list(w, config, "mounts", &mounts);

	if (!rc)
		rc = check_all(w, mounts, "mounts", JSON_OBJECT);
	for (size_t i = json_array_size(mounts); i-- && !rc;) {
		rc = check_mount(w, json_array_get(mounts, i));
		if (!rc && is_cgroup(json_array_get(mounts, i)))
			(void)json_array_remove(mounts, i);
	}
	if (!rc)
		rc = add_texts(w, mounts);
	for (size_t i = 0; i < run->n_volumes && !rc; i++)
		rc = add_bind(w, mounts, json_string(run->volumes[i].src),
			      run->volumes[i].dst,
			      run->volumes[i].read_only ? "ro" : "rw");
	return rc;
}

/* ---- linux ---- */

static bool is_namespace(const json_t *ns, const char *type)
{
	return strcmp(json_string_value(json_object_get(ns, "type")), type) ==
	       0;
}

static bool is_pods(const json_t *ns)
{
	static const char *const pods[] = { "user", "network", "ipc", "uts",
					    "cgroup" };
	bool is = false;

	for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
		is |= is_namespace(ns, pods[i]);
	return is;
}

static int rewrite_namespaces(const struct bundle_want *w, json_t *linux_)
{
	static const char path[] = "linux.namespaces";
	json_t *all, *type = NULL;
	int rc = need_list(w, linux_, path, &all);

	if (!rc)
		rc = check_all(w, all, path, JSON_OBJECT);
	for (size_t i = json_array_size(all); i-- && !rc;) {
		json_t *ns = json_array_get(all, i);

		rc = need(w, ns, "linux.namespaces.type", JSON_STRING, &type);
		if (!rc && json_object_get(ns, "path"))
			rc = refuse(w, path,
				    "%.32s: has a path, and a container's are "
				    "its pod's (remove the path)",
				    json_string_value(type));
		if (!rc && is_pods(ns))
			(void)json_array_remove(all, i);
	}
	return rc;
}

/*
 * Devices are no loss: in a user namespace none can be made, and none mounted
 * but what the user could open.
 */
static int drop_cgroups(const struct bundle_want *w, json_t *linux_)
{
	char names[200] = "";
	json_t *resources, *v;
	const char *key;
	size_t len = 0;
	int rc = find(w, linux_, "linux.resources", JSON_OBJECT, &resources);

	if (rc)
		return rc;
	json_object_foreach (resources, key, v)
		if (strcmp(key, "devices") != 0 && len < sizeof(names))
			len += (size_t)snprintf(names + len,
						sizeof(names) - len, "%s%.32s",
						len ? ", " : "", key);
	if (len)
		log_warn("%.200s/config.json: linux.resources: %s: not limited "
			 "(a pod has no cgroup)",
			 w->dir, names);
	(void)json_object_del(linux_, "resources");
	(void)json_object_del(linux_, "cgroupsPath");
	return 0;
}

static int rewrite_linux(const struct bundle_want *w, json_t *config)
{
	json_t *linux_, *sysctl;
	int rc = need(w, config, "linux", JSON_OBJECT, &linux_);

	if (!rc)
		rc = find(w, linux_, "linux.sysctl", JSON_OBJECT, &sysctl);
	if (!rc && json_object_size(sysctl))
		rc = refuse(w, "linux.sysctl",
			    "%.64s: a container can't set it, its namespaces "
			    "are the pod's (remove it)",
			    json_object_iter_key(json_object_iter(sysctl)));
	if (!rc)
		rc = rewrite_namespaces(w, linux_);
	if (!rc)
		rc = drop_cgroups(w, linux_);
	(void)json_object_del(linux_, "uidMappings");
	(void)json_object_del(linux_, "gidMappings");
	return rc;
}

int bundle_rewrite(json_t *config, const struct bundle_want *w)
{
	json_t *version, *hostname;
	int rc;

	if (!json_is_object(config)) {
		log_error("%.200s/config.json: not an object", w->dir);
		return -EINVAL;
	}
	rc = need(w, config, "ociVersion", JSON_STRING, &version);
	if (!rc)
		rc = find(w, config, "hostname", JSON_STRING, &hostname);
	if (!rc)
		rc = rewrite_process(w, config);
	if (!rc)
		rc = rewrite_root(w, config);
	if (!rc)
		rc = rewrite_mounts(w, config);
	if (!rc)
		rc = rewrite_linux(w, config);
	(void)json_object_del(config, "hostname");
	(void)json_object_del(config, "domainname");
	return rc;
}

const char *bundle_hostname(const json_t *config)
{
	return json_string_value(json_object_get(config, "hostname"));
}

static void drop_gid(json_t *options)
{
	for (size_t i = json_array_size(options); i--;)
		if (strncmp(json_string_value(json_array_get(options, i)),
			    "gid=", 4) == 0)
			(void)json_array_remove(options, i);
}

/* The memory that the pod's containers share, in place of one of its own. */
static int share_shm(json_t *mount, const char *shm)
{
	const char *dst =
		json_string_value(json_object_get(mount, "destination"));
	json_t *now;
	int rc;

	if (!shm || strcmp(dst, "/dev/shm") != 0 || is_bind(mount))
		return 0;
	now = json_pack("{sssss[ssss]}", "type", "bind", "source", shm,
			"options", "rbind", "nosuid", "nodev", "noexec");
	rc = json_object_update(mount, now);
	json_decref(now);
	return rc ? log_errno(ENOMEM, "config.json") : 0;
}

int bundle_adapt(json_t *config, const struct bundle_facts *f)
{
	json_t *all =
		json_object_get(json_object_get(config, "linux"), "namespaces");
	json_t *m;
	size_t i;
	int rc = 0;

	for (i = json_array_size(all); f->shared_pids && i--;)
		if (is_namespace(json_array_get(all, i), "pid"))
			(void)json_array_remove(all, i);
	json_array_foreach (json_object_get(config, "mounts"), i, m) {
		if (f->one_id)
			drop_gid(json_object_get(m, "options"));
		if (!rc)
			rc = share_shm(m, f->shm);
	}
	return rc;
}
