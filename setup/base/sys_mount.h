/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * System calls about mounts. A mount is a descriptor first ("detached", seen
 * by nobody) and is attached to its place later; closing a descriptor that
 * was never attached dissolves the mount. Linux 5.12 or newer.
 *
 * All return 0 or -errno, and nothing here logs: callers know the object.
 */

#include <stdint.h>
#include <sys/mount.h>

/* One option of a filesystem; value NULL: a flag. A list ends with key NULL. */
struct sys_fs_opt {
	const char *key, *value;
};

#define SYS_MOUNT_INERT                                                        \
	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/**
 * sys_mount_new() - a fresh instance of filesystem @type, detached
 * @out:   set on success
 * @opts:  NULL: none
 * @attrs: MOUNT_ATTR_…
 */
int sys_mount_new(int *out, const char *type, const struct sys_fs_opt *opts,
		  uint64_t attrs);

/**
 * sys_mount_clone() - what is at @path, with all mounted below it, detached
 * @out:   set on success
 * @dirfd: where a relative @path begins
 */
int sys_mount_clone(int *out, int dirfd, const char *path);

/** sys_mount_attach() - put @mnt over what @target (O_PATH will do) names */
int sys_mount_attach(int mnt, int target);

/** sys_mount_read_only() - @mnt and all below it; other flags stay */
int sys_mount_read_only(int mnt);

/** sys_mount_read_only_one() - @mnt, but nothing below it */
int sys_mount_read_only_one(int mnt);

/** sys_mount_writable() - @mnt, but nothing below it; -EPERM: it is locked */
int sys_mount_writable(int mnt);

/** sys_mount_all_slave() - receive mounts from outside, never send any there */
int sys_mount_all_slave(void);

/** sys_mount_all_set() - MOUNT_ATTR_… for every mount there is */
int sys_mount_all_set(uint64_t attrs);

/**
 * sys_root_pivot() - make the attached mount @root the root directory and the
 * working directory; the old root is gone for good
 */
int sys_root_pivot(int root);

/** sys_session_keyring() - leave the caller's session keyring behind */
int sys_session_keyring(void);
