// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads all of /proc once, then keeps what belongs to the roots: a process is
 * in when it is a root, is in a session led by one, or its parent is in. The
 * last is repeated until nothing changes, since pids say nothing about age.
 *
 * Private memory is Private_Clean + Private_Dirty of smaps_rollup: pages that
 * would be free again if the process ended. Pss has each process's share of
 * the others, too: what a helper forks with, and its libraries. Helpers are not
 * dumpable, so only root may read theirs: "unreadable" then, never 0.
 *
 * CPU time has the kernel's tick as unit (10 ms, mostly); what a child used
 * shows up in its parent's reaped_s once the parent has waited for it.
 */
#include "bench/sample.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "netstack/base/parse.h"

#define EXIT_BENCH 125

int sample_parse_stat(const char *text, long tick_hz,
		      struct sample_process *out)
{
	/* the name may hold blanks and brackets: the last one ends it */
	const char *open = strchr(text, '('), *end = strrchr(text, ')');
	unsigned long user, sys;
	long child_user, child_sys;
	double hz = (double)tick_hz;
	size_t len;

	if (!open || !end || end < open || tick_hz <= 0)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	if (sscanf(text, "%d", &out->pid) != 1 ||
	    sscanf(end + 1,
		   " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
		   &out->state, &out->ppid, &out->session, &user, &sys,
		   &child_user, &child_sys) != 7)
		return -EINVAL;
	len = (size_t)(end - open - 1);
	if (len >= sizeof(out->comm))
		len = sizeof(out->comm) - 1;
	memcpy(out->comm, open + 1, len);
	out->user_s = (double)user / hz;
	out->sys_s = (double)sys / hz;
	out->reaped_s = (double)(child_user + child_sys) / hz;
	return 0;
}

/* @key: with the newline before it; Return: bytes, or SAMPLE_UNREADABLE */
static int64_t rollup_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	long long kib;

	if (!at || sscanf(at + strlen(key), "%lld", &kib) != 1)
		return SAMPLE_UNREADABLE;
	return kib * 1024;
}

void sample_parse_rollup(const char *text, struct sample_process *out)
{
	int64_t clean = rollup_value(text, "\nPrivate_Clean:");
	int64_t dirty = rollup_value(text, "\nPrivate_Dirty:");
	int64_t pss = rollup_value(text, "\nPss:");

	out->private_bytes = out->pss_bytes = SAMPLE_UNREADABLE;
	if (clean == SAMPLE_UNREADABLE || dirty == SAMPLE_UNREADABLE ||
	    pss == SAMPLE_UNREADABLE)
		return;
	out->private_bytes = clean + dirty;
	out->pss_bytes = pss;
}

static int64_t count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	int64_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return SAMPLE_UNREADABLE;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void read_memory(struct sample_process *p)
{
	char path[64], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup",
		       (int)p->pid);
	if (fd_read_text(path, text, sizeof(text)) <= 0)
		text[0] = '\0';
	sample_parse_rollup(text, p);
}

/* Return: 1, 0 when it isn't there (any more), or -errno, logged */
static int read_process(const char *pid, long tick_hz, struct sample *s,
			size_t *cap)
{
	char path[64], text[1024];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	if (fd_read_text(path, text, sizeof(text)) <= 0)
		return 0;
	if (s->n == *cap) {
		size_t want = *cap ? *cap * 2 : 256;
		struct sample_process *p =
			realloc(s->processes, want * sizeof(*p));

		if (!p)
			return log_errno(ENOMEM, "processes");
		s->processes = p;
		*cap = want;
	}
	if (sample_parse_stat(text, tick_hz, &s->processes[s->n]))
		return 0;
	s->n++;
	return 1;
}

static int read_all(struct sample *s)
{
	long tick_hz = sysconf(_SC_CLK_TCK);
	DIR *dir = opendir("/proc");
	size_t cap = 0;
	int rc = 0;

	if (!dir)
		return log_errno(errno, "/proc");
	for (struct dirent *e = readdir(dir); e && rc >= 0; e = readdir(dir))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			rc = read_process(e->d_name, tick_hz, s, &cap);
	(void)closedir(dir);
	return rc < 0 ? rc : 0;
}

static bool is_root(const struct sample_query *q, pid_t pid)
{
	for (size_t i = 0; i < q->n_roots; i++)
		if (q->roots[i] == pid)
			return true;
	return false;
}

static bool is_skipped(const struct sample_query *q, const char *comm)
{
	for (size_t i = 0; i < q->n_skip; i++)
		if (strcmp(q->skip[i], comm) == 0)
			return true;
	return false;
}

/* Is its parent in? */
static bool inherits(const struct sample *s, const bool *in, size_t i)
{
	for (size_t k = 0; k < s->n; k++)
		if (in[k] && s->processes[k].pid == s->processes[i].ppid)
			return true;
	return false;
}

static int choose(const struct sample_query *q, struct sample *s)
{
	bool *in = calloc(s->n + 1, sizeof(*in));
	bool changed = true;
	size_t kept = 0;

	if (!in)
		return log_errno(ENOMEM, "processes");
	for (size_t i = 0; i < s->n; i++)
		in[i] = is_root(q, s->processes[i].pid) ||
			is_root(q, s->processes[i].session);
	while (changed) {
		changed = false;
		for (size_t i = 0; i < s->n; i++) {
			if (in[i] || !inherits(s, in, i))
				continue;
			in[i] = changed = true;
		}
	}
	for (size_t i = 0; i < s->n; i++)
		if (in[i] && !is_skipped(q, s->processes[i].comm))
			s->processes[kept++] = s->processes[i];
	s->n = kept;
	free(in);
	return 0;
}

int sample_take(const struct sample_query *query, struct sample *out)
{
	struct sample s = SAMPLE_NULL;
	int rc = read_all(&s);

	if (!rc)
		rc = choose(query, &s);
	if (rc) {
		sample_drop(&s);
		return rc;
	}
	for (size_t i = 0; i < s.n; i++) {
		struct sample_process *p = &s.processes[i];

		if (p->state == 'Z') /* has ended: nothing left but its CPU */
			continue;
		read_memory(p);
		p->n_fds = count_fds(p->pid);
	}
	*out = s;
	return 0;
}

void sample_drop(struct sample *s)
{
	free(s->processes);
	*s = (struct sample)SAMPLE_NULL;
}

static void print_count(const char *key, int64_t value)
{
	if (value == SAMPLE_UNREADABLE)
		printf("\"%s\":\"unreadable\"", key);
	else
		printf("\"%s\":%lld", key, (long long)value);
}

/* A process chooses its own name: nothing in it may end the JSON string. */
static void print_name(const char *comm)
{
	for (; *comm; comm++) {
		unsigned char c = (unsigned char)*comm;

		if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e)
			putchar('?');
		else
			putchar(c);
	}
}

static void print_sample(const struct sample *s)
{
	double cpu = 0;
	int64_t bytes = 0, pss = 0, fds = 0, unreadable = 0;

	printf("{\"schema\":1,\"processes\":[");
	for (size_t i = 0; i < s->n; i++) {
		const struct sample_process *p = &s->processes[i];

		printf("%s{\"pid\":%d,\"name\":\"", i ? "," : "", (int)p->pid);
		print_name(p->comm);
		printf("\",\"user_s\":%.2f,\"sys_s\":%.2f,\"reaped_s\":%.2f,",
		       p->user_s, p->sys_s, p->reaped_s);
		print_count("private_bytes", p->private_bytes);
		putchar(',');
		print_count("pss_bytes", p->pss_bytes);
		putchar(',');
		print_count("fds", p->n_fds);
		putchar('}');
		cpu += p->user_s + p->sys_s + p->reaped_s;
		if (p->private_bytes == SAMPLE_UNREADABLE ||
		    p->n_fds == SAMPLE_UNREADABLE) {
			unreadable++;
			continue;
		}
		bytes += p->private_bytes;
		pss += p->pss_bytes;
		fds += p->n_fds;
	}
	printf("],\"count\":%zu,\"cpu_s\":%.2f,", s->n, cpu);
	print_count("private_bytes", unreadable ? SAMPLE_UNREADABLE : bytes);
	putchar(',');
	print_count("pss_bytes", unreadable ? SAMPLE_UNREADABLE : pss);
	putchar(',');
	print_count("fds", unreadable ? SAMPLE_UNREADABLE : fds);
	printf(",\"unreadable\":%lld}\n", (long long)unreadable);
}

/* Operands into @pids, --skip values to the front of @argv. */
static int parse_args(int argc, char **argv, pid_t *pids,
		      struct sample_query *q)
{
	for (int i = 1; i < argc; i++) {
		uint64_t pid;

		if (strcmp(argv[i], "--skip") == 0 && i + 1 < argc) {
			argv[q->n_skip++] = argv[i + 1];
			i++;
		} else if (!parse_uint(argv[i], 1, INT32_MAX, &pid)) {
			pids[q->n_roots++] = (pid_t)pid;
		} else {
			log_error("bench-sample: %s: no process id", argv[i]);
			return -EINVAL;
		}
	}
	q->roots = pids;
	q->skip = argv;
	return 0;
}

static int take_and_print(const struct sample_query *q)
{
	struct sample s = SAMPLE_NULL;
	int rc;

	if (q->n_roots == 0) {
		log_error("bench-sample: wanted: [--skip NAME]… PID…");
		return -EINVAL;
	}
	rc = sample_take(q, &s);
	if (rc)
		return rc;
	print_sample(&s);
	sample_drop(&s);
	return fflush(stdout) ? log_errno(errno, "stdout") : 0;
}

int bench_sample_main(int argc, char **argv)
{
	pid_t *pids = calloc((size_t)argc + 1, sizeof(*pids));
	struct sample_query q = { 0 };
	int rc;

	if (!pids) {
		(void)log_errno(ENOMEM, "bench-sample");
		return EXIT_BENCH;
	}
	rc = parse_args(argc, argv, pids, &q);
	if (!rc)
		rc = take_and_print(&q);
	free(pids);
	return rc ? EXIT_BENCH : 0;
}
