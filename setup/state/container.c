// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every `run` has a record, so that it can be found by its name, but only a
 * detached one depends on it. What `start` needs to make a detached container
 * again is one file of NUL-terminated strings (words and variables may have any
 * other byte in them, which JSON's strings may not).
 */
#include "setup/state/container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/state/background.h"
#include "setup/state/recipe.h"

/* Of a command line, for ps. */
#define COMMAND_BYTES_MAX 4096

/* A string that JSON takes, whatever bytes are in @word. */
static json_t *word_json(const char *word, size_t max)
{
	char buf[COMMAND_BYTES_MAX];
	size_t len = strnlen(word, max);
	json_t *v = json_stringn(word, len);

	if (v)
		return v;
	memcpy(buf, word, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] >= 0x80)
			buf[i] = '?';
	return json_stringn(buf, len);
}

static json_t *command_json(char *const *argv)
{
	size_t left = COMMAND_BYTES_MAX;
	json_t *list = json_array();

	for (; *argv && left; argv++) {
		size_t len = strnlen(*argv, left);

		/* without memory it is shorter */
		(void)json_array_append_new(list, word_json(*argv, left));
		left -= len < left ? len + 1 : len;
	}
	return list;
}

/* Somebody else was faster. */
static void tell_busy(const struct container *c, const char *name)
{
	struct state_record now;

	if (state_find(&c->state, name, &now))
		return;
	if (now.phase == STATE_EXITED)
		log_error("%s: is being removed", name);
	else
		log_info("%s: is running already", name);
	state_drop(&now);
}

/* One that ran before keeps its log, and when it was made. */
static int take_record(struct container *c, const char *name)
{
	struct state_record before;
	int rc = state_take(&c->state, name, &c->own);

	if (rc == -EBUSY)
		tell_busy(c, name);
	else if (rc == -ENOENT)
		log_error("%s: was removed meanwhile", name);
	if (rc)
		return rc;
	c->again = true;
	if (!state_find(&c->state, name, &before)) {
		memcpy(c->rec.id, before.id, sizeof(before.id));
		c->rec.created_ms = before.created_ms;
		c->rec.started_ms = before.started_ms;
	}
	state_drop(&before);
	return state_save(&c->own, &c->rec);
}

static int make_record(struct container *c, const struct run_config *cfg)
{
	int rc = state_open(&c->state);

	if (rc)
		return rc;
	c->rec.kind = cfg->is_pod ? STATE_POD : STATE_CONTAINER;
	state_new_id(c->rec.id);
	if (cfg->pod && !cfg->is_pod)
		(void)snprintf(c->rec.pod, sizeof(c->rec.pod), "%s", cfg->pod);
	c->rec.detached = cfg->detach;
	c->rec.remove = cfg->remove;
	c->rec.created_ms = state_now_ms();
	c->rec.exit_code = -1;
	c->rec.command = cfg->is_pod ? NULL : command_json(cfg->argv);
	if (state_proc_of(getpid(), &c->rec.supervisor))
		return log_errno(ESRCH, "/proc/self/stat");
	rc = cfg->again ? take_record(c, cfg->name)
			: state_create(&c->state, cfg->name, &c->rec, &c->own);
	if (rc)
		return rc;
	if (cfg->detach && !cfg->remove && !cfg->again)
		rc = recipe_save(c->own.dir, cfg->verb, cfg->words);
	if (!rc) {
		c->listener = control_path_listen_at(c->own.dir, STATE_CONTROL,
						     &c->control);
		rc = c->listener < 0 ? c->listener : 0;
	}
	if (rc)
		container_ended(c, -1);
	return rc;
}

int container_register(struct container *c, const struct run_config *cfg)
{
	/* a bundle needs the directory, too */
	bool must = cfg->detach || cfg->name || cfg->pod || cfg->bundle;
	char why[512];
	int rc;

	*c = (struct container)CONTAINER_NULL;
	if (!must)
		log_hold(why, sizeof(why));
	rc = make_record(c, cfg);
	if (must)
		return rc;
	log_hold(NULL, 0);
	if (rc)
		log_info("not registered: %s", why);
	return 0;
}

const char *container_name(const struct container *c)
{
	return c->own.dir < 0 ? NULL : c->own.name;
}

int container_started(struct container *c, pid_t init, json_t *ports)
{
	char why[512];
	int rc;

	json_decref(c->rec.ports);
	c->rec.ports = ports;
	if (c->own.dir < 0)
		return 0;
	c->rec.started_ms = state_now_ms();
	c->rec.finished_ms = 0;
	c->rec.exit_code = -1;
	/* it is a zombie at worst, which has its number still */
	(void)state_proc_of(init, &c->rec.init);
	if (c->rec.detached)
		return state_save(&c->own, &c->rec);
	log_hold(why, sizeof(why));
	rc = state_save(&c->own, &c->rec);
	log_hold(NULL, 0);
	if (rc)
		log_info("%s", why);
	return rc;
}

int container_tell(struct container *c, int rc, struct background *b)
{
	if (!b)
		return 0;
	if (!rc)
		rc = background_started(b, container_name(c));
	c->undone = rc;
	return rc;
}

void container_waits(struct container *c)
{
	c->rec.init = (struct state_proc){ 0 };
	(void)state_save(&c->own, &c->rec);
}

void container_ports(struct container *c, json_t *ports)
{
	/* before its start: container_started() brings them */
	if (c->own.dir < 0 || !c->rec.started_ms) {
		json_decref(ports);
		return;
	}
	json_decref(c->rec.ports);
	c->rec.ports = ports;
	(void)state_save(&c->own, &c->rec);
}

void container_ended(struct container *c, int status)
{
	bool stays;

	if (c->undone)
		status = -1;
	stays = c->again || (c->rec.detached && !c->rec.remove && status >= 0 &&
			     c->rec.started_ms);
	fd_drop(&c->listener);
	own_file_drop(&c->control);
	if (c->own.dir >= 0 && stays) {
		c->rec.finished_ms = state_now_ms();
		c->rec.exit_code = status;
		(void)state_save(&c->own, &c->rec); /* said; it has ended */
		state_release(&c->own);
	} else if (c->own.dir >= 0) {
		state_remove(&c->own);
	}
	state_drop(&c->rec);
	state_close(&c->state);
}
