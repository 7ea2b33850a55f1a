/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A file that this process makes under a name of the user's choice, and removes
 * at its end if it is still the same: a socket, a pid file.
 */

struct own_file {
	int dir; /* the directory it is in; -1: there is no file */
	char name[256];
	int inode; /* the file's own: another one isn't removed */
};

#define OWN_FILE_NULL                                                          \
	{                                                                      \
		.dir = -1, .inode = -1                                         \
	}

/**
 * own_file_dir() - cut @path into an open directory and a name in it
 * @opt: the option that named it, for messages
 * @out: set on success, its inode to -1; release with own_file_drop()
 * Return: 0 or -errno, logged
 */
int own_file_dir(struct own_file *out, const char *opt, const char *path);

/**
 * own_file_write() - make the file with @text in it, whole from its first
 * moment; a file of that name is replaced
 * @f: of own_file_dir()
 * Return: 0 or -errno, not logged
 */
int own_file_write(struct own_file *f, const char *text);

/** own_file_drop() - remove the file if it is still ours; idempotent */
void own_file_drop(struct own_file *f);
