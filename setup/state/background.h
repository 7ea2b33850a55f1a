/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A supervisor without a terminal: forked from the verb that the user has
 * started, which waits until the command runs, or is told why it doesn't.
 * Then its output goes to logs in its directory.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "netstack/loop.h"
#include "setup/state/logfile.h"

enum background_stream {
	BACKGROUND_OUT, /* the command's stdout, or its terminal */
	BACKGROUND_ERR, /* the command's stderr */
	BACKGROUND_OWN, /* podsplice's own messages: all that is written to 2 */
	BACKGROUND_N
};

struct background {
	struct loop *loop; /* NULL: not watched yet */
	struct stream {
		struct loop_source src; /* the read end */
		int write; /* the other one, until background_watch() */
		struct background *b;
	} streams[BACKGROUND_N];
	int dir; /* of the logs, for longer than the container is registered */
	struct logfile log, own_log;
	int caller;	/* tells the verb; -1: told */
	int user_err;	/* the verb's stderr; -1: nobody reads it any more */
	int held_stdin; /* -i: keeps the command's stdin open */
	/* the write ends stay: the command is started more than once */
	bool keep_output;
};

/**
 * background_fork() - go on in a process of its own
 * @b:	 set in the child; release with background_end() and
 *	 background_tell_end()
 * @tty: the command's output comes from stdout (the console's) then
 * @interactive: stdin stays open, though nobody writes to it
 * @tell: print the name
 *
 * In the child 0, 1 and 2 aren't the caller's any more. The parent waits.
 *
 * Return: 0 in the child; in the parent, 1 when the command runs, or -errno,
 *	   said by either of them
 */
int background_fork(struct background *b, bool tty, bool interactive,
		    bool tell);

/**
 * background_output() - the write end for the command; -1: it has a terminal
 * Borrowed until background_watch(), which closes it without keep_output.
 */
int background_output(const struct background *b, enum background_stream which);

/**
 * background_watch() - read the streams from now on
 * @dir: the container's, for the logs; borrowed
 * Return: 0 or -errno, logged
 */
int background_watch(struct background *b, struct loop *loop, int dir);

/**
 * background_started() - tell the verb that the command runs
 * @name: printed by it
 * Return: 0, or -EPIPE: it is gone, so nobody knows
 */
int background_started(struct background *b, const char *name);

/**
 * background_end() - the command's writers are gone: log the rest
 * Before background_started() what was said goes to the user's stderr instead.
 * @b: NULL is fine
 */
void background_end(struct background *b);

/**
 * background_tell_end() - the container is gone, too: log what that has brought
 * up, and tell the verb, if it still waits, that it may be tried again
 * After background_end(), with the loop still there.
 * @b: NULL is fine
 */
void background_tell_end(struct background *b);
