// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which containers a pod has is written in their records only. A container's
 * record is there before it has joined, and it joins only while the pod's
 * supervisor lives: so once that has ended, no more come, and those that are
 * listed are all there are.
 */
#include "setup/cli/pods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/log.h"
#include "setup/cli/life.h"
#include "setup/cli/lookup.h"
#include "setup/state/scratch.h"

#define REMOVE_TRIES 8 /* somebody starts again what we stop */

/* ---- who is in it ---- */

struct search {
	const char *pod;
	struct pods_members *found;
};

static int add_member(void *arg, struct state_record *rec)
{
	const struct search *s = arg;
	struct pods_members *m = s->found;
	struct pods_member *all;

	if (strcmp(rec->pod, s->pod) != 0)
		return 0;
	all = reallocarray(m->all, m->n + 1, sizeof(*all));
	if (!all)
		return log_errno(ENOMEM, "%s: its containers", s->pod);
	m->all = all;
	memcpy(all[m->n].name, rec->name, sizeof(rec->name));
	all[m->n].order = rec->started_ms ? rec->started_ms : rec->created_ms;
	m->n++;
	return 0;
}

static int by_order(const void *a, const void *b)
{
	int64_t one = ((const struct pods_member *)a)->order;
	int64_t other = ((const struct pods_member *)b)->order;

	return (one > other) - (one < other);
}

int pods_members(const char *pod, struct pods_members *out)
{
	struct search search = { .pod = pod, .found = out };
	struct state s;
	int rc;

	*out = (struct pods_members){ 0 };
	rc = state_open(&s);
	if (rc)
		return rc;
	rc = state_each(&s, add_member, &search);
	state_close(&s);
	if (rc)
		pods_members_drop(out);
	else if (out->n)
		qsort(out->all, out->n, sizeof(*out->all), by_order);
	return rc;
}

void pods_members_drop(struct pods_members *m)
{
	free(m->all);
	*m = (struct pods_members){ 0 };
}

int pods_container(const char *name, struct state_record *rec)
{
	struct pods_members m;
	int rc = lookup_try(name, rec);

	if (rc == -ENOENT)
		return lookup_none(name, STATE_CONTAINER);
	if (rc || rec->kind == STATE_CONTAINER)
		return rc;
	state_drop(rec);
	rc = pods_members(name, &m);
	if (rc)
		return rc;
	if (m.n == 1) {
		rc = lookup_find(m.all[0].name, STATE_CONTAINER, rec);
	} else {
		log_error("%s: a pod of %zu containers: name one of them "
			  "(podsplice ps -a --pod)",
			  name, m.n);
		rc = -EINVAL;
	}
	pods_members_drop(&m);
	return rc;
}

/* ---- what becomes of it ---- */

int pods_start(const char *pod)
{
	struct pods_members m;
	int rc = life_start(pod, STATE_POD, true);

	if (!rc)
		rc = pods_members(pod, &m);
	if (rc)
		return rc;
	for (size_t i = 0; i < m.n; i++)
		if (life_start(m.all[i].name, STATE_CONTAINER, false))
			rc = -EIO;
	pods_members_drop(&m);
	return rc;
}

/* The youngest first; those that are gone meanwhile are fine. */
static int stop_members(const char *pod, uint64_t seconds)
{
	struct pods_members m;
	int rc = pods_members(pod, &m);

	for (size_t i = m.n; i-- > 0 && !rc;) {
		rc = life_stop(m.all[i].name, STATE_CONTAINER, seconds);
		if (rc == -ENOENT)
			rc = 0;
	}
	pods_members_drop(&m);
	return rc;
}

int pods_stop(const char *pod, uint64_t seconds)
{
	struct state_record rec;
	int rc = lookup_quietly(pod, STATE_POD, &rec);

	state_drop(&rec);
	if (!rc)
		rc = stop_members(pod, seconds);
	if (!rc)
		rc = life_stop(pod, STATE_POD, LIFE_STOP_S);
	/* those that have joined meanwhile end with it, in a moment */
	return rc ? rc : stop_members(pod, LIFE_STOP_S);
}

static int remove_members(const char *pod)
{
	struct pods_members m;
	int rc = pods_members(pod, &m);

	for (size_t i = 0; i < m.n && !rc; i++) {
		rc = life_remove_by_force(m.all[i].name, STATE_CONTAINER);
		if (rc == -ENOENT)
			rc = 0;
	}
	pods_members_drop(&m);
	return rc;
}

/* One whose supervisor was killed would seem to run while we own it. */
static int tell_ended(const struct state_own *own, struct state_record *rec)
{
	if (rec->finished_ms)
		return 0;
	rec->finished_ms = state_now_ms();
	return state_save(own, rec);
}

/*
 * Own a pod that is stopped, so that nobody starts it.
 * Return: 0, -EBUSY (it runs), -ENOENT, both not logged, or -errno, logged
 */
static int own_stopped(const struct state *s, const char *pod,
		       struct state_own *own)
{
	struct state_record rec;
	int rc = lookup_quietly(pod, STATE_POD, &rec);

	if (!rc && rec.phase != STATE_EXITED)
		rc = -EBUSY;
	state_drop(&rec);
	if (!rc)
		rc = state_take(s, pod, own);
	if (rc)
		return rc;
	rc = lookup_quietly(pod, STATE_POD, &rec);
	if (!rc)
		rc = tell_ended(own, &rec);
	state_drop(&rec);
	if (rc)
		state_release(own);
	return rc;
}

/* Return: as own_stopped() */
static int remove_stopped(const char *pod)
{
	struct state_own own;
	struct state s;
	int rc = state_open(&s);

	if (rc)
		return rc;
	rc = own_stopped(&s, pod, &own);
	if (!rc) {
		rc = remove_members(pod);
		if (!rc)
			rc = scratch_remove(own.dir);
		if (!rc)
			state_remove(&own);
		state_release(&own);
	}
	state_close(&s);
	return rc;
}

static void tell_busy(const char *pod, bool force)
{
	struct state_record rec;
	bool stopped = !lookup_try(pod, &rec) && rec.phase == STATE_EXITED;

	state_drop(&rec);
	if (stopped)
		log_error("%s: is being removed", pod);
	else if (force)
		log_error("%s: is started again and again", pod);
	else
		log_error("%s: is running (podsplice pod stop %s, or pod rm "
			  "-f)",
			  pod, pod);
}

int pods_remove(const char *pod, bool force)
{
	int rc = remove_stopped(pod);

	for (int i = 0; i < REMOVE_TRIES && rc == -EBUSY && force; i++) {
		rc = pods_stop(pod, LIFE_STOP_S);
		if (!rc)
			rc = remove_stopped(pod);
	}
	if (rc == -EBUSY)
		tell_busy(pod, force);
	if (rc == -ENOENT)
		return force ? 0 : lookup_none(pod, STATE_POD);
	return rc;
}
