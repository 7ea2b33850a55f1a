// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket between clients that send anything in any pieces, and
 * processes of the helper that answer anything: a pod that took one over may
 * not get further than to wrong numbers. The input is a series of steps; what
 * a client is told is lines of JSON with a "return" or an "error".
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "netstack/base/fd.h"
#include "netstack/base/msg.h"
#include "portfwd/portfwd.h"
#include "setup/helper/control_frame.h"
#include "setup/helper/control_verbs.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS	   4
#define PREFIX_MAX 512

struct client {
	int fd;
	char *heard; /* of a line that isn't whole yet */
	size_t n_heard;
};

struct world {
	struct loop loop;
	struct loop_job stop;
	struct podnet plan;
	struct publisher publisher;
	struct control_facts facts;
	struct control_verbs *verbs;
	struct sockaddr_un at;
	socklen_t at_len;
	struct client clients[CLIENTS];
	int ours[QUERY_N_WHO], theirs[QUERY_N_WHO];
};

static void on_stop(struct loop_job *job)
{
	loop_stop(&container_of(job, struct world, stop)->loop, 0);
}

static void turn(struct world *w)
{
	w->loop.stopped = false;
	loop_defer(&w->loop, &w->stop);
	check(loop_run(&w->loop) == 0);
}

/* What is published here has no sockets. */
static int publish(void *arg, const struct spec *spec, uint32_t *id)
{
	struct world *w = arg;
	struct published *p = calloc(1, sizeof(*p));

	check(p && spec->count);
	p->fds = malloc(spec->count * sizeof(*p->fds));
	p->ports = calloc(spec->count, sizeof(*p->ports));
	check(p->fds && p->ports);
	memset(p->fds, -1, spec->count * sizeof(*p->fds));
	p->spec = *spec;
	p->id = *id = ++w->publisher.last_id;
	list_append(&w->publisher.specs, &p->link);
	return 0;
}

static void unpublish(void *arg, struct published *p, bool drop)
{
	struct world *w = arg;

	publisher_remove(&w->publisher, p, drop);
}

static void judge(void *arg)
{
	struct world *w = arg;

	check(!publisher_judge(&w->publisher)); /* no portfwd was told */
}

/* Where a request ends doesn't depend on how much of the next is there. */
static void check_framing(const char *in, size_t n)
{
	size_t blanks = frame_blanks(in, n), len;

	check(blanks <= n);
	in += blanks;
	n -= blanks;
	len = frame_len(in, n);
	check(len <= n);
	for (size_t part = 0; part < n && part < PREFIX_MAX; part++)
		check(frame_len(in, part) == (len && part >= len ? len : 0));
}

/* ---- clients ---- */

static void client_open(struct world *w, struct client *c)
{
	if (c->fd >= 0)
		return;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(c->fd >= 0 && fd_nonblock(c->fd) == 0);
	if (connect(c->fd, (struct sockaddr *)&w->at, w->at_len))
		fd_drop(&c->fd); /* the backlog is full */
}

static void client_close(struct client *c)
{
	fd_drop(&c->fd);
	free(c->heard);
	c->heard = NULL;
	c->n_heard = 0;
}

static void check_line(const char *line, size_t len)
{
	json_t *o = json_loadb(line, len, 0, NULL);

	check(json_is_object(o) && json_object_size(o) == 1);
	check(json_object_get(o, "return") ||
	      json_is_string(
		      json_object_get(json_object_get(o, "error"), "desc")));
	json_decref(o);
}

static void client_hear(struct client *c)
{
	char buf[4096];
	ssize_t n;

	while (c->fd >= 0 &&
	       (n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		char *eol;

		c->heard = realloc(c->heard, c->n_heard + (size_t)n);
		check(c->heard != NULL);
		memcpy(c->heard + c->n_heard, buf, (size_t)n);
		c->n_heard += (size_t)n;
		while ((eol = memchr(c->heard, '\n', c->n_heard))) {
			size_t len = (size_t)(eol - c->heard) + 1;

			check_line(c->heard, len);
			c->n_heard -= len;
			memmove(c->heard, eol + 1, c->n_heard);
		}
	}
}

static void client_say(struct client *c, struct tape *t, unsigned int times)
{
	size_t len = tape_u8(t);
	uint8_t *bytes = tape_bytes(t, &len);

	while (c->fd >= 0 && times--)
		(void)send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(bytes);
}

static void client_ask(struct client *c, uint8_t which)
{
	static const char *const asks[] = {
		"{\"execute\":\"info\"}",
		"{\"execute\":\"stats\"}",
		"{\"execute\":\"flows\"}\n",
	};
	const char *ask = asks[which % 3];

	if (c->fd >= 0)
		(void)send(c->fd, ask, strlen(ask),
			   MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- the helper's other processes ---- */

static void child_new(struct world *w, enum query_who who)
{
	int ends[2];

	check(control_verbs_attach(w->verbs, who, -1) == 0);
	fd_drop(&w->ours[who]);
	fd_drop(&w->theirs[who]);
	check(msg_pair(ends) == 0 && fd_nonblock(ends[0]) == 0 &&
	      fd_nonblock(ends[1]) == 0);
	w->ours[who] = ends[0];
	w->theirs[who] = ends[1];
	check(control_verbs_attach(w->verbs, who, ends[0]) == 0);
}

/* A body that is as long as a right one, or as the tape says. */
static size_t answer_len(uint8_t how, struct tape *t, uint16_t *n_flows)
{
	const size_t lens[] = {
		sizeof(struct netstack_totals),
		sizeof(struct portfwd_totals),
		sizeof(struct maker_totals),
	};

	if (how & 0x40)
		return tape_u8(t);
	if (how % 4 < 3)
		return lens[how % 4];
	*n_flows = tape_u8(t) % 4;
	return offsetof(struct portfwd_flows, flows) +
	       *n_flows * sizeof(struct flow_record);
}

/* An answer to the last question there is, with its cookie. */
static void child_answer(struct world *w, enum query_who who, struct tape *t)
{
	static const uint32_t types[] = { NETSTACK_STATS_ARE, PORTFWD_STATS_ARE,
					  MAKER_STATS_ARE, PORTFWD_FLOWS_ARE };
	uint8_t how = tape_u8(t), body[MSG_BODY_MAX] = { 0 };
	uint16_t n_flows = 0;
	size_t len = answer_len(how, t, &n_flows), n = len < 400 ? len : 400;
	uint8_t *bytes = tape_bytes(t, &n);
	struct msg m;

	memcpy(body, bytes, n);
	free(bytes);
	if (n_flows)
		memcpy(body + offsetof(struct portfwd_flows, head.n), &n_flows,
		       sizeof(n_flows));
	while (msg_recv(w->theirs[who], &m) > 0) {
		if (m.len == sizeof(uint32_t))
			memcpy(body, m.body, m.len);
		msg_drop(&m);
	}
	(void)msg_send(w->theirs[who], how & 0x80 ? how & 0x7f : types[how % 4],
		       body, len, NULL, 0);
}

static void child_die(struct world *w, enum query_who who)
{
	fd_drop(&w->theirs[who]);
	turn(w); /* as the supervisor sees it end before it attaches another */
	child_new(w, who);
}

static void step(struct world *w, struct tape *t)
{
	uint8_t op = tape_u8(t), which = tape_u8(t);
	struct client *c = &w->clients[which % CLIENTS];
	enum query_who who = (enum query_who)(which % QUERY_N_WHO);

	switch (op % 9) {
	case 0:
		client_open(w, c);
		break;
	case 1:
		client_say(c, t, 1);
		break;
	case 2:
		client_say(c, t, 300); /* longer than a request may be */
		break;
	case 3:
		client_ask(c, which >> 4);
		break;
	case 4:
		if (c->fd >= 0)
			(void)shutdown(c->fd, SHUT_WR);
		break;
	case 5:
		client_close(c);
		break;
	case 6:
		client_hear(c);
		break;
	case 7:
		child_answer(w, who, t);
		break;
	case 8:
		child_die(w, who);
		break;
	}
}

static int listener(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* no name given: the kernel finds one that is no file (unix(7)) */
	w->at.sun_family = AF_UNIX;
	w->at_len = sizeof(w->at.sun_family);
	check(fd >= 0 && bind(fd, (struct sockaddr *)&w->at, w->at_len) == 0 &&
	      listen(fd, CLIENTS) == 0);
	w->at_len = sizeof(w->at);
	check(getsockname(fd, (struct sockaddr *)&w->at, &w->at_len) == 0);
	return fd;
}

static void world_end(struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		client_hear(&w->clients[i]);
		client_close(&w->clients[i]);
	}
	control_verbs_free(w->verbs);
	publisher_deinit(&w->publisher);
	for (size_t i = 0; i < QUERY_N_WHO; i++) {
		fd_drop(&w->ours[i]);
		fd_drop(&w->theirs[i]);
	}
	loop_deinit(&w->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct outlet none;
	struct world w = { .plan = fuzz_plan() };
	struct tape t = { data, size };

	check_framing((const char *)data, size);
	w.facts = (struct control_facts){ .plan = &w.plan,
					  .datapath = "splice",
					  .publisher = &w.publisher,
					  .pod = &w.plan,
					  .forward = &none,
					  .publish = publish,
					  .unpublish = unpublish,
					  .judge = judge,
					  .arg = &w };
	publisher_init(&w.publisher);
	check(loop_init(&w.loop) == 0);
	w.stop.fn = on_stop;
	list_init(&w.stop.link);
	for (size_t i = 0; i < CLIENTS; i++)
		w.clients[i].fd = -1;
	check(control_verbs_new(&w.verbs, &w.loop, &w.facts) == 0 &&
	      control_verbs_listen(w.verbs, listener(&w)) == 0);
	for (int i = 0; i < QUERY_N_WHO; i++) {
		w.ours[i] = w.theirs[i] = -1;
		child_new(&w, (enum query_who)i);
	}
	while (t.left) {
		step(&w, &t);
		turn(&w);
	}
	world_end(&w);
	return 0;
}
