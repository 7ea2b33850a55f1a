// SPDX-License-Identifier: GPL-2.0-or-later
/* See restart.h. */
#include "setup/helper/restart.h"

#define FIRST_MS 100
#define MOST_S	 60
#define STEADY_S 10

bool restart_wanted(const struct restart *r, int status)
{
	switch (r->when) {
	case RESTART_NO:
		break;
	case RESTART_ON_FAILURE:
		return status != 0;
	case RESTART_ALWAYS:
		return true;
	}
	return false;
}

struct mono restart_delay(struct restart *r, struct mono now)
{
	bool steady = !mono_before(mono_sub(now, r->began), mono_s(STEADY_S));

	if (!r->delay.ns || steady)
		r->delay = mono_ms(FIRST_MS);
	else
		r->delay = mono_add(r->delay, r->delay);
	if (mono_before(mono_s(MOST_S), r->delay))
		r->delay = mono_s(MOST_S);
	return r->delay;
}
