/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What is known of this user's containers: one directory, no daemon.
 *
 * $XDG_RUNTIME_DIR/podsplice, or /tmp/podsplice-UID, has a directory
 * containers/NAME for each: its record. The supervisor owns the record while
 * it lives (a lock that ends with the process says so), a verb that changes
 * the record of a dead one owns it meanwhile. Everybody else only reads.
 */

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STATE_NAME_MAX 63

/* Files in a record's directory, besides those that are private to state.c. */
#define STATE_CONTROL	 "control"    /* the control socket */
#define STATE_LOG	 "log"	      /* the command's output */
#define STATE_HELPER_LOG "helper.log" /* podsplice's own messages */

/* A process, known for good: its number may be another's when it is gone. */
struct state_proc {
	pid_t pid;	      /* 0: there is none */
	uint64_t start_ticks; /* after boot: field 22 of /proc/PID/stat */
};

enum state_phase {
	STATE_STARTING, /* its supervisor lives, its command doesn't run yet */
	STATE_RUNNING,
	STATE_EXITED, /* nothing of it runs */
};

/* Pods and containers share their names. */
enum state_kind { STATE_CONTAINER, STATE_POD };

#define STATE_ID_TEXT 17

/* One of them. Times are milliseconds since 1970, 0: not yet. */
struct state_record {
	enum state_kind kind;
	char name[STATE_NAME_MAX + 1];
	char id[STATE_ID_TEXT]; /* its own for good, whatever its name was */
	char pod[STATE_NAME_MAX + 1]; /* it is in; "": in one of its own */
	enum state_phase phase;	      /* found out when read, never saved */
	int dir; /* open while the record is: for openat() of its files */
	/* init: the container's first process, the pod's infra process */
	struct state_proc supervisor, init;
	bool detached, remove; /* remove: --rm */
	int64_t created_ms, started_ms, finished_ms;
	int exit_code;		 /* -1: not known */
	json_t *command, *ports; /* arrays, or NULL */
};

/* The store. */
struct state {
	int containers;
};

#define STATE_NULL                                                             \
	{                                                                      \
		.containers = -1                                               \
	}

/* A record that this process may change. */
struct state_own {
	char name[STATE_NAME_MAX + 1];
	int containers; /* the store's, borrowed */
	int dir, lock;
};

#define STATE_OWN_NULL                                                         \
	{                                                                      \
		.containers = -1, .dir = -1, .lock = -1                        \
	}

#define STATE_DIR_TEXT 32

/**
 * state_runtime_dir() - where this user's runtime files are
 * @own: for the directory that stands in for $XDG_RUNTIME_DIR when that isn't
 *	 an absolute path
 *
 * Return: the variable's value, borrowed, or @own
 */
const char *state_runtime_dir(char own[STATE_DIR_TEXT]);

/**
 * state_path() - where the record of @name is, or would be
 * @out: an absolute path
 * Return: 0 or -ENAMETOOLONG, logged
 */
int state_path(const char *name, char out[PATH_MAX]);

/**
 * state_open() - open the store, made when it isn't there
 *
 * A directory that another user owns or may write to is refused.
 *
 * Return: 0 or -errno, logged
 */
int state_open(struct state *s);

/** state_close() - idempotent */
void state_close(struct state *s);

/** state_name_ok() - can a container be called that? */
bool state_name_ok(const char *name);

/* ---- looking ---- */

/**
 * state_find() - read the record of @name
 * @rec: release with state_drop()
 * Return: 0, -ENOENT (not logged) or -errno, logged
 */
int state_find(const struct state *s, const char *name,
	       struct state_record *rec);

/**
 * state_each() - call @fn with every record, in no order
 * @fn: may take @rec over by leaving an empty one; returns 0 or -errno to stop
 *
 * Removes what a killed process has left of a container that was not to stay.
 *
 * Return: 0 or -errno, logged
 */
int state_each(const struct state *s,
	       int (*fn)(void *arg, struct state_record *rec), void *arg);

/** state_drop() - release what a record holds; idempotent */
void state_drop(struct state_record *rec);

/** state_proc_of() - Return: 0 or -ESRCH, not logged */
int state_proc_of(pid_t pid, struct state_proc *out);

/**
 * state_pidfd() - a descriptor of exactly this process
 * Return: it, the caller's, or -ESRCH when the process is gone (or in a pid
 * namespace that can't be seen from here), not logged
 */
int state_pidfd(const struct state_proc *p);

/** state_new_id() - one that nobody else has */
void state_new_id(char out[STATE_ID_TEXT]);

/** state_now_ms() - the time as records have it */
int64_t state_now_ms(void);

/* ---- owning ---- */

/**
 * state_create() - make a record and own it
 * @name: NULL: one is made up, which @out then has
 * @rec:  what to save in it
 * @out:  release with state_release(), or state_remove() to be rid of it
 *
 * Return: 0, -EEXIST (logged) when the name is taken, or -errno, logged
 */
int state_create(const struct state *s, const char *name,
		 const struct state_record *rec, struct state_own *out);

/**
 * state_take() - own the record of a container of which nothing runs
 * @out: as of state_create()
 *
 * Waits up to 2 s for another owner of such a one.
 *
 * Return: 0, -EBUSY when it runs or stays another's, -ENOENT, both not logged,
 *	   or -errno, logged
 */
int state_take(const struct state *s, const char *name, struct state_own *out);

/** state_save() - replace what the record says; Return: 0 or -errno, logged */
int state_save(const struct state_own *own, const struct state_record *rec);

/** state_remove() - remove the record with all its files; releases it */
void state_remove(struct state_own *own);

/** state_release() - own it no more; idempotent */
void state_release(struct state_own *own);
