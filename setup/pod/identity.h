/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* -u USER[:GROUP]: which ids that is, by the container's own files. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define IDENTITY_GROUPS_MAX 256

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[IDENTITY_GROUPS_MAX]; /* supplementary ones */
	size_t n_groups;
	char home[PATH_MAX]; /* "/" where no entry says it */
};

/**
 * identity_form_ok() - is it USER or USER:GROUP, names or numbers?
 * Nothing is looked up, and nothing logged.
 */
bool identity_form_ok(const char *user);

/**
 * identity_find() - look it up
 * @user:   as identity_form_ok() has it
 * @passwd: a file like /etc/passwd, @group: like /etc/group; neither has to
 *	    be there for numbers
 *
 * A user with an entry has its group, and is in those groups that list it,
 * unless a group is given. A number without an entry has group 0.
 *
 * Return: 0 or -errno, logged
 */
int identity_find(struct identity *out, const char *user, const char *passwd,
		  const char *group);

/**
 * identity_assume() - become it, for good
 * @keep_caps:	   don't lose what is permitted with user 0
 * @may_setgroups: else the groups stay as they are, which is all a single-id
 *		   map allows
 *
 * Groups that aren't mapped are left out; a user or group that isn't is an
 * error.
 *
 * Return: 0 or -errno, logged
 */
int identity_assume(const struct identity *id, bool keep_caps,
		    bool may_setgroups);
