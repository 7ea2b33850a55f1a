/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * `stats --prometheus`: Prometheus' text exposition format 0.0.4, for a scraper
 * or a node exporter's textfile collector.
 */

#include <jansson.h>
#include <stdio.h>

/**
 * stats_prometheus() - print the reply to "stats"
 * @pod: value of the label "pod" of each sample
 *
 * What isn't known (null in the reply) has no sample.
 */
void stats_prometheus(FILE *f, const json_t *all, const char *pod);
