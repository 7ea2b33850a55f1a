// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Figures out of samples (bench/stats.c), the payload pattern (pattern.c),
 * what is read from /proc (sample.c), and frames under way in a delay line
 * (delay_line.c), on given input: no clock, no process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/delay_line.h"
#include "bench/pattern.h"
#include "bench/sample.h"
#include "bench/stats.h"

static void stats_of_nothing_is_zero(void **state)
{
	struct stats s = stats_of(NULL, 0);

	(void)state;
	assert_int_equal(s.n, 0);
	assert_true(s.median == 0 && stats_iqr(&s) == 0);
}

static void median_ignores_order_and_outliers(void **state)
{
	double odd[] = { 5, 1, 1000, 3, 2 }, even[] = { 4, 1, 3, 2 };
	struct stats s = stats_of(odd, 5);

	(void)state;
	assert_true(s.median == 3);
	assert_true(s.min == 1 && s.max == 1000);
	assert_true(s.q1 == 2 && s.q3 == 5);
	assert_true(stats_iqr(&s) == 3);
	s = stats_of(even, 4);
	assert_true(s.median == 2.5);
	assert_true(s.q1 == 1.75 && s.q3 == 3.25);
}

static void one_sample_is_its_own_spread(void **state)
{
	double one[] = { 7 };
	struct stats s = stats_of(one, 1);

	(void)state;
	assert_true(s.min == 7 && s.q1 == 7 && s.median == 7 && s.max == 7);
}

static void ratios_pair_rounds_and_skip_failed_ones(void **state)
{
	double a[] = { 10, 0, 30, 8 }, b[] = { 5, 5, 0, 16 }, out[4];

	(void)state;
	assert_int_equal(stats_ratios(a, b, 4, out), 2);
	assert_true(out[0] == 2 && out[1] == 0.5);
}

static void hist_is_exact_for_small_values(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	assert_int_equal(hist_percentile(h, 50), 0);
	for (uint64_t v = 1; v <= 50; v++)
		hist_add(h, v);
	assert_int_equal(hist_percentile(h, 0), 1);
	assert_int_equal(hist_percentile(h, 50), 25);
	assert_int_equal(hist_percentile(h, 90), 45);
	assert_int_equal(hist_percentile(h, 100), 50);
	free(h);
}

static void hist_keeps_every_value_within_a_64th(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));
	uint64_t v = 1;

	(void)state;
	assert_non_null(h);
	for (int i = 0; i < 64 * 7; i++, v += v / 7 + 1) {
		uint64_t got, err;

		memset(h, 0, sizeof(*h));
		hist_add(h, v);
		/* a second sample, so that min and max don't help */
		hist_add(h, 0);
		hist_add(h, UINT64_MAX);
		got = hist_percentile(h, 60);
		err = got > v ? got - v : v - got;
		assert_true(err <= v / 64 + 1);
		if (v > UINT64_MAX / 2)
			break;
	}
	assert_int_equal(hist_percentile(h, 100), UINT64_MAX);
	free(h);
}

static void hist_tail_is_found(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	for (int i = 0; i < 999; i++)
		hist_add(h, 10);
	hist_add(h, 1000000);
	assert_int_equal(hist_percentile(h, 99.9), 10);
	assert_int_equal(hist_percentile(h, 99.99), 1000000);
	free(h);
}

static void meter_counts_the_steady_part_only(void **state)
{
	struct meter m;

	(void)state;
	meter_start(&m, mono_s(100), mono_s(1), mono_s(4));
	meter_add(&m, mono_ms(100500), 1000); /* warm-up */
	meter_add(&m, mono_ms(101500), 10);   /* first mark */
	meter_add(&m, mono_ms(102500), 20);
	meter_add(&m, mono_ms(103500), 30); /* last in time */
	meter_add(&m, mono_ms(104500), 999);
	assert_int_equal(m.bytes, 2059);
	assert_int_equal(meter_steady_bytes(&m), 50);
	assert_int_equal(meter_steady_ns(&m), mono_s(2).ns);
}

static void meter_of_one_read_has_no_rate(void **state)
{
	struct meter m;

	(void)state;
	meter_start(&m, mono_s(1), MONO_ZERO, MONO_ZERO);
	meter_add(&m, mono_s(2), 1000);
	assert_int_equal(m.bytes, 1000);
	assert_int_equal(meter_steady_ns(&m), 0);
}

static void pattern_tells_where_a_byte_is_wrong(void **state)
{
	struct pattern *p = malloc(sizeof(*p));
	uint8_t *buf = malloc(PATTERN_CHUNK);
	uint64_t bad = 0, at = UINT64_C(5000000000);

	(void)state;
	assert_non_null(p);
	assert_non_null(buf);
	pattern_fill(p);
	memcpy(buf, pattern_at(p, at), PATTERN_CHUNK);
	assert_true(pattern_check(p, at, buf, PATTERN_CHUNK, &bad));
	buf[PATTERN_CHUNK - 1] ^= 1;
	assert_false(pattern_check(p, at, buf, PATTERN_CHUNK, &bad));
	assert_int_equal(bad, at + PATTERN_CHUNK - 1);
	free(buf);
	free(p);
}

static void pattern_shifted_by_pages_or_segments_is_wrong(void **state)
{
	static const uint64_t shifts[] = { 1,	  1448,	 4096,	 32741,
					   65480, 65536, 131072, 1048576 };
	struct pattern *p = malloc(sizeof(*p));
	uint64_t bad;

	(void)state;
	assert_non_null(p);
	pattern_fill(p);
	for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++)
		assert_false(pattern_check(p, 0, pattern_at(p, shifts[i]), 1448,
					   &bad));
	free(p);
}

static void stat_line_survives_any_process_name(void **state)
{
	struct sample_process p;
	const char *text = "42 (a) S 1 (b) R 7 42 40 0 -1 4194304 1 2 3 4 "
			   "150 50 25 75 20 0 1 0 100 200 300";

	(void)state;
	assert_int_equal(sample_parse_stat(text, 100, &p), 0);
	assert_int_equal(p.pid, 42);
	assert_string_equal(p.comm, "a) S 1 (b");
	assert_int_equal(p.state, 'R');
	assert_int_equal(p.ppid, 7);
	assert_int_equal(p.session, 40);
	assert_true(p.user_s == 1.5 && p.sys_s == 0.5 && p.reaped_s == 1);
	assert_true(sample_parse_stat("42 sh S 1", 100, &p) < 0);
	assert_true(sample_parse_stat("42 (sh) S 1", 100, &p) < 0);
	assert_true(sample_parse_stat("", 100, &p) < 0);
}

static void rollup_adds_clean_and_dirty_or_says_unreadable(void **state)
{
	const char *text = "5500-7ffd ---p 0 00:00 0 [rollup]\n"
			   "Rss:                1528 kB\n"
			   "Pss:                 300 kB\n"
			   "Pss_Dirty:            90 kB\n"
			   "Shared_Dirty:          4 kB\n"
			   "Private_Clean:        12 kB\n"
			   "Private_Dirty:        88 kB\n"
			   "Private_Hugetlb:       0 kB\n";
	struct sample_process p = { 0 };

	(void)state;
	sample_parse_rollup(text, &p);
	assert_int_equal(p.private_bytes, 100 * 1024);
	assert_int_equal(p.pss_bytes, 300 * 1024);
	sample_parse_rollup("", &p);
	assert_int_equal(p.private_bytes, SAMPLE_UNREADABLE);
	assert_int_equal(p.pss_bytes, SAMPLE_UNREADABLE);
	sample_parse_rollup("\nPss: 3 kB\nPrivate_Clean: 1 kB\n", &p);
	assert_int_equal(p.private_bytes, SAMPLE_UNREADABLE);
	assert_int_equal(p.pss_bytes, SAMPLE_UNREADABLE);
}

static void a_delay_line_keeps_order_and_bytes(void **state)
{
	struct delay_line line;
	struct iovec frames[4];
	uint8_t frame[200];
	uint64_t in = 0, out = 0;

	(void)state;
	assert_int_equal(delay_line_init(&line, 4096), 0);
	assert_true(delay_line_next(&line).ns == MONO_NEVER.ns);
	/* lengths that end at every place of the ring, the end included */
	while (out < 10000) {
		size_t n;

		for (int i = 0; i < 3; i++) {
			size_t len = 1 + (in * 7 + in / 200) % sizeof(frame);

			memset(frame, (int)(in & 0xff), len);
			if (!delay_line_push(&line,
					     (struct mono){ (int64_t)in },
					     frame, len))
				break;
			in++;
		}
		/* one stays, however late it is */
		n = delay_line_due(&line, (struct mono){ (int64_t)in - 2 },
				   frames, 4);
		for (size_t i = 0; i < n; i++, out++) {
			const uint8_t *got = frames[i].iov_base;
			size_t len = 1 + (out * 7 + out / 200) % sizeof(frame);

			assert_int_equal(frames[i].iov_len, len);
			assert_int_equal(got[0], out & 0xff);
			assert_int_equal(got[len - 1], out & 0xff);
		}
		for (size_t i = 0; i < n; i++)
			delay_line_pop(&line);
	}
	assert_true(line.most_used <= 4096);
	delay_line_deinit(&line);
	delay_line_deinit(&line);
}

static void a_delay_line_is_full_and_empty_again(void **state)
{
	struct delay_line line;
	struct iovec frames[1];
	uint8_t frame[48] = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(delay_line_init(&line, 1000), 0);
	for (int round = 0; round < 50; round++) {
		for (n = 0;
		     delay_line_push(&line, mono_ms(5), frame, sizeof(frame));
		     n++)
			;
		assert_in_range(n, 14, 15);
		assert_false(delay_line_push(&line, mono_ms(5), frame, 1000));
		assert_int_equal(delay_line_due(&line, mono_ms(4), frames, 1),
				 0);
		for (; n > 0; n--) {
			assert_int_equal(
				delay_line_due(&line, mono_ms(5), frames, 1),
				1);
			delay_line_pop(&line);
		}
		assert_int_equal(delay_line_due(&line, mono_ms(5), frames, 1),
				 0);
		/* begins elsewhere next time */
		assert_true(delay_line_push(&line, mono_ms(5), frame, 1));
		delay_line_pop(&line);
	}
	delay_line_deinit(&line);
}

static void the_same_seed_loses_the_same_frames(void **state)
{
	uint64_t n_lost = 0, n_both = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000000; i++) {
		bool lost = delay_loses(7, i, 1000);

		assert_int_equal(lost, delay_loses(7, i, 1000));
		assert_false(delay_loses(7, i, 0));
		assert_true(delay_loses(7, i, 1000000));
		n_lost += lost;
		n_both += lost && delay_loses(8, i, 1000);
	}
	assert_in_range(n_lost, 850, 1150);
	assert_in_range(n_both, 0, 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stats_of_nothing_is_zero),
		cmocka_unit_test(median_ignores_order_and_outliers),
		cmocka_unit_test(one_sample_is_its_own_spread),
		cmocka_unit_test(ratios_pair_rounds_and_skip_failed_ones),
		cmocka_unit_test(hist_is_exact_for_small_values),
		cmocka_unit_test(hist_keeps_every_value_within_a_64th),
		cmocka_unit_test(hist_tail_is_found),
		cmocka_unit_test(meter_counts_the_steady_part_only),
		cmocka_unit_test(meter_of_one_read_has_no_rate),
		cmocka_unit_test(pattern_tells_where_a_byte_is_wrong),
		cmocka_unit_test(pattern_shifted_by_pages_or_segments_is_wrong),
		cmocka_unit_test(stat_line_survives_any_process_name),
		cmocka_unit_test(
			rollup_adds_clean_and_dirty_or_says_unreadable),
		cmocka_unit_test(a_delay_line_keeps_order_and_bytes),
		cmocka_unit_test(a_delay_line_is_full_and_empty_again),
		cmocka_unit_test(the_same_seed_loses_the_same_frames),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
