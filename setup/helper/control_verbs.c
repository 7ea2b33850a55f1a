// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats and flows need answers of other processes (query.h). Calls that come
 * in while a round is under way wait for the next one: what they are told is
 * never older than their question. All calls of a round share one reply.
 *
 * A round about ports waits until portfwd was sent all it must be. When it
 * reads nothing of that for as long as others may say nothing, the calls are
 * told without it.
 */
#include "setup/helper/control_verbs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/helper/control_json.h"
#include "setup/helper/control_ports.h"

/* The calls that wait for one sort of answer. */
struct gather {
	struct list now, next;
	bool active; /* a round is under way, perhaps for nobody any more */
};

struct control_verbs {
	const struct control_facts *facts;
	struct control *controls[2]; /* NULL: none */
	size_t n_controls;
	struct loop *loop;
	struct query *query;
	int mem_fd;
	struct gather gathers[QUERY_N_WHAT];
	struct loop_timer stuck; /* the publisher may be */
	unsigned int moves;	 /* its, when that was set */
	bool dump, dump_now;	 /* the next round of stats, this one */
	bool check;		 /* there is to be a round of ports */
	struct text *listing;	 /* of the flows' round under way */
	bool comma;
};

/* ---- rounds ---- */

static void wait_for_publisher(struct control_verbs *v)
{
	v->moves = v->facts->publisher->moves;
	/* logged; then they wait as long as it takes */
	(void)loop_timer_set(
		v->loop, &v->stuck,
		mono_add(loop_now(v->loop), mono_ms(QUERY_PATIENCE_MS)));
}

/* Begin a round for those who wait, if any do. */
static void begin(struct control_verbs *v, enum query_what what)
{
	struct gather *g = &v->gathers[what];

	g->active = !list_empty(&g->next) || (what == QUERY_STATS && v->dump) ||
		    (what == QUERY_PORTS && v->check);
	/* the question goes behind the changes: control_verbs_sent() */
	if (what == QUERY_PORTS && publisher_busy(v->facts->publisher)) {
		if (g->active && !v->stuck.pos)
			wait_for_publisher(v);
		g->active = false;
	}
	if (!g->active)
		return;
	list_move(&g->now, &g->next);
	if (what == QUERY_STATS) {
		v->dump_now = v->dump;
		v->dump = false;
	}
	if (what == QUERY_FLOWS) {
		v->listing = text_new();
		v->comma = false;
		if (v->listing)
			text_puts(v->listing,
				  "{\"return\":{\"schema\":1,\"flows\":[");
	}
	if (what == QUERY_PORTS) {
		v->check = false;
		loop_timer_stop(v->loop, &v->stuck);
		publisher_ask(v->facts->publisher);
	}
	query_begin(v->query, what);
}

void control_verbs_sent(struct control_verbs *v)
{
	if (v && !v->gathers[QUERY_PORTS].active)
		begin(v, QUERY_PORTS);
}

void control_verbs_check_ports(struct control_verbs *v)
{
	v->check = true;
	control_verbs_sent(v);
}

static void gather(struct control_verbs *v, enum query_what what,
		   struct control_call *call)
{
	struct gather *g = &v->gathers[what];

	list_append(&g->next, &call->link);
	if (!g->active)
		begin(v, what);
}

/* The same for all of a round; @reply NULL or broken: no memory. */
static void reply_all(struct gather *g, struct text *reply)
{
	while (!list_empty(&g->now)) {
		struct control_call *call =
			container_of(g->now.next, struct control_call, link);

		if (reply && !reply->err)
			control_reply(call, reply);
		else
			control_error(call, "the answer needs too much memory");
	}
	text_unref(reply);
}

/* @all is dropped. A line of the log is short, so one for each section. */
static void dump(const char *what, json_t *all)
{
	const char *key;
	json_t *value;

	json_object_foreach (all, key, value) {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		log_warn("state: %s: %s: %s", what, key, text ? text : "?");
		free(text);
	}
	json_decref(all);
}

void control_verbs_dump(struct control_verbs *v)
{
	dump("info", control_json_info(v->facts));
	v->dump = true;
	if (!v->gathers[QUERY_STATS].active)
		begin(v, QUERY_STATS);
}

static void on_stats(void *arg, const struct query_stats *st)
{
	struct control_verbs *v = arg;
	struct procmem own = procmem_read(v->mem_fd);
	struct text *t = text_new();

	if (v->dump_now)
		dump("stats", control_json_stats(v->facts, st, &own));
	v->dump_now = false;

	if (t) {
		text_puts(t, "{\"return\":");
		text_json(t, control_json_stats(v->facts, st, &own));
		text_puts(t, "}\n");
	}
	reply_all(&v->gathers[QUERY_STATS], t);
	begin(v, QUERY_STATS);
}

static int32_t owner(const struct control_verbs *v, const struct flow_record *r)
{
	if (!v->facts->sockets)
		return -1;
	return sockdiag_owner(v->facts->sockets,
			      r->path == FLOW_UDP ? IPPROTO_UDP : IPPROTO_TCP,
			      &r->pod, &r->remote);
}

static void on_flows(void *arg, const struct flow_record *r, size_t n)
{
	struct control_verbs *v = arg;

	for (size_t i = 0; i < n && v->listing; i++) {
		if (v->comma)
			text_puts(v->listing, ",");
		v->comma = true;
		text_json(v->listing,
			  control_json_flow(&r[i], owner(v, &r[i])));
	}
}

static void on_flows_end(void *arg, bool whole)
{
	struct control_verbs *v = arg;
	struct text *t = v->listing;

	v->listing = NULL;
	if (t) {
		text_puts(t, "],\"incomplete\":[");
		if (!whole)
			text_puts(t, "\"portfwd\"");
		text_puts(t, "]}}\n");
	}
	reply_all(&v->gathers[QUERY_FLOWS], t);
	begin(v, QUERY_FLOWS);
}

static void on_ports(void *arg, const struct port_record *r, size_t n)
{
	struct control_verbs *v = arg;

	publisher_tell(v->facts->publisher, r, n);
}

static void end_ports(struct control_verbs *v, bool whole)
{
	struct list *now = &v->gathers[QUERY_PORTS].now;

	while (!list_empty(now))
		control_ports_end(
			v->facts,
			container_of(now->next, struct control_call, link),
			whole);
}

static void on_ports_end(void *arg, bool whole)
{
	struct control_verbs *v = arg;

	if (whole)
		v->facts->judge(v->facts->arg);
	end_ports(v, whole);
	begin(v, QUERY_PORTS);
}

static void on_stuck(struct loop_timer *t)
{
	struct control_verbs *v = container_of(t, struct control_verbs, stuck);
	struct gather *g = &v->gathers[QUERY_PORTS];

	if (v->moves != v->facts->publisher->moves) {
		wait_for_publisher(v);
		return;
	}
	list_move(&g->now, &g->next);
	end_ports(v, false);
}

/* ---- verbs ---- */

static void verb_info(struct control_verbs *v, struct control_call *call,
		      const json_t *arguments)
{
	(void)arguments;
	control_return(call, control_json_info(v->facts));
}

static void verb_stats(struct control_verbs *v, struct control_call *call,
		       const json_t *arguments)
{
	(void)arguments;
	gather(v, QUERY_STATS, call);
}

static void verb_flows(struct control_verbs *v, struct control_call *call,
		       const json_t *arguments)
{
	(void)arguments;
	gather(v, QUERY_FLOWS, call);
}

void control_verbs_exec(struct control_call *call,
			bool (*session)(void *arg, int conn), void *arg)
{
	scoped_fd conn = control_take_fd(call);

	if (conn < 0)
		control_error(call,
			      "bad request: exec: no socket came with it");
	else if (!session || !session(arg, conn))
		control_error(call, "no command runs there");
	else
		control_return(call, json_object());
}

static void verb_exec(struct control_verbs *v, struct control_call *call,
		      const json_t *arguments)
{
	(void)arguments;
	control_verbs_exec(call, v->facts->session, v->facts->session_arg);
}

static void verb_join(struct control_verbs *v, struct control_call *call,
		      const json_t *arguments)
{
	int conn = control_take_fd(call);

	(void)arguments;
	if (conn < 0) {
		control_error(call,
			      "bad request: join: no socket came with it");
	} else if (!v->facts->join) {
		fd_drop(&conn);
		control_error(call, "no pod for containers");
	} else {
		v->facts->join(v->facts->session_arg, conn);
		control_return(call, json_object());
	}
}

static const struct {
	const char *name;
	void (*fn)(struct control_verbs *v, struct control_call *call,
		   const json_t *arguments);
} verbs[] = {
	{ "exec", verb_exec }, { "flows", verb_flows }, { "info", verb_info },
	{ "join", verb_join }, { "stats", verb_stats },
};

/* Return: is there such a verb? */
static bool answer(struct control_verbs *v, struct control_call *call,
		   const char *verb, const json_t *arguments)
{
	enum control_ports_next next;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		verbs[i].fn(v, call, arguments);
		return true;
	}
	next = control_ports_begin(v->facts, call, verb, arguments);
	if (next == CONTROL_PORTS_LATER)
		gather(v, QUERY_PORTS, call);
	return next != CONTROL_PORTS_UNKNOWN;
}

static void on_request(void *arg, struct control_call *call, const char *verb,
		       const json_t *arguments)
{
	if (!answer(arg, call, verb, arguments))
		control_error(call, "bad request: execute: no such verb: %.64s",
			      verb);
}

static void on_api_request(void *arg, struct control_call *call,
			   const char *verb, const json_t *arguments)
{
	if (!answer(arg, call, verb, arguments))
		control_error(call, "bad request: unknown execute");
}

/* ---- set-up ---- */

int control_verbs_new(struct control_verbs **out, struct loop *loop,
		      const struct control_facts *facts)
{
	struct control_verbs *v = calloc(1, sizeof(*v));
	struct query_ops ops = { on_stats, on_flows,	 on_flows_end,
				 on_ports, on_ports_end, v };
	int rc;

	if (!v)
		return log_errno(ENOMEM, "control socket");
	v->facts = facts;
	v->loop = loop;
	v->stuck.fn = on_stuck;
	v->mem_fd = procmem_open();
	for (size_t i = 0; i < QUERY_N_WHAT; i++) {
		list_init(&v->gathers[i].now);
		list_init(&v->gathers[i].next);
	}
	rc = query_new(&v->query, loop, &ops);
	if (rc) {
		control_verbs_free(v);
		return rc;
	}
	*out = v;
	return 0;
}

static int listen_to(struct control_verbs *v, int listener, control_fn fn)
{
	assert(v->n_controls < ARRAY_SIZE(v->controls));
	return control_new(&v->controls[v->n_controls++], v->loop, listener, fn,
			   v);
}

int control_verbs_listen(struct control_verbs *v, int listener)
{
	return listen_to(v, listener, on_request);
}

int control_verbs_serve_api(struct control_verbs *v, int listener)
{
	static const struct control_manners slirp4netns = {
		.too_long = 4096,
		.once = true,
		.length = "bad request: too large message",
		.json = "bad request: cannot parse JSON",
		.object = "bad request: json_object() failed",
		.verb = "bad request: no execute found",
	};
	int rc = listen_to(v, listener, on_api_request);

	if (!rc)
		control_set_manners(v->controls[v->n_controls - 1],
				    &slirp4netns);
	return rc;
}

struct control_verbs *control_verbs_free(struct control_verbs *v)
{
	if (!v)
		return NULL;
	/* their calls are on our lists */
	for (size_t i = 0; i < ARRAY_SIZE(v->controls); i++)
		control_free(v->controls[i]);
	loop_timer_stop(v->loop, &v->stuck);
	query_free(v->query);
	text_unref(v->listing);
	fd_drop(&v->mem_fd);
	free(v);
	return NULL;
}

int control_verbs_attach(struct control_verbs *v, enum query_who who, int fd)
{
	return v ? query_attach(v->query, who, fd) : 0;
}
