// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the command sees as files: --rootfs, --bundle, --read-only, --tmpfs,
 * --volume.
 *
 * A directory's name may have colons in it, so --rootfs takes as a mode only
 * what is one; a path that ends in such a word needs a '/' behind it.
 */
#include "setup/cli/config_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/sys_mount.h"
#include "setup/bundle/bundle.h"
#include "setup/cli/config_net.h"
#include "setup/cli/opt.h"
#include "setup/pod/tmpfs.h"

static int set_rootfs(void *target, const char *value)
{
	static const struct {
		const char *word;
		enum root_mode mode;
	} modes[] = {
		{ ":rw", ROOT_PLAIN },
		{ ":ro", ROOT_READ_ONLY },
		{ ":O", ROOT_OVERLAY },
	};
	struct run_config *cfg = target;
	size_t len = strlen(value);

	cfg->root_mode = ROOT_PLAIN;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		size_t n = strlen(modes[i].word);

		if (len < n || strcmp(value + len - n, modes[i].word) != 0)
			continue;
		cfg->root_mode = modes[i].mode;
		len -= n;
		break;
	}
	free(cfg->rootfs_owned);
	cfg->rootfs = cfg->rootfs_owned = strndup(value, len);
	if (!cfg->rootfs)
		return log_errno(ENOMEM, "command line");
	return opt_path("--rootfs", cfg->rootfs);
}

/* Is @dst a path something can be mounted on: absolute, no "..", not "/"? */
static bool place_ok(const char *dst)
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

static int check_place(const char *opt, const char *value, const char *dst)
{
	if (place_ok(dst))
		return 0;
	log_error("%s %.200s: the place in the pod must be an absolute path "
		  "without '..', and not /",
		  opt, value);
	return -EINVAL;
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
	if (check_place("--volume", value, out->dst))
		return -EINVAL;
	return volume_src(value, src_len, value, &out->src);
}

static void volume_drop(struct volume *v)
{
	free(v->src);
	free(v->dst);
	*v = (struct volume){ 0 };
}

static int check_taken(const struct run_config *cfg, const char *opt,
		       const char *value, const char *dst)
{
	if (!tmpfs_named(cfg, dst))
		return 0;
	log_error("%s %.200s: %.200s is mounted on twice", opt, value, dst);
	return -EINVAL;
}

static int add_volume(void *target, const char *value)
{
	struct run_config *cfg = target;
	struct volume *all, v = { 0 };
	int rc = parse_volume(value, &v);

	if (!rc)
		rc = check_taken(cfg, "--volume", value, v.dst);
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

/* "64m", "1g", "25%": what tmpfs(5) takes, and no less than a page */
static bool size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");
	uint64_t n;

	if (parse_uint_n(s, digits, 1, UINT32_MAX, &n) ||
	    strlen(s) > digits + 1)
		return false;
	return s[digits] == '%' ? n <= 100
				: !s[digits] || strchr("kKmMgG", s[digits]);
}

static bool mode_ok(const char *s)
{
	size_t len = strlen(s);

	return len >= 3 && len <= 5 && strspn(s, "01234567") == len &&
	       (len < 5 || s[0] == '0');
}

/* One word of the options. Return: is it one? */
static bool tmpfs_word(struct tmpfs *t, const char *word)
{
	static const struct {
		const char *word;
		uint64_t set, clear;
	} flags[] = {
		{ "rw", 0, MOUNT_ATTR_RDONLY },
		{ "ro", MOUNT_ATTR_RDONLY, 0 },
		{ "exec", 0, MOUNT_ATTR_NOEXEC },
		{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
		{ "nosuid", 0, 0 }, /* always */
		{ "nodev", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(flags[i].word, word) != 0)
			continue;
		t->attrs = (t->attrs & ~flags[i].clear) | flags[i].set;
		return true;
	}
	if (strncmp(word, "size=", 5) == 0 && size_ok(word + 5)) {
		t->size = word + 5;
		return true;
	}
	if (strncmp(word, "mode=", 5) == 0 && mode_ok(word + 5)) {
		t->mode = word + 5;
		return true;
	}
	return false;
}

/* Cut DIR[:WORD,WORD...]; @t->dst holds the copy that all of it points into */
static int parse_tmpfs(struct tmpfs *t, const char *value)
{
	char *words, *word;

	t->dst = strdup(value);
	if (!t->dst)
		return log_errno(ENOMEM, "command line");
	words = t->dst;
	(void)strsep(&words, ":");
	if (opt_path("--tmpfs", t->dst) ||
	    check_place("--tmpfs", value, t->dst))
		return -EINVAL;
	while ((word = strsep(&words, ","))) {
		if (tmpfs_word(t, word))
			continue;
		log_error("--tmpfs %.200s: unknown option '%.32s' (ro, rw, "
			  "exec, noexec, size=BYTES[k|m|g|%%], mode=OCTAL)",
			  value, word);
		return -EINVAL;
	}
	return 0;
}

static int grow_tmpfs(struct run_config *cfg, const struct tmpfs *t)
{
	struct tmpfs *all = config_grow(cfg->tmpfs, cfg->n_tmpfs, sizeof(*all));

	if (!all)
		return -ENOMEM;
	cfg->tmpfs = all;
	all[cfg->n_tmpfs++] = *t;
	return 0;
}

static int add_tmpfs(void *target, const char *value)
{
	struct run_config *cfg = target;
	struct tmpfs t = { .attrs = SYS_MOUNT_INERT };
	int rc = parse_tmpfs(&t, value);

	if (!rc)
		rc = check_taken(cfg, "--tmpfs", value, t.dst);
	if (!rc)
		rc = grow_tmpfs(cfg, &t);
	if (rc)
		free(t.dst);
	return rc;
}

static int set_image(void *target, const char *value)
{
	struct run_config *cfg = target;

	if (!*value || *value == '/' || strchr(value, '=')) {
		log_error("--image %.200s: not the name of an image", value);
		return -EINVAL;
	}
	cfg->image = value;
	return 0;
}

static int set_runtime(void *target, const char *value)
{
	struct run_config *cfg = target;

	cfg->runtime = value;
	return opt_path("--runtime", value);
}

static const struct opt files_opts[] = {
	{ "bundle", 0, "DIR",
	  "run the OCI bundle there through crun or runc (its COMMAND unless "
	  "one is given)",
	  OPT_PATH(struct run_config, bundle_dir) },
	{ "image", 0, "NAME",
	  "what podsplice kube generate is to call DIR of --rootfs (DIR)",
	  set_image },
	{ "read-only", 0, NULL,
	  "the command's / can't be written to; /tmp, /run and /var/tmp are in "
	  "memory",
	  OPT_FLAG(struct run_config, read_only) },
	{ "rootfs", 0, "DIR[:ro|:O]",
	  "directory to be the command's / (it sees the user's files); :ro "
	  "read-only, :O changes are kept in memory and go away with the pod",
	  set_rootfs },
	{ "runtime", 0, "NAME|PATH",
	  "with --bundle: what runs it (crun, else runc)", set_runtime,
	  "crun runc" },
	{ "tmpfs", 0, "DIR[:OPTION,...]",
	  "an empty directory in memory (ro, exec, size=64m, mode=755); may be "
	  "repeated",
	  add_tmpfs },
	{ "volume", 'v', "SRC:DST[:ro]",
	  "mount the host's SRC on DST, read-only with :ro; may be repeated",
	  add_volume },
};

const struct opt_table config_files_opts = { "Files", files_opts,
					     ARRAY_SIZE(files_opts) };

/* What config.json says, and says better. */
static int check_bundle(const struct run_config *cfg)
{
	const struct {
		const char *opt, *field;
		bool given;
	} refused[] = {
		{ "--rootfs", "root.path", cfg->rootfs },
		{ "--read-only", "root.readonly", cfg->read_only },
		{ "--tmpfs", "mounts", cfg->n_tmpfs },
		{ "--cap-add", "process.capabilities", cfg->caps.add },
		{ "--cap-drop", "process.capabilities", cfg->caps.drop },
	};

	if (!cfg->bundle_dir && cfg->runtime) {
		log_error("--runtime %.64s: of which bundle? (--bundle DIR)",
			  cfg->runtime);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused) && cfg->bundle_dir; i++) {
		if (!refused[i].given)
			continue;
		log_error("%s: not with --bundle (%s of its config.json)",
			  refused[i].opt, refused[i].field);
		return -EINVAL;
	}
	return 0;
}

int config_files_finish(struct run_config *cfg)
{
	if (check_bundle(cfg))
		return -EINVAL;
	if (cfg->image && !cfg->rootfs) {
		log_error("--image %.200s: in which directory? (--rootfs DIR)",
			  cfg->image);
		return -EINVAL;
	}
	if (!cfg->read_only || cfg->root_mode != ROOT_OVERLAY)
		return 0;
	log_error("--read-only: makes no sense with --rootfs %.200s:O (drop "
		  "one)",
		  cfg->rootfs);
	return -EINVAL;
}

void config_files_free(struct run_config *cfg)
{
	for (size_t i = 0; i < cfg->n_volumes; i++)
		volume_drop(&cfg->volumes[i]);
	for (size_t i = 0; i < cfg->n_tmpfs; i++)
		free(cfg->tmpfs[i].dst);
	free(cfg->volumes);
	free(cfg->tmpfs);
	free(cfg->rootfs_owned);
	cfg->bundle = bundle_free(cfg->bundle);
}
