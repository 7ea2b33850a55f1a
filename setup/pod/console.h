/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * -t: between the user's stdin and stdout and the master of the pod's pty.
 * Bounded buffers both ways; who doesn't read stops who writes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "netstack/loop.h"

#define CONSOLE_BUF 8192

/* One end; which events are wanted is computed anew each turn. */
struct console_end {
	struct loop_source src;
	int fd;	       /* -1: closed, or given up */
	bool owned;    /* ours to close */
	bool pollable; /* false: a file or the like, always ready */
};

/* One direction. Ends: the source is read no more and the rest discarded. */
struct console_flow {
	char buf[CONSOLE_BUF];
	size_t off, len;
	bool ended;
};

typedef void (*console_done_fn)(void *arg);

struct console {
	struct loop *loop;
	struct console_end in, out, master;
	struct console_flow to_pod, to_user;
	struct loop_job again;
	char last;   /* last byte sent to the pod: is a line begun? */
	bool raw;    /* the terminal is in raw mode now */
	bool hup;    /* nobody has the slave any more */
	bool ending; /* drain, then call done() */
	struct termios saved;
	console_done_fn done;
	void *arg;
};

/**
 * console_init() - take the pty's master, begin to copy to stdout
 * @master: owned on success; O_NONBLOCK
 * Return: 0 or -errno, logged
 */
int console_init(struct console *c, struct loop *loop, int master);

/** console_input() - copy stdin, too; a terminal is in raw mode from here on */
void console_input(struct console *c);

/** console_deinit() - restores the terminal; idempotent */
void console_deinit(struct console *c);

/** console_raw() - raw mode again, when stdin is a terminal that is copied */
void console_raw(struct console *c);

/** console_restore() - the terminal as it was; harmless when it is so */
void console_restore(struct console *c);

/** console_resize() - the pty gets the size of the user's terminal */
void console_resize(struct console *c);

/** console_typed() - a signal typed at the terminal, for who is in front */
void console_typed(struct console *c, int sig);

/**
 * console_drain() - the pod has ended: write what is left, then call @done,
 * from the loop, never from here
 */
void console_drain(struct console *c, console_done_fn done, void *arg);
