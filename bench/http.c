// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GET of a file that holds the beginning of the pattern and has its length for
 * a name, from a real web server: each client waits for all of it, checks the
 * status, the length and every byte, and asks again, on the same connection or
 * with --close on another.
 *
 *	CONNECT (until EPOLLOUT) -> HEAD (until the empty line) -> BODY -> HEAD
 *	   \________________________________________________________/ --close
 *
 * What isn't as it should be ends the run, without a figure. So does a client
 * that had no answer at all: the others would tell of a shorter queue.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/latency.h"
#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"

#define HEAD_MAX    1024
#define REQUEST_MAX 128
#define STATUS	    "HTTP/1.1 200 "
#define LENGTH	    "\nContent-Length: "

enum http_state { HTTP_IDLE, HTTP_CONNECT, HTTP_HEAD, HTTP_BODY };

struct http;

struct http_client {
	struct loop_source src;
	struct http *http;
	enum http_state state;
	struct mono started;
	bool served; /* once, at least */
	size_t n_head;
	uint64_t n_body;
	char head[HEAD_MAX]; /* and a zero */
};

struct http {
	struct run run;
	struct latency lat;
	struct http_client *clients;
	uint64_t n_answers; /* with those that warmed up */
	size_t request_len;
	char request[REQUEST_MAX];
};

static void client_close(struct http_client *c)
{
	if (c->state == HTTP_IDLE)
		return;
	loop_close(&c->http->run.loop, &c->src);
	c->state = HTTP_IDLE;
}

static void client_ask(struct http_client *c)
{
	struct http *h = c->http;

	if (!h->run.cfg->close)
		c->started = mono_now();
	c->state = HTTP_HEAD;
	c->n_head = c->n_body = 0;
	/* first in its direction: the socket takes it whole */
	if (send(c->src.fd, h->request, h->request_len, MSG_NOSIGNAL) !=
	    (ssize_t)h->request_len)
		run_fail(&h->run, "send: %s", strerror(errno));
}

static void client_event(struct loop_source *src, uint32_t revents);

static void client_connect(struct http_client *c)
{
	struct run *run = &c->http->run;
	int fd;

	c->started = mono_now();
	fd = load_connect(&run->cfg->target, SOCK_STREAM);
	if (fd < 0) {
		run_fail(run, "connect: %s", strerror(-fd));
		return;
	}
	c->src = (struct loop_source){ fd, EPOLLOUT, client_event };
	if (loop_add(&run->loop, &c->src)) {
		fd_drop(&fd);
		run_fail(run, "epoll");
		return;
	}
	c->state = HTTP_CONNECT;
}

static void client_connected(struct http_client *c)
{
	struct run *run = &c->http->run;
	int rc = load_connected(c->src.fd);

	if (rc)
		run_fail(run, "connect: %s", strerror(-rc));
	else if (loop_mod(&run->loop, &c->src, EPOLLIN))
		run_fail(run, "epoll");
	else
		client_ask(c);
}

static void client_answered(struct http_client *c)
{
	struct http *h = c->http;

	h->n_answers++;
	c->served = true;
	latency_add(&h->lat, c->started, mono_now());
	if (!h->run.cfg->close) {
		client_ask(c);
		return;
	}
	client_close(c);
	client_connect(c);
}

static void take_body(struct http_client *c, const uint8_t *data, size_t len)
{
	struct run *run = &c->http->run;
	uint64_t bad;

	if (len > run->cfg->size_bytes - c->n_body) {
		run_fail(run, "more comes than was asked for");
		return;
	}
	if (!pattern_check(run->pattern, c->n_body, data, len, &bad)) {
		run_fail(run, "payload is wrong at byte %llu",
			 (unsigned long long)bad);
		return;
	}
	c->n_body += len;
	if (c->n_body == run->cfg->size_bytes)
		client_answered(c);
}

/* Is it the right answer, and of the right length? */
static bool head_is_right(const struct http_client *c, size_t len)
{
	const char *at = strcasestr(c->head, LENGTH);
	uint64_t n;

	if (strncmp(c->head, STATUS, strlen(STATUS)) != 0 || !at ||
	    at > c->head + len)
		return false;
	at += strlen(LENGTH);
	return parse_uint_n(at, strcspn(at, "\r"), 0, UINT64_MAX, &n) == 0 &&
	       n == c->http->run.cfg->size_bytes;
}

static void take_head(struct http_client *c, size_t n)
{
	struct run *run = &c->http->run;
	const char *end;
	size_t len;

	c->n_head += n;
	c->head[c->n_head] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end && c->n_head < HEAD_MAX - 1)
		return;
	len = end ? (size_t)(end - c->head) : 0;
	if (!end || !head_is_right(c, len)) {
		run_fail(run, "that is no answer: %.*s",
			 (int)strcspn(c->head, "\r\n"), c->head);
		return;
	}
	c->state = HTTP_BODY;
	len += 4;
	take_body(c, (const uint8_t *)c->head + len, c->n_head - len);
}

static void client_recv(struct http_client *c)
{
	struct run *run = &c->http->run;
	bool head = c->state == HTTP_HEAD;
	void *to = head ? c->head + c->n_head : (char *)run->buf;
	size_t room = head ? HEAD_MAX - 1 - c->n_head : PATTERN_CHUNK;
	ssize_t n = recv(c->src.fd, to, room, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		run_fail(run, "recv: %s",
			 n ? strerror(errno) : "closed by the other end");
	else if (head)
		take_head(c, (size_t)n);
	else
		take_body(c, run->buf, (size_t)n);
}

static void client_event(struct loop_source *src, uint32_t revents)
{
	struct http_client *c = container_of(src, struct http_client, src);

	(void)revents;
	if (c->state == HTTP_CONNECT)
		client_connected(c);
	else
		client_recv(c);
}

static int http_start(struct http *h)
{
	const struct load_config *cfg = h->run.cfg;
	int rc = latency_begin(&h->lat);

	if (rc)
		return rc;
	h->request_len =
		(size_t)snprintf(h->request, sizeof(h->request),
				 "GET /%llu HTTP/1.1\r\nHost: bench\r\n%s\r\n",
				 (unsigned long long)cfg->size_bytes,
				 cfg->close ? "Connection: close\r\n" : "");
	h->clients = calloc(cfg->conns, sizeof(*h->clients));
	if (!h->clients)
		return log_errno(ENOMEM, "clients");
	for (uint64_t i = 0; i < cfg->conns; i++) {
		h->clients[i].http = h;
		client_connect(&h->clients[i]);
	}
	return 0;
}

/* Return: 0 or 1, logged */
static int all_served(struct http *h)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < h->run.cfg->conns; i++)
		n += h->clients[i].served;
	if (n == h->run.cfg->conns)
		return 0;
	run_fail(&h->run, "only %llu of the clients had an answer",
		 (unsigned long long)n);
	return 1;
}

static void http_print(const struct http *h)
{
	const struct load_config *cfg = h->run.cfg;
	char target[ADDR_TEXT_MAX];

	printf("{\"schema\":1,\"test\":\"http\",\"clients\":%llu,"
	       "\"size\":%llu,\"close\":%s,\"answers\":%llu,",
	       (unsigned long long)cfg->conns,
	       (unsigned long long)cfg->size_bytes,
	       cfg->close ? "true" : "false", (unsigned long long)h->n_answers);
	hist_describe(&h->lat.hist, latency_seconds(&h->lat));
	printf(",\"verified\":true,\"target\":\"%s\"}\n",
	       endpoint_format(&cfg->target, target));
}

int load_http(const struct load_config *cfg)
{
	struct http *h = calloc(1, sizeof(*h)); /* the histogram is large */
	int rc;

	if (!h)
		return log_errno(ENOMEM, "http");
	rc = latency_init(&h->lat, &h->run, "http", cfg);
	if (!rc)
		rc = http_start(h);
	if (!rc)
		rc = latency_run(&h->lat);
	if (!rc)
		rc = all_served(h);
	if (!rc)
		http_print(h);
	for (uint64_t i = 0; h->clients && i < cfg->conns; i++)
		client_close(&h->clients[i]);
	free(h->clients);
	run_deinit(&h->run);
	free(h);
	return rc;
}
