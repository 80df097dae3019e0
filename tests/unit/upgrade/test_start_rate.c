/* The rate of a task: its tokens against a count of starts, rate by rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upgrade/start_rate.h"

static const struct {
	int64_t rate;
	int64_t first_ms; /* when an empty bucket has a token */
	int64_t full;     /* tokens after a long time */
} rates[] = {
	{1, 60000, 1},
	{7, 8572, 1},
	{59, 1017, 1},
	{60, 1000, 1},
	{61, 984, 2},
	{120, 500, 2},
	{121, 496, 3},
	{60000, 1, 1000},
	{1000000, 1, 16667},
	{INT64_C(1024000000), 1, 17066667},
};

#define EACH_RATE(i)                                                                               \
	size_t i = 0;                                                                              \
	i < sizeof(rates) / sizeof(rates[0]);                                                      \
	i++

static void a_bucket_is_empty_at_first_and_holds_a_second(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	for (EACH_RATE(i)) {
		int64_t rate = rates[i].rate, first = rates[i].first_ms;

		/* the steady clock may be 0 */
		for (int64_t start = 0; start <= 5000; start += 5000) {
			fw_start_rate_init(&bucket, start);
			assert_false(fw_start_rate_take(&bucket, rate, start));
			assert_int_equal(fw_start_rate_wait_ms(&bucket, rate, start), first);
			assert_int_equal(fw_start_rate_tokens(&bucket, rate, start + first - 1), 0);
			assert_int_equal(fw_start_rate_wait_ms(&bucket, rate, start + first), 0);
			assert_true(fw_start_rate_take(&bucket, rate, start + first));
		}
		fw_start_rate_init(&bucket, 0);
		assert_int_equal(
			fw_start_rate_tokens(&bucket, rate, INT64_C(1) << 50), rates[i].full);
	}
}

/* Asked each 6 ms for ten minutes, as many start as the rate says, and never more. A full bucket
 * loses what comes between two questions: with a token a second that is less than a per cent. */
static void starts_are_as_many_as_the_rate_says(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	for (EACH_RATE(i)) {
		int64_t started = 0;

		if (rates[i].rate > 1000000)
			continue;
		fw_start_rate_init(&bucket, 0);
		for (int64_t now = 0; now <= 600000; now += 6) {
			while (fw_start_rate_take(&bucket, rates[i].rate, now))
				started++;
		}
		assert_true(started <= rates[i].rate * 10);
		assert_true(started >= rates[i].rate * 10 - rates[i].rate / 10 - 1);
		/* a bucket of several tokens is not full between two of them */
		if (rates[i].full > 1)
			assert_int_equal(started, rates[i].rate * 10);
	}
}

static void waiting_for_the_next_token_is_neither_early_nor_late(void **ignored)
{
	struct fw_start_rate bucket;
	int64_t now = 0;

	(void)ignored;
	fw_start_rate_init(&bucket, 0);
	for (int started = 0; started < 61; started++) {
		int64_t wait = fw_start_rate_wait_ms(&bucket, 61, now);

		assert_true(wait > 0);
		assert_false(fw_start_rate_take(&bucket, 61, now + wait - 1));
		now += wait;
		assert_true(fw_start_rate_take(&bucket, 61, now));
	}
	assert_int_equal(now, 60000);
}

static void a_second_of_tokens_and_no_more(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	fw_start_rate_init(&bucket, 0);
	for (int i = 0; i < 10; i++)
		assert_true(fw_start_rate_take(&bucket, 600, 100000));
	assert_false(fw_start_rate_take(&bucket, 600, 100000));
	assert_false(fw_start_rate_take(&bucket, 600, 100099));
	assert_true(fw_start_rate_take(&bucket, 600, 100100));
}

static void a_rate_that_is_lowered_empties_the_bucket_to_its_size(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	fw_start_rate_init(&bucket, 0);
	assert_true(fw_start_rate_take(&bucket, 6000, 60000));
	assert_int_equal(fw_start_rate_tokens(&bucket, 6000, 60000), 99);
	assert_int_equal(fw_start_rate_tokens(&bucket, 60, 60000), 1);
	assert_true(fw_start_rate_take(&bucket, 60, 60000));
	assert_int_equal(fw_start_rate_tokens(&bucket, 6000, 60000), 0);
}

static void no_rate_is_no_limit(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	fw_start_rate_init(&bucket, 0);
	assert_true(fw_start_rate_take(&bucket, 0, 0));
	assert_int_equal(fw_start_rate_wait_ms(&bucket, 0, 0), 0);
	assert_true(fw_start_rate_tokens(&bucket, 0, 0) > 1000000);
}

static void a_clock_that_is_behind_gives_nothing(void **ignored)
{
	struct fw_start_rate bucket;

	(void)ignored;
	fw_start_rate_init(&bucket, 10000);
	assert_false(fw_start_rate_take(&bucket, 60, 4000));
	assert_int_equal(fw_start_rate_wait_ms(&bucket, 60, 4000), 7000);
}

static void the_rate_doubles_with_the_proved(void **ignored)
{
	static const struct {
		int64_t rate, after, proved, expected;
	} pairs[] = {
		{10, 0, 1000000, 10},
		{10, 100, 0, 10},
		{10, 100, 99, 10},
		{10, 100, 100, 20},
		{10, 100, 199, 20},
		{10, 100, 200, 40},
		{10, 100, 1000, 10240},
		{10, 100, 1099, 10240},
		{10, 100, 1100, 10240},
		{10, 1, 1000000, 10240},
		{1, 1, 9, 512},
		{1, 1, 10, 1024},
		{1, 1, 11, 1024},
		{1000000, 1, 1000000, INT64_C(1024000000)},
		{1000000, 1000000, 1000000, 2000000},
		{0, 1, 100, 0},
		{10, 1, -1, 10},
	};

	(void)ignored;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(
			fw_start_rate_per_minute(pairs[i].rate, pairs[i].after, pairs[i].proved),
			pairs[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_is_empty_at_first_and_holds_a_second),
		cmocka_unit_test(starts_are_as_many_as_the_rate_says),
		cmocka_unit_test(waiting_for_the_next_token_is_neither_early_nor_late),
		cmocka_unit_test(a_second_of_tokens_and_no_more),
		cmocka_unit_test(a_rate_that_is_lowered_empties_the_bucket_to_its_size),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(a_clock_that_is_behind_gives_nothing),
		cmocka_unit_test(the_rate_doubles_with_the_proved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
