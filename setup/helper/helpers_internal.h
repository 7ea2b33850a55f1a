/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Between helpers.c and helpers_tell.c. */

#include "setup/helper/helpers.h"

/**
 * helpers_config_netstack() - all that it has to know, to begin with
 * Return: 0 or -errno, as msg_send(), not logged
 */
int helpers_config_netstack(const struct helpers *h);

/** helpers_config_portfwd() - the same for portfwd, with its ports */
int helpers_config_portfwd(const struct helpers *h);

/* of struct helpers.tell_again */
void helpers_on_tell_again(struct loop_timer *t);
