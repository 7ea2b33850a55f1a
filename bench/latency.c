// SPDX-License-Identifier: GPL-2.0-or-later
/* See latency.h. */
#include "bench/latency.h"

#define WARM_SHARE 10

static void on_stop(struct loop_timer *t)
{
	struct latency *l = container_of(t, struct latency, stop);

	loop_stop(&l->run->loop, 0);
}

int latency_init(struct latency *l, struct run *run, const char *name,
		 const struct load_config *cfg)
{
	l->run = run;
	l->stop.fn = on_stop;
	return run_init(run, name, cfg,
			mono_add(cfg->duration, mono_s(LOAD_GRACE_S)));
}

int latency_begin(struct latency *l)
{
	struct mono now = mono_now(), all = l->run->cfg->duration;

	l->from = mono_add(now, (struct mono){ all.ns / WARM_SHARE });
	return loop_timer_set(&l->run->loop, &l->stop, mono_add(now, all));
}

void latency_add(struct latency *l, struct mono start, struct mono end)
{
	if (latency_counts(l, start))
		hist_add(&l->hist, (uint64_t)mono_sub(end, start).ns);
}

int latency_run(struct latency *l)
{
	int rc = loop_run(&l->run->loop);

	if (rc || l->hist.n)
		return rc;
	run_fail(l->run, "no answer in the time given");
	return 1;
}

double latency_seconds(const struct latency *l)
{
	double all = (double)l->run->cfg->duration.ns / 1e9;

	return all - all / WARM_SHARE;
}
