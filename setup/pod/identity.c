// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The container's files are read as such, line by line, by fgetpwent(3):
 * getpwnam(3) would load what nsswitch.conf in the container names, into a
 * process that has power over the pod. They are whatever the image's maker or
 * the container's root made of them, so only a regular file is read.
 */
#include "setup/pod/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"
#include "setup/base/idmap.h"

/* the last number says "leave it as it is": setresuid(2) */
#define ID_MAX	     (UINT32_MAX - 1)
#define NAME_MAX_LEN 255

static bool word_ok(const char *s, size_t len)
{
	if (!len || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || s[i] == ':')
			return false;
	return true;
}

/* A word of digits only is a number, and has to be one that can be. */
static bool id_ok(const char *s, size_t len)
{
	uint64_t id;

	if (!word_ok(s, len))
		return false;
	return strspn(s, "0123456789") < len ||
	       parse_uint_n(s, len, 0, ID_MAX, &id) == 0;
}

bool identity_form_ok(const char *user)
{
	size_t len = strcspn(user, ":");

	if (!id_ok(user, len))
		return false;
	return !user[len] || id_ok(user + len + 1, strlen(user + len + 1));
}

/* NULL: there is none, or none that may be read */
static FILE *open_regular(const char *path)
{
	scoped_fd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	FILE *f;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	f = fdopen(fd, "r");
	if (f)
		(void)fd_take(&fd);
	return f;
}

/* Is @word, a name or a number, this entry? */
static bool matches(const char *word, const char *name, uint64_t id)
{
	uint64_t n;

	return strcmp(word, name) == 0 ||
	       (parse_uint(word, 0, ID_MAX, &n) == 0 && n == id);
}

/* Return: was there an entry? Its name is put into @name then. */
static bool find_user(struct identity *out, const char *word, const char *path,
		      char name[NAME_MAX_LEN + 1])
{
	FILE *f = open_regular(path);
	const struct passwd *pw;

	if (!f)
		return false;
	do {
		pw = fgetpwent(f);
	} while (pw && !matches(word, pw->pw_name, pw->pw_uid));
	if (pw) {
		out->uid = pw->pw_uid;
		out->gid = pw->pw_gid;
		(void)snprintf(name, NAME_MAX_LEN + 1, "%s", pw->pw_name);
		if (pw->pw_dir && pw->pw_dir[0] == '/')
			(void)snprintf(out->home, sizeof(out->home), "%s",
				       pw->pw_dir);
	}
	(void)fclose(f); /* read only: nothing to lose */
	return pw;
}

static bool find_group(gid_t *out, const char *word, const char *path)
{
	FILE *f = open_regular(path);
	const struct group *gr;

	if (!f)
		return false;
	do {
		gr = fgetgrent(f);
	} while (gr && !matches(word, gr->gr_name, gr->gr_gid));
	if (gr)
		*out = gr->gr_gid;
	(void)fclose(f); /* read only: nothing to lose */
	return gr;
}

static void find_memberships(struct identity *out, const char *name,
			     const char *path)
{
	FILE *f = open_regular(path);
	const struct group *gr;

	while (f && out->n_groups < IDENTITY_GROUPS_MAX &&
	       (gr = fgetgrent(f))) {
		char **m = gr->gr_mem;

		while (*m && strcmp(*m, name) != 0)
			m++;
		if (*m)
			out->groups[out->n_groups++] = gr->gr_gid;
	}
	if (f)
		(void)fclose(f); /* read only: nothing to lose */
}

int identity_find(struct identity *out, const char *user, const char *passwd,
		  const char *group)
{
	char word[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
	size_t len = strcspn(user, ":");
	uint64_t id;

	*out = (struct identity){ .home = "/" };
	(void)snprintf(word, sizeof(word), "%.*s", (int)len, user);
	if (find_user(out, word, passwd, name)) {
		if (!user[len])
			find_memberships(out, name, group);
	} else if (parse_uint(word, 0, ID_MAX, &id) == 0) {
		out->uid = (uid_t)id;
	} else {
		log_error("--user %s: no such user in the container's %s", word,
			  passwd);
		return -ENOENT;
	}
	if (!user[len] || find_group(&out->gid, user + len + 1, group))
		return 0;
	if (parse_uint(user + len + 1, 0, ID_MAX, &id)) {
		log_error("--user %s: no such group in the container's %s",
			  user, group);
		return -ENOENT;
	}
	out->gid = (gid_t)id;
	return 0;
}

/* An id that the pod doesn't have is EINVAL: setresuid(2) */
static int refused(const char *what, unsigned int id)
{
	if (errno != EINVAL)
		return log_errno(errno, "become %s %u of the container", what,
				 id);
	log_error("--user: %s %u is not mapped in the pod (more subordinate "
		  "ids: usermod --add-sub%cids)",
		  what, id, what[0]);
	return -EINVAL;
}

static int set_groups(const struct identity *id)
{
	gid_t mapped[IDENTITY_GROUPS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < id->n_groups; i++)
		if (idmap_has_gid(id->groups[i]))
			mapped[n++] = id->groups[i];
	return setgroups(n, mapped) ? log_errno(errno, "setgroups") : 0;
}

int identity_assume(const struct identity *id, bool keep_caps,
		    bool may_setgroups)
{
	int rc = may_setgroups ? set_groups(id) : 0;

	if (rc)
		return rc;
	if (setresgid(id->gid, id->gid, id->gid))
		return refused("group", id->gid);
	/* execution takes it back */
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return log_errno(errno, "keep capabilities");
	if (setresuid(id->uid, id->uid, id->uid))
		return refused("user", id->uid);
	return 0;
}
