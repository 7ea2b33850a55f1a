// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Three cases, in this order: a privileged caller writes the identity map
 * itself; newuidmap(1) writes the subordinate ids of subuid(5); a single-id
 * map is what anybody may write, once setgroups is denied (user_namespaces(7)).
 */
#include "setup/base/idmap_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"

static int write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	rc = fd_write_text(path, text);
	return rc ? log_errno(-rc, "write %s", path) : 0;
}

void idmap_read_own(const char *path, struct idmap *map)
{
	char line[128];
	FILE *f = fopen(path, "re");

	map->n = 0;
	if (!f)
		return;
	while (map->n < IDMAP_ROWS_MAX && fgets(line, sizeof(line), f)) {
		struct idmap_row *r = &map->rows[map->n];
		char *end;

		r->inside = strtoul(line, &end, 10);
		r->outside = strtoul(end, &end, 10);
		r->count = strtoul(end, &end, 10);
		if (r->count)
			map->n++;
	}
	(void)fclose(f); /* read only: nothing to lose */
}

/*
 * All ids that there are is what programs (runc, crun, systemd) take for the
 * sign of being in no user namespace; so the pod of the superuser lacks one.
 */
static int write_identity(pid_t pid, const char *own, const char *file)
{
	char text[IDMAP_ROWS_MAX * 40];
	struct idmap map;
	size_t len = 0;

	idmap_read_own(own, &map);
	for (size_t i = 0; i < map.n; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%lu %lu %lu\n",
			map.rows[i].inside, map.rows[i].inside,
			map.rows[i].count - (map.rows[i].count == UINT32_MAX));
	return write_map(pid, file, text);
}

int idmap_identity(pid_t pid)
{
	int rc = write_identity(pid, "/proc/self/uid_map", "uid_map");

	return rc ? rc : write_identity(pid, "/proc/self/gid_map", "gid_map");
}

void idmap_read_subids(const char *path, const char *name, uid_t uid,
		       struct idmap *map)
{
	size_t cap = 0;
	char *line = NULL, number[16];
	FILE *f = fopen(path, "re");

	map->n = 0;
	if (!f)
		return;
	(void)snprintf(number, sizeof(number), "%u", uid);
	/* whole lines, however long: the rest of one could look like another */
	while (map->n < IDMAP_ROWS_MAX - 1 && getline(&line, &cap, f) >= 0) {
		struct idmap_row *r = &map->rows[map->n];
		char *colon = strchr(line, ':'), *end;

		if (!colon)
			continue;
		*colon = '\0';
		if (strcmp(line, number) != 0 &&
		    (!name || strcmp(line, name) != 0))
			continue;
		r->outside = strtoul(colon + 1, &end, 10);
		r->count = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
		if (r->count)
			map->n++;
	}
	free(line);
	(void)fclose(f); /* read only: nothing to lose */
}

/* Run newuidmap or newgidmap for @pid: 0 → @self, then the ranges from 1. */
static int run_newidmap(const char *prog, pid_t pid, unsigned int self,
			const struct idmap *map)
{
	char num[3 * IDMAP_ROWS_MAX + 4][16];
	char *argv[3 * IDMAP_ROWS_MAX + 6];
	posix_spawn_file_actions_t fa;
	unsigned long inside = 1;
	size_t n = 0;
	pid_t child;
	int status, rc;

	argv[0] = (char *)(uintptr_t)prog;
	(void)snprintf(num[n], sizeof(num[n]), "%d", (int)pid);
	n++;
	(void)snprintf(num[n++], sizeof(num[0]), "0");
	(void)snprintf(num[n++], sizeof(num[0]), "%u", self);
	(void)snprintf(num[n++], sizeof(num[0]), "1");
	for (size_t i = 0; i < map->n; i++) {
		(void)snprintf(num[n++], sizeof(num[0]), "%lu", inside);
		(void)snprintf(num[n++], sizeof(num[0]), "%lu",
			       map->rows[i].outside);
		(void)snprintf(num[n++], sizeof(num[0]), "%lu",
			       map->rows[i].count);
		inside += map->rows[i].count;
	}
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = num[i];
	argv[n + 1] = NULL;
	if (posix_spawn_file_actions_init(&fa))
		return -ENOMEM;
	/* its complaint, if any, is ours to make: there is a fallback */
	rc = posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawnp(&child, prog, &fa, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa); /* always succeeds */
	if (rc)
		return -rc;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int map_subordinate(pid_t pid)
{
	struct idmap uids, gids;
	const struct passwd *pw = getpwuid(geteuid());
	const char *name = pw ? pw->pw_name : NULL;
	int rc;

	/* subgid(5) is by user, too */
	idmap_read_subids("/etc/subuid", name, geteuid(), &uids);
	idmap_read_subids("/etc/subgid", name, geteuid(), &gids);
	if (!uids.n || !gids.n) {
		log_info(
			"%s: no subordinate ids in /etc/subuid and /etc/subgid: only one user in the pod (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER)",
			name ? name : "caller");
		return -ENOENT;
	}
	rc = run_newidmap("newuidmap", pid, geteuid(), &uids);
	if (!rc)
		rc = run_newidmap("newgidmap", pid, getegid(), &gids);
	if (rc)
		log_info(
			"newuidmap: %s: only one user in the pod (install the package uidmap, check /etc/subuid and /etc/subgid)",
			strerror(-rc));
	return rc;
}

static bool map_is_empty(pid_t pid, const char *file)
{
	char path[64], text[16];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fd_read_text(path, text, sizeof(text)) == 0;
}

static int map_single(pid_t pid)
{
	char text[32];
	int rc;

	/* newuidmap may have done its half before newgidmap failed */
	if (map_is_empty(pid, "uid_map")) {
		(void)snprintf(text, sizeof(text), "0 %u 1\n", geteuid());
		rc = write_map(pid, "uid_map", text);
		if (rc)
			return rc;
	}
	rc = write_map(pid, "setgroups", "deny");
	if (rc)
		return rc;
	(void)snprintf(text, sizeof(text), "0 %u 1\n", getegid());
	return write_map(pid, "gid_map", text);
}

int idmap_from_outside(pid_t pid)
{
	if (capng_get_caps_process() == 0 &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) &&
	    geteuid() == 0)
		return idmap_identity(pid);
	if (map_subordinate(pid) == 0)
		return 0;
	return map_single(pid);
}

unsigned int idmap_last_gid(void)
{
	unsigned long end = 0;
	struct idmap map;

	idmap_read_own("/proc/self/gid_map", &map);
	for (size_t pass = 0; pass < map.n; pass++)
		for (size_t i = 0; i < map.n; i++)
			if (map.rows[i].inside == end)
				end += map.rows[i].count;
	/* the kernel takes at most 2^31-1 here: ping_group_range in ip(7) */
	if (end > 2147483647UL)
		end = 2147483647UL;
	return end ? (unsigned int)end - 1 : 0;
}

bool idmap_has_gid(gid_t gid)
{
	struct idmap map;

	idmap_read_own("/proc/self/gid_map", &map);
	for (size_t i = 0; i < map.n; i++)
		if (gid >= map.rows[i].inside &&
		    gid - map.rows[i].inside < map.rows[i].count)
			return true;
	return false;
}

bool idmap_may_setgroups(void)
{
	char text[16];

	return fd_read_text("/proc/self/setgroups", text, sizeof(text)) > 0 &&
	       strncmp(text, "allow", 5) == 0;
}
