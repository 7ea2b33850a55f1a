/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The system calls that make and enter namespaces, in one place. */

#include <stdbool.h>
#include <sys/types.h>

/**
 * sys_clone() - fork with namespace flags, without glibc's atfork handlers
 * @flags: CLONE_NEW… and CLONE_PARENT; the exit signal is SIGCHLD
 *
 * Only for a process with one thread, which all of ours are.
 *
 * Return: as fork(), or -errno, not logged
 */
pid_t sys_clone(int flags);

/** sys_unshare(), sys_setns() - Return: 0 or -errno, not logged */
int sys_unshare(int flags);
int sys_setns(int fd, int nstype);

/**
 * sys_open_ns() - open a namespace of a process
 * @pid:  0 means the caller
 * @name: "user", "net", …
 * Return: descriptor or -errno, logged
 */
int sys_open_ns(pid_t pid, const char *name);

/**
 * sys_enter_user() - enter a user namespace, as its user and group 0 where
 * there are such; nothing to do when we are in it already
 *
 * A process that owns anything the namespace's users shouldn't have is to be
 * severed (sys_sever()) before, and again after: the new credentials clear the
 * signal that tells of the parent's death.
 *
 * Return: 0 or -errno, not logged
 */
int sys_enter_user(int fd);

/**
 * sys_same_file() - are both the same file, as it is with namespaces?
 * One that can't be asked for is none of them.
 */
bool sys_same_file(int a, int b);

/** sys_null_stdio() - stdin and stdout become /dev/null; stderr stays */
void sys_null_stdio(void);

/**
 * sys_settle() - for who will execute nothing any more: no new privileges, and
 * no memory becomes executable that isn't (where the kernel can; children are
 * free again)
 */
void sys_settle(void);

/** sys_follow_parent() - sys_settle(), and die with the parent */
void sys_follow_parent(void);

/** sys_sever() - sys_follow_parent(), and not dumpable */
void sys_sever(void);

/**
 * sys_keep_fds() - close every descriptor but 0, 1, 2 and those given
 * @fds: moved to 3, 4, … and updated in place; -1 stays -1
 */
void sys_keep_fds(int *const fds[], size_t n);
